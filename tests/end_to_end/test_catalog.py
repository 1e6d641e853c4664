"""The source with what metadata adds: catalog tables, labels, references, patterns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import dlt
import pytest
from dlt.extract import DltSource

from dataverse_source import UnknownNameError, dataverse, load
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.sandbox import Sandbox
from tests.support.comparing import assert_equal, destination_rows
from tests.support.loads import NewPipeline, NewSource

CATALOG = ("tables", "columns", "relationships", "choices")


def rows_of(pipeline: dlt.Pipeline, table: str, *columns: str) -> list[tuple[Any, ...]]:
    with pipeline.sql_client() as client:
        names = ", ".join(f'"{column}"' for column in columns)
        relation = client.make_qualified_table_name(table)
        found = client.execute_sql(f"SELECT {names} FROM {relation}")
    return [tuple(row) for row in found or ()]


def rename_table(sandbox: Sandbox, logical_name: str, display_name: str) -> None:
    store = sandbox.store
    tables = tuple(
        replace(one, display_name=display_name) if one.logical_name == logical_name else one
        for one in store.schema.tables
    )
    store.change_schema(replace(store.schema, tables=tables))


def test_the_catalog_is_loaded_when_it_has_changed(
    sandbox: Sandbox, new_source: NewSource, new_pipeline: NewPipeline
) -> None:
    report = load(new_pipeline(), new_source("accounts", "contacts"))
    assert [table.name for table in report.tables] == ["accounts", "contacts"]
    tables = rows_of(new_pipeline(), "_dataverse_tables", "table", "display_name")
    assert sorted(tables) == [("accounts", "Account"), ("contacts", "Contact")]
    choices = rows_of(
        new_pipeline(), "_dataverse_choices", "table", "column", "value", "label", "language"
    )
    assert ("accounts", "statecode", 1, "Inactive", 1033) in choices
    for name in CATALOG:
        assert new_pipeline().default_schema.tables[f"_dataverse_{name}"]["description"]

    assert catalog_rows(new_pipeline(), new_source("accounts", "contacts")) == {}
    assert len(rows_of(new_pipeline(), "_dataverse_tables", "table")) == 2

    rename_table(sandbox, "account", "Company")
    assert set(catalog_rows(new_pipeline(), new_source("accounts", "contacts"))) == {
        f"_dataverse_{name}" for name in CATALOG
    }
    tables = rows_of(new_pipeline(), "_dataverse_tables", "table", "display_name")
    assert ("accounts", "Company") in tables
    assert len(tables) == 2


def catalog_rows(pipeline: dlt.Pipeline, source: DltSource) -> dict[str, int]:
    """Rows of the catalog that a plain run of dlt loads."""
    pipeline.run(source)
    assert pipeline.last_trace is not None
    trace = pipeline.last_trace.last_normalize_info
    assert trace is not None
    return {
        name: count
        for name, count in trace.row_counts.items()
        if name.startswith("_dataverse_") and count
    }


def test_the_catalog_has_the_tables_of_all_pipelines_in_a_dataset(
    new_source: NewSource, tmp_path: Path
) -> None:
    def run(name: str, *tables: str) -> list[str]:
        pipeline = dlt.pipeline(
            name,
            destination=dlt.destinations.duckdb(str(tmp_path / "shared.duckdb")),
            dataset_name="dataverse",
            pipelines_dir=str(tmp_path / "pipelines"),
        )
        load(pipeline, new_source(*tables))
        found = [rows_of(pipeline, f"_dataverse_{one}", "table") for one in CATALOG]
        listed = [sorted({table for (table,) in rows}) for rows in found]
        assert listed[0] == listed[1]
        assert len(found[0]) == len(listed[0])
        return listed[0]

    assert run("first", "accounts", "systemusers") == ["accounts", "systemusers"]
    assert run("second", "contacts") == ["accounts", "contacts", "systemusers"]
    assert run("first", "accounts") == ["accounts", "contacts"]  # the other is no longer loaded


def test_a_run_without_changes_takes_few_requests(
    sandbox: Sandbox, new_source: NewSource, new_pipeline: NewPipeline
) -> None:
    names = ("*",)
    load(new_pipeline(), new_source(*names))
    tables = len(rows_of(new_pipeline(), "_dataverse_tables", "table"))
    assert tables > 30
    sandbox.requests.clear()
    load(new_pipeline(), new_source(*names))
    asked = [one for one in sandbox.requests if "/api/data/" in one.path]
    metadata = [one for one in asked if "RetrieveMetadata" in one.path or "Entity" in one.path]
    assert len(metadata) == 1
    assert len(asked) <= tables + 10


@pytest.mark.parametrize("plain", [False, True])
def test_a_pattern_loads_each_of_its_tables(
    plain: bool, sandbox: Sandbox, new_source: NewSource, new_pipeline: NewPipeline
) -> None:
    sandbox.store.create("new_project", {"new_name": "First"})
    source = new_source("accounts", "new_pro*", "contac*")
    if plain:
        new_pipeline().run(source).raise_on_failed_jobs()
    else:
        load(new_pipeline(), source)
    for name in ("accounts", "contacts", "new_projects"):
        assert_equal(new_pipeline(), sandbox, name)
    key = sandbox.store.rows("contact")[0]["contactid"]
    sandbox.store.update("contact", key, {"lastname": "Changed"})
    gone = sandbox.store.rows("contact")[1]["contactid"]
    sandbox.store.delete("contact", gone)
    new_pipeline().run(new_source("accounts", "new_pro*", "contac*"))
    assert gone not in assert_equal(new_pipeline(), sandbox, "contacts")


def test_a_pattern_without_tables_fails_before_anything_is_read(
    sandbox: Sandbox, new_source: NewSource, new_pipeline: NewPipeline
) -> None:
    with pytest.raises(UnknownNameError, match=r"no table like 'acount\*'(?s:.*)'account'"):
        load(new_pipeline(), new_source("contacts", "acount*"))
    assert not [one for one in sandbox.requests if one.path.endswith("/contacts")]


@pytest.mark.parametrize("sync", ["auto", "cursor", "full"])
def test_labels_stand_beside_the_values(
    sync: str, sandbox: Sandbox, new_source: NewSource, new_pipeline: NewPipeline
) -> None:
    source = new_source("accounts", labels=True, sync=sync)
    load(new_pipeline(), source)
    check_labels(sandbox, new_pipeline())
    keys = [row["accountid"] for row in sandbox.store.rows("account")]
    sandbox.store.update("account", keys[0], {"industrycode": None})
    sandbox.store.delete("account", keys[1])
    load(new_pipeline(), new_source("accounts", labels=True, sync=sync, sweep_interval=0))
    check_labels(sandbox, new_pipeline())


def check_labels(sandbox: Sandbox, pipeline: dlt.Pipeline) -> None:
    table = sandbox.store.schema.by_logical_name["account"]
    choices = {
        name: {option.value: option.label for option in table.by_name[name].options}
        for name in ("statecode", "statuscode", "industrycode")
    }
    arrived = destination_rows(pipeline, "accounts", "accountid")
    assert arrived.keys() == {row["accountid"] for row in sandbox.store.rows("account")}
    for row in arrived.values():
        for name, labels in choices.items():
            assert row[f"{name}name"] == labels.get(row[name])
    assert {row["industrycodename"] for row in arrived.values()} > {None}


def test_renamed_labels_reach_rows_that_have_not_changed(
    sandbox: Sandbox, new_source: NewSource, new_pipeline: NewPipeline
) -> None:
    load(new_pipeline(), new_source("accounts", labels=True))
    store = sandbox.store
    account = store.schema.by_logical_name["account"]
    state = account.by_name["statecode"]
    options = tuple(
        replace(one, label="In use") if one.value == 0 else one for one in state.options
    )
    columns = tuple(
        replace(one, options=options) if one.name == "statecode" else one for one in account.columns
    )
    tables = tuple(
        replace(one, columns=columns) if one.logical_name == "account" else one
        for one in store.schema.tables
    )
    store.change_schema(replace(store.schema, tables=tables))
    load(new_pipeline(), new_source("accounts", labels=True))
    check_labels(sandbox, new_pipeline())
    found = rows_of(new_pipeline(), "accounts", "statecodename")
    assert ("In use",) in found
    assert ("Active",) not in found


def test_the_schema_knows_which_table_points_at_which(
    new_source: NewSource, new_pipeline: NewPipeline, caplog: pytest.LogCaptureFixture
) -> None:
    load(new_pipeline(), new_source("accounts", "contacts", "systemusers"))
    assert "references" not in caplog.text
    schema = new_pipeline().default_schema
    found = {
        (one["columns"][0], one["referenced_table"])
        for one in schema.tables["contacts"]["references"] or ()
    }
    assert {
        ("parentcustomerid", "accounts"),
        ("parentcustomerid", "contacts"),
        ("preferredsystemuserid", "systemusers"),
    } <= found
    drawing = schema.to_mermaid(hide_columns=True, include_dlt_tables=False)
    assert 'contacts }|--|| accounts : "contact_customer_accounts"' in drawing


def test_every_kind_of_table_arrives_as_it_is(new_pipeline: NewPipeline) -> None:
    names = ("tasks", "new_sensorreadings", "new_externalproducts", "accountleadscollection")
    rows = {"account": 5, "lead": 5, "task": 8, "new_sensorreading": 9, "new_externalproduct": 7}
    with Sandbox(rows={**rows, "accountleads": 6}, seed=1) as sandbox:
        made = DataverseCredentials()
        made.tenant_id = sandbox.tenant_id
        made.client_id = sandbox.client_id
        made.client_secret = sandbox.client_secret
        made.authority_host = sandbox.authority_host
        for _ in range(2):
            source = dataverse(
                environment_url=sandbox.environment_url,
                tables=list(names),
                credentials=made,
                ca_bundle=sandbox.ca_bundle,
            )
            report = load(new_pipeline(), source)
            assert [table.name for table in report.tables] == sorted(names)
            assert all(assert_equal(new_pipeline(), sandbox, name) for name in names)
            for request in sandbox.requests.matching("/new_sensorreadings"):
                assert "odata.maxpagesize=500" in request.headers["prefer"].split(",")
            for table in ("task", "new_sensorreading"):
                key = sandbox.store.rows(table)[0][
                    sandbox.store.schema.by_logical_name[table].primary_id
                ]
                sandbox.store.delete(table, key)
    kinds = dict(rows_of(new_pipeline(), "_dataverse_tables", "table", "kind"))
    assert kinds == dict(zip(names, ("activity", "elastic", "virtual", "intersect"), strict=True))
    schema = new_pipeline().default_schema
    key = [
        name
        for name, column in schema.tables["new_sensorreadings"]["columns"].items()
        if column.get("primary_key")
    ]
    assert key == ["new_sensorreadingid", "partitionid"]
