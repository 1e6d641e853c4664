"""The source against the sandbox: what arrives, what a second run reads, what a failure leaves."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import dlt
import pytest
from dlt.common.typing import TSecretStrValue

from dataverse_source import ConfigurationError, UnknownNameError, dataverse
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.sandbox import Sandbox
from tests.support.comparing import assert_equal, destination_rows
from tests.support.loads import NewPipeline, Run


def column_types(pipeline: dlt.Pipeline, table: str) -> dict[str, str]:
    with pipeline.sql_client() as client:
        rows = client.execute_sql(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s "
            "AND table_schema = 'dataverse' ORDER BY ordinal_position",
            table,
        )
    return {str(name): str(kind) for name, kind in rows or ()}


def test_the_destination_equals_the_sandbox(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    report = run("accounts", "contacts", "systemusers", page_size=25)
    for name, count in (("accounts", 60), ("contacts", 40), ("systemusers", 5)):
        assert len(assert_equal(new_pipeline(), sandbox, name)) == count
    assert [(table.name, table.rows_read) for table in report.tables] == [
        ("accounts", 60),
        ("contacts", 40),
        ("systemusers", 5),
    ]


def test_columns_have_the_types_of_their_metadata(run: Run, new_pipeline: NewPipeline) -> None:
    run()
    types = column_types(new_pipeline(), "accounts")
    assert len(types) >= 140
    assert types["accountid"] == "VARCHAR"
    assert types["revenue"].startswith("DECIMAL")
    assert types["exchangerate"].startswith("DECIMAL")
    assert types["versionnumber"] == "BIGINT"
    assert types["statecode"] == "BIGINT"
    assert types["creditonhold"] == "BOOLEAN"
    assert types["modifiedon"] == "TIMESTAMP WITH TIME ZONE"
    assert types["address1_latitude"] == "DOUBLE"
    assert {"DATE", "TIMESTAMP"} <= set(types.values())


def test_a_second_run_reads_what_changed(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run()
    keys = sorted(row["accountid"] for row in sandbox.store.rows("account"))[:10]
    for number, key in enumerate(keys):
        sandbox.store.update("account", key, {"name": f"Changed {number}"})
    sandbox.store.create("account", {"name": "New"})

    report = run()

    (table,) = report.tables
    assert table.rows_read == 11
    assert (table.rows_before, table.rows_after) == (60, 61)
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_rows_without_modifiedon_are_read_every_time(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run(sync="cursor")
    sandbox.requests.clear()
    run(sync="cursor")
    (query,) = [one.query for one in sandbox.requests if one.path.endswith("/accounts")]
    assert "modifiedon%20eq%20null" in query


def test_a_row_dated_in_the_future_hides_no_later_change(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    future = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=9000)
    sandbox.store.create("account", {"name": "From the future"}, modified_on=future)
    run(sync="cursor")
    key = sandbox.store.create("account", {"name": "Later"})
    run(sync="cursor")
    assert key in destination_rows(new_pipeline(), "accounts", "accountid")


def test_full_replaces_the_table_and_so_sees_deletes(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run(sync="full")
    gone = sandbox.store.rows("account")[0]["accountid"]
    sandbox.store.delete("account", gone)
    run(sync="full")
    assert gone not in assert_equal(new_pipeline(), sandbox, "accounts")


def test_an_empty_table_arrives_with_all_its_columns(
    sandbox: Sandbox, run: Run, new_pipeline: NewPipeline
) -> None:
    for row in sandbox.store.rows("contact"):
        sandbox.store.delete("contact", row["contactid"])
    report = run("contacts")
    assert report.tables[0].rows_after == 0
    assert column_types(new_pipeline(), "contacts")["birthdate"] == "DATE"


def test_select_and_filter_of_one_table(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    settings = {"accounts": {"select": ["name", "revenue"], "filter": "name ne 'Test Account 1'"}}
    run(table_settings=settings)
    assert set(column_types(new_pipeline(), "accounts")) == {
        "accountid",
        "name",
        "revenue",
        "modifiedon",
        "versionnumber",
        "_dataverse_deleted",
    }
    rows = destination_rows(new_pipeline(), "accounts", "accountid")
    expected = [r for r in sandbox.store.rows("account") if r["name"] != "Test Account 1"]
    assert len(rows) == len(expected) < 60


def test_a_table_may_be_named_by_its_logical_name(run: Run, new_pipeline: NewPipeline) -> None:
    assert [table.name for table in run("account").tables] == ["accounts"]


def test_an_unknown_table_is_named_with_the_nearest_ones(run: Run) -> None:
    with pytest.raises(UnknownNameError, match="'accounts'"):
        run("acounts")


def test_an_unknown_column_is_named_with_the_nearest_ones(run: Run) -> None:
    with pytest.raises(UnknownNameError, match="'revenue'"):
        run(table_settings={"accounts": {"select": ["name", "revenu"]}})


def test_cursor_is_refused_for_a_table_that_has_none(run: Run, sandbox: Sandbox) -> None:
    table = next(table for table in sandbox.store.schema.tables if table.table_type == "Virtual")
    settings = {str(table.entity_set_name): {"sync": "cursor"}}
    with pytest.raises(ConfigurationError, match="cursor"):
        run(table.entity_set_name, table_settings=settings)


def test_nothing_is_requested_while_the_source_is_built(
    sandbox: Sandbox, credentials: DataverseCredentials
) -> None:
    dataverse(
        environment_url=sandbox.environment_url,
        tables=["accounts"],
        credentials=credentials,
        ca_bundle=sandbox.ca_bundle,
    )
    assert not list(sandbox.requests)


def test_another_environment_takes_the_place_of_the_first(
    run: Run, new_pipeline: NewPipeline
) -> None:
    run()
    with Sandbox(rows={"account": 30}, seed=2) as other:
        signs_in = DataverseCredentials(
            tenant_id=other.tenant_id,
            client_id=other.client_id,
            client_secret=TSecretStrValue(other.client_secret),
            authority_host=other.authority_host,
        )
        for _ in range(2):
            run(
                environment_url=other.environment_url,
                credentials=signs_in,
                ca_bundle=other.ca_bundle,
            )
            assert len(assert_equal(new_pipeline(), other, "accounts")) == 30
