"""Tables that the user may not read: told at the start of a run, before any row is read."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from dataverse_source import AccessDeniedError, TablesFailedError, load
from dataverse_source.client.client import DataverseClient
from dataverse_source.config.checks import make_settings
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.errors import dataverse_error
from dataverse_source.loading.connection import Connection
from dataverse_source.loading.read_access import TABLES_PER_REQUEST, first_look
from dataverse_source.loading.run_context import observed
from dataverse_source.metadata.model import Table
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.schema.schema_changes import with_column_changed
from tests.support.comparing import assert_equal, destination_rows
from tests.support.loads import NewPipeline, NewSource
from tests.unit.loading.test_progress import Notes


@pytest.fixture(autouse=True)
def no_secured_columns(sandbox: Sandbox) -> None:
    """Every batch of these tests is one about permissions, none about column security."""
    schema = with_column_changed(sandbox.store.schema, "account", "new_taxnumber", secured=False)
    sandbox.store.change_schema(schema)


def hide(sandbox: Sandbox, *tables: str) -> None:
    every = {one.logical_name for one in sandbox.store.schema.tables}
    sandbox.users.change(sandbox.client_id, readable_tables=frozenset(every - set(tables)))


def batches(sandbox: Sandbox) -> int:
    """Batches of a run but the one that asks whether the environment has moved."""
    return len(sandbox.requests.matching("/$batch")) - 1


def asked_for(sandbox: Sandbox, entity_set: str) -> int:
    return sum(one.path.endswith(f"/{entity_set}") for one in sandbox.requests)


@pytest.mark.parametrize("code", ["0x80040220", "0x80048306"])
def test_a_refused_table_is_told_before_any_row_is_read(
    sandbox: Sandbox,
    new_source: NewSource,
    new_pipeline: NewPipeline,
    caplog: pytest.LogCaptureFixture,
    code: str,
) -> None:
    hide(sandbox, "contact")
    sandbox.switches = sandbox.switches.changed(privilege_code=code)
    told_by_then: list[str] = []
    sandbox.hooks.on(r"/accounts\?", lambda: told_by_then.append(caplog.text), nth=1)
    notes = Notes()
    with observed(notes), pytest.raises(TablesFailedError, match="1 of 3") as failed:
        load(new_pipeline(), new_source("accounts", "contacts", "systemusers"))

    (told,) = told_by_then
    request_id = str(failed.value.failures["contacts"].request_id)
    assert request_id != "None"
    assert "contacts was not loaded" in told  # all of it is said once, at the end of the run
    for words in ("contacts", code, request_id, "what to do"):
        assert words in str(failed.value)
    assert ("prvReadContact" in told) == (code == "0x80040220")
    assert notes.ended_with["contacts"] == "AccessDeniedError"
    assert (batches(sandbox), asked_for(sandbox, "contacts")) == (1, 0)
    assert_equal(new_pipeline(), sandbox, "accounts")
    assert_equal(new_pipeline(), sandbox, "systemusers")
    assert "contacts" not in new_pipeline().default_schema.tables


def test_a_plain_run_ends_before_any_row_is_read(
    sandbox: Sandbox, new_source: NewSource, new_pipeline: NewPipeline
) -> None:
    hide(sandbox, "contact")
    with pytest.raises(PipelineStepFailed) as failed:
        new_pipeline().run(new_source("accounts", "contacts"))
    assert isinstance(dataverse_error(failed.value), AccessDeniedError)
    assert asked_for(sandbox, "accounts") == asked_for(sandbox, "contacts") == 0


def test_a_single_table_is_not_tried_first(
    sandbox: Sandbox, new_source: NewSource, new_pipeline: NewPipeline
) -> None:
    hide(sandbox, "contact")
    with pytest.raises(AccessDeniedError, match="prvReadContact"):
        load(new_pipeline(), new_source("contacts"))
    assert batches(sandbox) == 0


def test_a_table_that_was_read_before_is_not_tried_again(
    sandbox: Sandbox, new_source: NewSource, new_pipeline: NewPipeline
) -> None:
    load(new_pipeline(), new_source("accounts", "contacts"))
    assert batches(sandbox) == 1
    sandbox.requests.clear()
    before = destination_rows(new_pipeline(), "contacts", "contactid")
    sandbox.store.create("account", {"name": "New"})
    hide(sandbox, "contact")
    with pytest.raises(TablesFailedError, match="prvReadContact"):
        load(new_pipeline(), new_source("accounts", "contacts"))
    assert batches(sandbox) == 0
    assert asked_for(sandbox, "contacts") > 0
    assert destination_rows(new_pipeline(), "contacts", "contactid") == before
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_a_right_that_is_given_later_counts_in_the_next_run_of_the_same_source(
    sandbox: Sandbox, new_source: NewSource, new_pipeline: NewPipeline
) -> None:
    source = new_source("accounts", "con*", "systemusers")
    hide(sandbox, "contact")
    with pytest.raises(TablesFailedError):
        load(new_pipeline(), source)
    sandbox.users.change(sandbox.client_id, readable_tables=None)
    load(new_pipeline(), source)
    assert_equal(new_pipeline(), sandbox, "contacts")


def test_only_what_is_selected_is_tried(
    sandbox: Sandbox, new_source: NewSource, new_pipeline: NewPipeline
) -> None:
    hide(sandbox, "contact")
    source = new_source("accounts", "contacts", "systemusers")
    load(new_pipeline(), source.with_resources("accounts", "systemusers"))
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_elastic_and_virtual_tables(
    sandbox: Sandbox, new_source: NewSource, new_pipeline: NewPipeline
) -> None:
    sandbox.store.create("new_sensorreading", {"new_name": "One", "partitionid": "a"})
    names = ("accounts", "new_sensorreadings", "new_externalproducts")
    hide(sandbox, "new_sensorreading", "new_externalproduct")
    with pytest.raises(TablesFailedError, match="2 of 3") as failed:
        load(new_pipeline(), new_source(*names))
    assert set(failed.value.failures) == set(names[1:])
    sandbox.users.change(sandbox.client_id, readable_tables=None)
    load(new_pipeline(), new_source(*names))
    assert_equal(new_pipeline(), sandbox, "new_sensorreadings")


def test_where_no_batch_is_taken_tables_are_refused_as_they_are_read(
    sandbox: Sandbox, new_source: NewSource, new_pipeline: NewPipeline
) -> None:
    sandbox.faults.plan("redirect", path=r"/\$batch", times=1000)
    hide(sandbox, "contact")
    with pytest.raises(TablesFailedError, match="prvReadContact"):
        load(new_pipeline(), new_source("accounts", "contacts"))
    assert batches(sandbox) == 1
    assert asked_for(sandbox, "contacts") > 0
    assert_equal(new_pipeline(), sandbox, "accounts")


@pytest.fixture
def client(sandbox: Sandbox, credentials: DataverseCredentials) -> DataverseClient:
    settings = make_settings(
        environment_url=sandbox.environment_url,
        tables=["accounts"],
        ca_bundle=str(sandbox.ca_bundle),
    )
    return Connection(settings, credentials).client


def test_many_tables_are_tried_at_once(sandbox: Sandbox, client: DataverseClient) -> None:
    hide(sandbox, "contact")
    account, contact = (
        Table(name, f"{name}s", f"{name}id", change_tracking=True)
        for name in ("account", "contact")
    )
    tables = [account] * TABLES_PER_REQUEST + [contact, replace(account, entity_set_name="no_such")]
    ((refused, error),) = first_look(client, tables).refused
    assert refused is contact
    assert re.search("prvReadContact", error.what)
    assert len(sandbox.requests.matching("/$batch")) == 2
