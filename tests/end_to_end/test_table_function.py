"""`dataverse_table` in a source of one's own, callbacks, and what `load` takes besides a source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import dlt
import pytest
from dlt.extract import DltResource

from dataverse_source import (
    Column,
    ConfigurationError,
    Table,
    TablesFailedError,
    dataverse,
    dataverse_table,
    load,
)
from dataverse_source.sandbox import Sandbox
from tests.support.comparing import assert_equal, destination_rows
from tests.support.loads import NewPipeline
from tests.support.requests_sent import keys, queries
from tests.support.settings import credentials_of

Make = Callable[..., DltResource]


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    with Sandbox(rows={"account": 25, "contact": 8, "systemuser": 2}) as sandbox:
        yield sandbox


@pytest.fixture
def where(shared: Sandbox) -> dict[str, Any]:
    shared.requests.clear()
    return {
        "environment_url": shared.environment_url,
        "credentials": credentials_of(shared),
        "ca_bundle": shared.ca_bundle,
        "page_size": 10,
    }


def test_a_source_of_ones_own(
    where: dict[str, Any], shared: Sandbox, new_pipeline: NewPipeline
) -> None:
    @dlt.source(name="crm")
    def crm() -> Iterator[DltResource]:
        yield dataverse_table("accounts", included_columns=["name"], history=True, **where)
        yield dataverse_table("contacts", excluded_columns=["address*"], **where)
        yield dlt.resource([{"id": 1}], name="others")

    assert not list(shared.requests)
    load(new_pipeline(), crm())
    assert not list(shared.requests) or crm().name == "crm"
    key = shared.store.create("account", {"name": "New"})
    shared.store.update("account", key, {"name": "Newer"})
    new_pipeline().run(crm())
    accounts = destination_rows(new_pipeline(), "accounts", "_dataverse_row_version")
    assert {row["accountid"] for row in accounts.values()} == set(keys(shared))
    assert not {"revenue", "statecode"} & set(next(iter(accounts.values())))
    contacts = destination_rows(new_pipeline(), "contacts", "contactid")
    assert set(contacts) == set(keys(shared, "contact"))
    assert not [name for name in next(iter(contacts.values())) if name.startswith("address")]
    assert any("deltatoken" in one for one in queries(shared))


def test_a_table_alone_with_arguments(
    where: dict[str, Any], shared: Sandbox, new_pipeline: NewPipeline
) -> None:
    resource = dataverse_table(
        "accounts",
        filter="statecode eq 0",
        write_disposition="replace",
        primary_key="accountid",
        defer_table_reflect=False,
        **where,
    )
    assert list(shared.requests)
    table = resource.compute_table_schema()
    assert table["write_disposition"] == "replace" or table["columns"]["accountid"]["primary_key"]
    load(new_pipeline(), resource)
    alive = {row["accountid"] for row in shared.store.rows("account") if row["statecode"] == 0}
    assert set(destination_rows(new_pipeline(), "accounts", "accountid")) == alive


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"table": "account"}, r"dataverse_table\('accounts'\)"),
        ({"table": "accounts", "write_disposition": "append"}, "append"),
        ({"table": "accounts", "hisory": True}, "Unknown setting hisory"),
        ({"table": "accounts", "included_columns": ["nam"]}, "nam"),
        ({"table": "accounts", "table_adapter_callback": lambda _table: ["nam"]}, "nam"),
    ],
)
def test_what_cannot_be_right_is_refused(
    where: dict[str, Any], new_pipeline: NewPipeline, arguments: dict[str, Any], why: str
) -> None:
    with pytest.raises(Exception, match=why):
        load(new_pipeline(), dataverse_table(**arguments, **where))


def test_callbacks_choose_columns_types_and_rows(
    where: dict[str, Any], shared: Sandbox, new_pipeline: NewPipeline
) -> None:
    def columns(table: Table) -> list[str]:
        return [one.name for one in table.columns if one.name in ("name", "revenue", "statecode")]

    def types(column: Column) -> str | None:
        return "double" if column.type == "MoneyType" else None

    def query(filter_: str | None, table: Table) -> str:
        assert filter_ is None
        return f"{table.primary_id} ne null and statecode eq 0"

    source: Any = dataverse(
        tables=["accounts"],
        table_adapter_callback=columns,
        type_adapter_callback=types,
        query_adapter_callback=query,
        **where,
    )
    assert source.accounts.columns["revenue"]["data_type"] == "double"
    load(new_pipeline(), source)
    rows = destination_rows(new_pipeline(), "accounts", "accountid")
    alive = {row["accountid"] for row in shared.store.rows("account") if row["statecode"] == 0}
    assert set(rows) == alive
    row = next(one for one in rows.values() if one["revenue"] is not None)
    assert isinstance(row["revenue"], float)
    assert {"accountid", "name", "revenue", "statecode", "versionnumber"} <= set(row)
    assert "telephone1" not in row


def test_text_has_the_lengths_of_the_metadata(
    where: dict[str, Any], shared: Sandbox, new_pipeline: NewPipeline
) -> None:
    source: Any = dataverse(tables=["accounts"], text_lengths=True, **where)
    columns: Any = source.accounts.columns
    assert columns["accountid"]["precision"] == 36
    assert columns["primarycontactid"]["precision"] == 36
    name = shared.store.schema.by_logical_name["account"].by_name["name"]
    assert columns["name"]["precision"] == name.max_length
    plain: Any = dataverse(tables=["accounts"], **where)
    assert "precision" not in plain.accounts.columns["name"]
    load(new_pipeline(), source)
    assert_equal(new_pipeline(), shared, "accounts")


@pytest.mark.parametrize("refresh", ["drop_sources", "drop_resources", "drop_data"])
def test_load_ends_with_refresh(
    where: dict[str, Any], shared: Sandbox, new_pipeline: NewPipeline, refresh: Any
) -> None:
    for _ in range(2):
        load(new_pipeline(), dataverse(tables=["accounts"], **where), refresh=refresh)
        assert_equal(new_pipeline(), shared, "accounts")


def test_load_takes_resources_lists_and_arguments(
    where: dict[str, Any], shared: Sandbox, new_pipeline: NewPipeline
) -> None:
    source = dataverse(tables=["accounts", "contacts", "systemusers"], **where)
    report = load(new_pipeline(), source.accounts, loader_file_format="insert_values")
    assert [one.name for one in report.tables] == ["accounts"]
    more = dataverse(tables=["systemusers"], **where)
    report = load(new_pipeline(), [source.contacts, more], write_disposition="replace")
    assert {one.name for one in report.tables} == {"contacts", "systemusers"}
    shared.requests.clear()
    load(new_pipeline(), source)  # the state is that of the source
    assert all("deltatoken" in one for one in queries(shared)[:1])
    for name in ("accounts", "contacts", "systemusers"):
        assert_equal(new_pipeline(), shared, name)


def test_load_refuses_what_is_no_source(new_pipeline: NewPipeline) -> None:
    for one in ([], 5, ["accounts"]):
        with pytest.raises(ConfigurationError, match="load takes"):
            load(new_pipeline(), one)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "settings", "why"),
    [
        ({"refresh": "everything"}, {}, "drop_sources, drop_resources or drop_data"),
        ({"table_format": "delta"}, {}, "duckdb has no tables of the format delta"),
        ({}, {"table_format": "iceberg"}, "duckdb has no tables of the format iceberg"),
    ],
)
def test_what_would_be_ignored_is_refused(
    where: dict[str, Any],
    shared: Sandbox,
    new_pipeline: NewPipeline,
    arguments: dict[str, Any],
    settings: dict[str, Any],
    why: str,
) -> None:
    source = dataverse(tables=["accounts"], **settings, **where)
    shared.requests.clear()
    with pytest.raises(ConfigurationError, match=why):
        load(new_pipeline(), source, **arguments)
    assert queries(shared) == []


def test_several_sources_report_the_failure_of_one(
    where: dict[str, Any], shared: Sandbox, new_pipeline: NewPipeline
) -> None:
    good, bad = dataverse(tables=["accounts"], **where), dataverse(tables=["acounts"], **where)
    with pytest.raises((ConfigurationError, TablesFailedError, Exception), match="acounts"):
        load(new_pipeline(), [bad, good])
    assert_equal(new_pipeline(), shared, "accounts")
