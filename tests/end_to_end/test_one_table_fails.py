"""One table never stops the others, whatever it fails with; afterwards it is right by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dlt
import pytest

from dataverse_source import (
    ConfigurationError,
    DataError,
    PipelineError,
    ProtocolError,
    TablesFailedError,
    UnknownNameError,
    dataverse,
    load,
)
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.errors import DataverseError
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.schema import schema_changes
from dataverse_source.sandbox.schema.tables import Column
from dataverse_source.sandbox.switches import Switches
from dataverse_source.sync.run_table import table_items
from tests.support.comparing import assert_equal
from tests.support.loads import NewPipeline, Run
from tests.support.requests_sent import keys

pytestmark = pytest.mark.slow


def failure(run: Run, *names: str, **settings: Any) -> DataverseError:
    """The error of the one table that fails."""
    with pytest.raises(TablesFailedError) as failed:
        run(*names, **settings)
    (error,) = failed.value.failures.values()
    return error


def change(sandbox: Sandbox, table: str, **values: Any) -> None:
    sandbox.store.update(table, keys(sandbox, table)[0], values)


def execute(pipeline: dlt.Pipeline, sql: str) -> None:
    with pipeline.sql_client() as client:
        client.execute_sql(sql)


def test_two_columns_that_become_one(run: Run, sandbox: Sandbox, new_pipeline: NewPipeline) -> None:
    schema = sandbox.store.schema
    for name in ("new_code_", "new_codex"):
        schema = schema_changes.with_column(schema, "contact", Column(name, "String"))
    sandbox.store.change_schema(schema)
    error = failure(run, "accounts", "contacts")
    assert isinstance(error, DataError)
    assert "Columns new_code_ and new_codex of contacts" in str(error)
    assert_equal(new_pipeline(), sandbox, "accounts")
    select = {"contacts": {"select": ["lastname"]}}
    run("accounts", "contacts", table_settings=select)


@pytest.mark.parametrize(
    "name", ["_dlt_loads", "_dlt_pipeline_state", "_dlt_of_tomorrow", "_dataverse_columns"]
)
def test_an_entity_set_that_is_called_like_a_table_of_another_kind(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, name: str
) -> None:
    schema = schema_changes.with_table_changed(
        sandbox.store.schema, "contact", entity_set_name=name
    )
    sandbox.store.change_schema(schema)
    error = failure(run, "accounts", "contact")
    assert f"table {name} is used otherwise" in str(error)
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_a_table_that_fails_again_when_it_is_not_read_ends_the_run(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dataverse_source.loading.table_checks.check_table_name", lambda *_: None)
    name = "_dlt_pipeline_state"  # what it leaves in the schema stops dlt's own state
    schema = schema_changes.with_table_changed(
        sandbox.store.schema, "contact", entity_set_name=name
    )
    sandbox.store.change_schema(schema)
    with pytest.raises(PipelineError, match=name):
        run("accounts", "contact")


def test_a_table_that_takes_over_the_name_of_another(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run("accounts", "contacts")
    schema = sandbox.store.schema
    schema = schema_changes.with_table_changed(schema, "contact", entity_set_name="old_contacts")
    schema = schema_changes.with_table_changed(schema, "systemuser", entity_set_name="contacts")
    sandbox.store.change_schema(schema)
    change(sandbox, "account", name="Changed")
    error = failure(run, "accounts", "contacts")
    assert "another table has taken over the name" in str(error)
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_a_table_that_dataverse_no_longer_has(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run("accounts", "leads")
    sandbox.store.change_schema(schema_changes.without_table(sandbox.store.schema, "lead"))
    change(sandbox, "account", name="Changed")
    assert isinstance(failure(run, "accounts", "leads"), UnknownNameError)
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_an_error_that_nobody_expects(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def items(table_run: Any, stored: dict[str, Any]) -> Iterator[Any]:
        if table_run.name == "contacts":
            raise ZeroDivisionError("division by zero")
        return usual(table_run, stored)

    usual = table_items
    monkeypatch.setattr("dataverse_source.loading.tables.table_items", items)
    assert "ZeroDivisionError: division by zero" in str(failure(run, "accounts", "contacts"))
    assert_equal(new_pipeline(), sandbox, "accounts")
    monkeypatch.undo()
    run("accounts", "contacts")
    assert_equal(new_pipeline(), sandbox, "contacts")


def test_a_column_that_a_contract_forbids(
    run: Run, sandbox: Sandbox, credentials: DataverseCredentials, new_pipeline: NewPipeline
) -> None:
    run("accounts", "contacts")
    column = Column("new_code", "String")
    sandbox.store.change_schema(schema_changes.with_column(sandbox.store.schema, "contact", column))
    change(sandbox, "account", name="Changed")
    source = dataverse(
        environment_url=sandbox.environment_url,
        tables=["accounts", "contacts"],
        credentials=credentials,
        ca_bundle=sandbox.ca_bundle,
    )
    source.resources["contacts"].apply_hints(schema_contract={"columns": "freeze"})
    with pytest.raises(TablesFailedError) as failed:
        load(new_pipeline(), source)
    assert list(failed.value.failures) == ["contacts"]
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_rows_that_the_destination_refuses(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run("accounts", "contacts")
    alter = "ALTER TABLE dataverse{}.contacts ALTER jobtitle TYPE {} USING NULL"
    execute(new_pipeline(), alter.format("", "INTEGER"))
    change(sandbox, "account", name="Changed")
    change(sandbox, "contact", jobtitle="No number")
    assert isinstance(failure(run, "accounts", "contacts"), PipelineError)
    assert_equal(new_pipeline(), sandbox, "accounts")
    assert not new_pipeline().has_pending_data
    execute(new_pipeline(), alter.format("", "VARCHAR"))
    for key in keys(sandbox, "contact"):
        sandbox.store.update("contact", key, {"jobtitle": "Text"})
    run("accounts", "contacts")
    assert_equal(new_pipeline(), sandbox, "contacts")


@pytest.mark.parametrize("section", ["LOAD", "TEST__LOAD"])
def test_failed_jobs_may_not_pass_as_loaded(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, section: str
) -> None:
    monkeypatch.setenv(f"{section}__RAISE_ON_FAILED_JOBS", "false")
    with pytest.raises(ConfigurationError, match="Remove this setting"):
        run("accounts")
    assert len(sandbox.requests) == 0


@pytest.mark.parametrize("sync", ["changes", "cursor", "full"])
def test_a_refresh_ends(
    run: Run, sandbox: Sandbox, credentials: DataverseCredentials, new_pipeline: NewPipeline,
    sync: str,
) -> None:  # fmt: skip
    run("accounts", "contacts", sync=sync)
    execute(new_pipeline(), "DELETE FROM dataverse.accounts")
    source = dataverse(
        environment_url=sandbox.environment_url,
        tables=["accounts", "contacts"],
        credentials=credentials,
        ca_bundle=sandbox.ca_bundle,
        sync=sync,
    )
    pipeline = new_pipeline()
    pipeline.refresh = "drop_resources"
    sandbox.requests.clear()
    load(pipeline, source)
    assert len(sandbox.requests) < 60
    assert_equal(new_pipeline(), sandbox, "accounts")
    assert_equal(new_pipeline(), sandbox, "contacts")


def test_packages_that_read_the_same_rows_again_and_again(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    sandbox.switches = Switches().changed(skiptoken_expiry="0x80041129")
    sandbox.identity.tokens.lifetime = 10**8

    def advance() -> None:
        sandbox.clock.advance(5000)

    sandbox.hooks.on(r"/accounts\?.*skiptoken", advance, when="before", times=None)
    settings = {"sync": "cursor", "page_size": 20, "max_rows_per_load": 20}
    with pytest.raises(ProtocolError, match="does not get any further"):
        run(**settings)
    sandbox.hooks.clear()
    run(**settings)
    assert_equal(new_pipeline(), sandbox, "accounts")
