"""What users of dlt's own sources do with a resource: it works here as there, or says why not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dlt
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed
from dlt.pipeline.helpers import pipeline_drop

from dataverse_source import ConfigurationError, TablesFailedError, load
from dataverse_source.sandbox import Sandbox
from tests.support.comparing import assert_equal, destination_rows
from tests.support.few_columns import Make, loaded
from tests.support.loads import NewPipeline
from tests.support.requests_sent import keys, queries, state


def test_resources_are_called_like_tables(source: Make, shared: Sandbox) -> None:
    found = source("account", "systemuser*", exclude=["systemuserroles"])
    assert not list(shared.requests)
    assert {"accounts", "systemusers", "_dataverse_catalog"} <= set(found.resources)
    assert "account" not in found.resources
    assert found.accounts.name == "accounts"
    assert list(found.with_resources("account").selected_resources) == ["accounts"]
    assert "systemusers" in found.with_resources("systemuser*").selected_resources
    with pytest.raises(AttributeError, match="acounts"):
        _ = found.acounts


def test_a_resource_knows_its_table_before_the_run(source: Make) -> None:
    found = source("accounts", "contacts", exclude=["none"])
    accounts: Any = found.accounts
    assert accounts.columns["revenue"]["data_type"] == "decimal"
    table = accounts.compute_table_schema()
    assert table["columns"]["accountid"]["primary_key"]
    assert table["write_disposition"] == "merge"
    references = {one["referenced_table"] for one in table["references"]}
    assert references == {"accounts", "contacts"}
    schema = found.discover_schema()
    assert {"accounts", "contacts"} <= set(schema.tables)
    assert schema.tables["contacts"]["columns"]["birthdate"]["data_type"] == "date"
    assert accounts.section == "dataverse"


def test_dlt_drops_a_table_by_its_name(
    source: Make, shared: Sandbox, new_pipeline: NewPipeline
) -> None:
    load(new_pipeline(), source("acc*"))
    pipeline_drop(new_pipeline(), resources=["accounts"])()
    assert "accounts" not in new_pipeline().default_schema.tables
    load(new_pipeline(), source("acc*"))
    assert set(loaded(new_pipeline())) == set(keys(shared))


def test_a_source_is_shown_without_a_request(source: Make, shared: Sandbox) -> None:
    found = source("account", "systemuser*")
    assert "account" in repr(found)
    assert not hasattr(found, "_repr_html_")
    assert not list(shared.requests)


def test_state_goes_by_the_table(source: Make, shared: Sandbox, new_pipeline: NewPipeline) -> None:
    load(new_pipeline(), source("acc*", sync="auto"))
    assert state(new_pipeline())["mode"] == "changes"
    load(new_pipeline(), source("account", sync="auto"))
    assert [one for one in queries(shared) if "deltatoken" in one]
    load(new_pipeline(), source("accounts", sync="auto"))
    assert all("deltatoken" in one for one in queries(shared)[:1])


def test_a_state_by_pattern_of_an_earlier_version_is_taken_over(
    source: Make, shared: Sandbox, new_pipeline: NewPipeline
) -> None:
    pipeline = new_pipeline()
    load(pipeline, source("acc*", sync="auto"))
    with pipeline.managed_state(extract_state=True) as changed:
        resources: Any = changed["sources"]["dataverse"]["resources"]
        resources["acc*"] = resources.pop("accounts")
    pipeline.normalize()
    pipeline.load()
    load(new_pipeline(), source("accounts", sync="auto"))
    assert all("deltatoken" in one for one in queries(shared)[:1])
    resources = dict(new_pipeline().state["sources"])["dataverse"]["resources"]
    assert not resources["acc*"]["tables"]
    assert resources["accounts"]["tables"]["account"]
    assert new_pipeline().default_schema.tables["accounts"]["resource"] == "accounts"


def test_dlt_shows_what_is_loaded(source: Make, shared: Sandbox, new_pipeline: NewPipeline) -> None:
    (table,) = source().accounts  # without a pipeline: all rows
    load(new_pipeline(), source())
    dataset = new_pipeline().dataset()
    rows = dataset["accounts"].select("accountid").fetchall()
    assert {key for (key,) in rows} == set(keys(shared))
    assert dict(dataset.row_counts().fetchall())["accounts"] == len(rows)
    assert "_dataverse_deleted" not in table.column_names
    assert list(source().accounts) == []  # with its state: what has changed since


def upper(row: dict[str, Any]) -> dict[str, Any]:
    row["name"] = row["name"].upper()
    row["size"] = len(row["name"])
    return row


def upper_arrow(table: pa.Table) -> pa.Table:
    at = table.schema.get_field_index("name")
    table = table.set_column(at, "name", pc.utf8_upper(table["name"]))
    return table.append_column("size", pc.utf8_length(table["name"]))


@pytest.mark.parametrize("function", [upper, upper_arrow])
def test_add_map_takes_functions_of_rows_and_of_arrow_tables(
    source: Make, shared: Sandbox, new_pipeline: NewPipeline, function: Any
) -> None:
    for name in ("first", "second"):
        key = shared.store.create("account", {"name": name})
        made = source()
        made.accounts.add_map(function)
        new_pipeline().run(made)
        rows = loaded(new_pipeline())
        assert set(rows) == set(keys(shared))
        assert rows[key]["name"] == name.upper()
        assert all(row["size"] == len(row["name"]) for row in rows.values())
    shared.store.delete("account", key)
    made = source()
    made.accounts.add_map(function)
    new_pipeline().run(made)
    assert set(loaded(new_pipeline())) == set(keys(shared))


def drop_inactive(table: pa.Table) -> pa.Table:
    return table.filter(pc.not_equal(table["statecode"], 1))


@pytest.mark.parametrize(
    ("how", "sync"),
    [("filter", "changes"), ("map", "cursor"), ("yield", "changes"), ("filter", "full")],
)
def test_a_filter_keeps_deletes_and_removes_what_it_drops(
    source: Make, shared: Sandbox, new_pipeline: NewPipeline, how: str, sync: str
) -> None:
    def run() -> None:
        made = source("accounts", sync=sync, sweep_interval=0)
        accounts = made.resources["accounts"]
        if how == "filter":
            accounts.add_filter(lambda row: row["statecode"] == 0)
        elif how == "map":
            accounts.add_map(drop_inactive)
        else:
            accounts.add_yield_map(lambda row: iter([row] if row["statecode"] == 0 else []))
        load(new_pipeline(), made)
        alive = {r["accountid"] for r in shared.store.rows("account") if r["statecode"] == 0}
        assert set(loaded(new_pipeline())) == alive

    made = [shared.store.create("account", {"name": f"Made {n}"}) for n in range(3)]
    run()
    shared.store.update("account", made[0], {"statecode": 1, "statuscode": 2})
    shared.store.delete("account", made[1])
    shared.clock.advance(600)
    run()
    shared.store.update("account", made[0], {"statecode": 0, "statuscode": 1})
    run()
    for key in (made[0], made[2]):
        shared.store.delete("account", key)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda accounts: accounts.add_map(lambda table: table.drop_columns("accountid")), "key"),
        (lambda accounts: accounts.add_yield_map(lambda row: [row, row]), "several times"),
        (lambda accounts: accounts.add_map(lambda row: {**row, "revenue": "x"}), "revenue"),
    ],
)
def test_functions_that_break_the_table_are_refused(
    source: Make, new_pipeline: NewPipeline, change: Any, why: str
) -> None:
    made = source()
    change(made.accounts)
    with pytest.raises(ConfigurationError, match=why):
        load(new_pipeline(), made)


def test_parallel_resources_with_functions(
    source: Make, shared: Sandbox, new_pipeline: NewPipeline
) -> None:
    key = shared.store.create("account", {"name": "Parallel"})
    for _ in range(2):
        made = source("accounts", "contacts", sync="auto").parallelize()
        made.resources["accounts"].add_filter(lambda row: row["name"] is not None)
        new_pipeline().run(made)
        shared.store.delete("account", key)
        assert_equal(new_pipeline(), shared, "contacts")
        key = shared.store.create("account", {"name": "Parallel"})
    new_pipeline().run(source("accounts", "contacts", sync="auto"))
    assert set(loaded(new_pipeline())) == set(keys(shared))


@dlt.transformer
def names(rows: pa.Table) -> Iterator[Any]:
    for row in rows.to_pylist():
        yield {"account": row["accountid"], "name": row["name"]}


def test_a_transformer_gets_rows_and_the_table_stays_right(
    source: Make, shared: Sandbox, new_pipeline: NewPipeline
) -> None:
    key = shared.store.create("account", {"name": "Transformed"})
    for count in (len(keys(shared)), len(keys(shared)) + 1):  # new rows; deletes are no rows
        made = source()
        made.resources["names"] = made.accounts | names
        new_pipeline().run(made)
        rows = destination_rows(new_pipeline(), "names", "account")
        assert len(rows) == count
        assert set(loaded(new_pipeline())) == set(keys(shared))
        key, old = shared.store.create("account", {"name": "Another"}), key
        shared.store.delete("account", old)


def test_a_transformer_alone_does_not_take_the_tables_rows(
    source: Make, shared: Sandbox, new_pipeline: NewPipeline
) -> None:
    new_pipeline().run(source().accounts | names)
    assert len(destination_rows(new_pipeline(), "names", "account")) == len(keys(shared))
    assert "accounts" not in new_pipeline().default_schema.tables
    new_pipeline().run(source().accounts)
    assert set(loaded(new_pipeline())) == set(keys(shared))


@pytest.mark.parametrize("sync", ["auto", "full"])
def test_a_limit_counts_pages_and_stores_no_state(
    source: Make, shared: Sandbox, new_pipeline: NewPipeline, sync: str
) -> None:
    made = source("accounts", "contacts", sync=sync)
    made.accounts.add_limit(1)
    load(new_pipeline(), made)
    assert len(loaded(new_pipeline())) == 10
    assert len(queries(shared)) <= 4
    assert_equal(new_pipeline(), shared, "contacts")
    load(new_pipeline(), source("accounts", "contacts", sync=sync))
    assert_equal(new_pipeline(), shared, "accounts")


def test_a_limit_on_the_source_is_set_before_tables_are_known(
    source: Make, shared: Sandbox, new_pipeline: NewPipeline
) -> None:
    made = source().add_limit(15, count_rows=True)
    assert not list(shared.requests)
    new_pipeline().run(made)
    assert len(loaded(new_pipeline())) == 20


@pytest.mark.parametrize(
    ("hints", "why"),
    [
        ({"write_disposition": "append"}, "deleted rows would stay"),
        ({"write_disposition": "skip"}, "not"),
        ({"write_disposition": {"disposition": "merge", "strategy": "scd2"}}, "history"),
        ({"write_disposition": {"disposition": "merge", "strategy": "insert-only"}}, "deletes"),
        ({"table_name": "customers"}, "table_name"),
        ({"primary_key": "name"}, "accountid"),
        ({"merge_key": "name"}, "merge_key"),
        ({"columns": {"name": {"nullable": False}}}, "nullable"),
        ({"columns": {"accountid": {"data_type": "bigint"}}}, "key"),
    ],
)
def test_hints_that_break_the_table_are_refused(
    source: Make, new_pipeline: NewPipeline, hints: dict[str, Any], why: str
) -> None:
    made = source()
    with pytest.raises(ConfigurationError, match=why):
        load(new_pipeline(), made.with_resources(made.accounts.apply_hints(**hints).name))


def test_a_resource_keeps_its_name(source: Make) -> None:
    with pytest.raises(ConfigurationError, match="accounts is what its state"):
        source().accounts.with_name("customers")


def test_a_type_of_the_users_choice(
    source: Make, shared: Sandbox, new_pipeline: NewPipeline
) -> None:
    key = shared.store.create("account", {"name": "Rich", "revenue": 1234})
    for number in range(2):
        shared.store.update("account", key, {"numberofemployees": number})
        made: Any = source()
        columns: Any = {
            "revenue": {"data_type": "double", "description": "what it earns"},
            "numberofemployees": {"data_type": "text"},
        }
        made.accounts.apply_hints(columns=columns)
        assert made.accounts.columns["revenue"]["data_type"] == "double"
        new_pipeline().run(made)
        row = loaded(new_pipeline())[key]
        assert (row["revenue"], row["numberofemployees"]) == (1234.0, str(number))
        assert isinstance(row["revenue"], float)
    found = new_pipeline().default_schema.tables["accounts"]["columns"]
    assert found["revenue"]["description"] == "what it earns"
    assert not [name for name in found if "__v_" in name]


def test_run_replaces_merges_and_refuses(
    source: Make, shared: Sandbox, new_pipeline: NewPipeline
) -> None:
    new_pipeline().run(source())
    for disposition in ("replace", "merge", "replace"):
        key = shared.store.create("account", {"name": disposition})
        new_pipeline().run(source(), write_disposition=disposition)
        assert set(loaded(new_pipeline())) == set(keys(shared))
        assert not any("deltatoken" in one for one in queries(shared))  # all rows are read
        shared.store.delete("account", key)
    new_pipeline().run(source(), primary_key="accountid")
    assert set(loaded(new_pipeline())) == set(keys(shared))
    with pytest.raises(PipelineStepFailed, match="deleted rows would stay"):
        new_pipeline().run(source(), write_disposition="append")


def test_a_replaced_table_that_fails_is_not_emptied(
    source: Make, shared: Sandbox, new_pipeline: NewPipeline
) -> None:
    load(new_pipeline(), source("accounts", "contacts", sync="full"))
    rows = loaded(new_pipeline())
    shared.users.change(shared.client_id, readable_tables=frozenset({"contact"}))
    made = source("accounts", "contacts", sync="auto")
    try:
        with pytest.raises(TablesFailedError):
            load(new_pipeline(), made, write_disposition="replace")
    finally:
        shared.users.change(shared.client_id, readable_tables=None)
    assert loaded(new_pipeline()) == rows


@pytest.mark.parametrize("file_format", ["jsonl", "insert_values"])
def test_run_takes_file_formats(
    source: Make, shared: Sandbox, new_pipeline: NewPipeline, file_format: Any
) -> None:
    new_pipeline().run(source(), loader_file_format=file_format)
    assert set(loaded(new_pipeline())) == set(keys(shared))
