"""Tables whose columns change between runs, and while they are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dlt
import pytest

from dataverse_source import dataverse, load
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.schema import schema_changes
from dataverse_source.sandbox.schema.schema_files import read_schema
from dataverse_source.sandbox.schema.tables import Column
from dataverse_source.sandbox.switches import Switches
from tests.support.comparing import assert_equal, destination_rows
from tests.support.places import SHARED
from tests.support.requests_sent import keys, read
from tests.support.settings import credentials_of

pytestmark = pytest.mark.slow

Run = Callable[..., Any]
NewPipeline = Callable[[], dlt.Pipeline]

SWITCHES = [{"schema_change_expires": value} for value in ("any", "alter_or_delete", "never")]
EVERY_SWITCH = pytest.mark.parametrize("switches", SWITCHES, ids=lambda one: "".join(one.values()))


def add_column(sandbox: Sandbox, name: str, kind: str = "String") -> None:
    column = Column(name, kind)
    sandbox.store.change_schema(schema_changes.with_column(sandbox.store.schema, "account", column))


def remove_column(sandbox: Sandbox, name: str) -> None:
    sandbox.store.change_schema(
        schema_changes.without_column(sandbox.store.schema, "account", name)
    )


def columns(pipeline: dlt.Pipeline, table: str = "accounts") -> set[str]:
    return set(pipeline.default_schema.tables[table]["columns"])


@EVERY_SWITCH
def test_a_new_column_has_its_values_in_old_rows_too(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, switches: dict[str, str]
) -> None:
    sandbox.switches = Switches().changed(**switches)
    run()
    add_column(sandbox, "new_code")
    first, *_ = keys(sandbox)
    sandbox.store.update("account", first, {"new_code": "x"}, touch=False)
    assert read(run()) == 60
    assert assert_equal(new_pipeline(), sandbox, "accounts")[first]["new_code"] == "x"
    assert read(run()) == 0
    assert not [name for name in columns(new_pipeline()) if "__v_" in name]


@EVERY_SWITCH
def test_a_removed_column_stays_with_nulls(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, switches: dict[str, str]
) -> None:
    sandbox.switches = Switches().changed(**switches)
    run()
    remove_column(sandbox, "telephone3")
    sandbox.store.create("account", {"name": "New"})
    run()
    rows = destination_rows(new_pipeline(), "accounts", "accountid")
    assert len(rows) == 61
    assert {row["telephone3"] for row in rows.values()} == {None}


def test_a_wider_type_keeps_its_column(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    add_column(sandbox, "new_count", "Integer")
    first, second, *_ = keys(sandbox)
    sandbox.store.update("account", first, {"new_count": 7})
    run()
    schema = schema_changes.with_column_changed(
        sandbox.store.schema, "account", "new_count", type="BigInt"
    )
    sandbox.store.change_schema(schema)
    sandbox.store.update("account", second, {"new_count": 2**40})
    run()
    rows = assert_equal(new_pipeline(), sandbox, "accounts")
    assert (rows[first]["new_count"], rows[second]["new_count"]) == (7, 2**40)


def test_another_type_becomes_a_variant_column(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    add_column(sandbox, "new_code", "Integer")
    first, *_ = keys(sandbox)
    sandbox.store.update("account", first, {"new_code": 7})
    run()
    remove_column(sandbox, "new_code")
    add_column(sandbox, "new_code", "String")
    sandbox.store.update("account", first, {"new_code": "seven"})
    for _ in range(2):
        run()
        rows = destination_rows(new_pipeline(), "accounts", "accountid")
        assert rows[first]["new_code__v_text"] == "seven"
        assert rows[first]["new_code"] is None
    sandbox.store.update("account", first, {"new_code": "eight"})
    run()
    rows = destination_rows(new_pipeline(), "accounts", "accountid")
    assert rows[first]["new_code__v_text"] == "eight"


@pytest.mark.parametrize("others", [[], ["contacts"]], ids=["alone", "beside others"])
def test_a_column_that_vanishes_while_the_table_is_read(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, others: list[str]
) -> None:
    run("accounts", *others)
    for number, key in enumerate(keys(sandbox)):
        sandbox.store.update("account", key, {"name": f"Changed {number}"})
    sandbox.hooks.on(r"/accounts\?", lambda: remove_column(sandbox, "telephone3"), when="before")
    run("accounts", *others, page_size=10)
    assert sandbox.hooks.ran == 1
    rows = destination_rows(new_pipeline(), "accounts", "accountid")
    assert all(row["name"].startswith("Changed") for row in rows.values())


def test_a_table_that_gets_another_name(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run("account")
    sandbox.store.change_schema(
        schema_changes.with_table_changed(
            sandbox.store.schema, "account", entity_set_name="companies"
        )
    )
    assert read(run("account"), "companies") == 60
    assert_equal(new_pipeline(), sandbox, "companies")


CSDL = SHARED / "corpus" / "csdl"
SPICE = ["spice-2019-04-30.xml.gz", "spice-2019-10-31.xml.gz", "spice-2020-06-24.xml.gz"]
TABLES = ["accounts", "contacts", "leads"]


@pytest.mark.slow
@pytest.mark.skipif(not CSDL.exists(), reason="the recorded environments are not here")
def test_a_real_environment_as_it_grew(tmp_path: Path, new_pipeline: NewPipeline) -> None:
    schemas = [read_schema(CSDL / name) for name in SPICE]
    with Sandbox(rows={"account": 20, "contact": 20, "lead": 10}, schema=schemas[0]) as sandbox:
        credentials = credentials_of(sandbox)
        for number, schema in enumerate(schemas):
            if number:
                sandbox.store.change_schema(schema)
                sandbox.store.seed("account", 5, number)
                sandbox.store.delete("contact", keys(sandbox, "contact")[0])
            source = dataverse(
                environment_url=sandbox.environment_url,
                tables=TABLES,
                labels=True,
                credentials=credentials,
                ca_bundle=sandbox.ca_bundle,
            )
            load(new_pipeline(), source)
            for table in TABLES:
                rows = assert_equal(new_pipeline(), sandbox, table)
                assert {row["statecodename"] for row in rows.values()} & {"Active", "Open"}


def test_changes_of_the_schema_are_said(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, caplog: pytest.LogCaptureFixture
) -> None:
    run()
    add_column(sandbox, "new_code")
    remove_column(sandbox, "fax")
    caplog.clear()
    report = run()
    (accounts,) = report.tables
    assert accounts.schema_changes == (
        "column added: new_code (String)",
        "column dropped: fax (String)",
    )
    assert "accounts: column added: new_code (String); column dropped: fax (String)" in caplog.text
    assert "accounts: column dropped: fax (String)" in str(report)
    with new_pipeline().sql_client() as client:
        found = client.execute_sql(
            "SELECT schema_changes FROM _dataverse_run_tables ORDER BY started_at"
        )
    assert found == [
        (None,),
        ("column added: new_code (String); column dropped: fax (String)",),
    ]
    schema = schema_changes.with_column_changed(
        sandbox.store.schema, "account", "telephone2", secured=True
    )
    sandbox.store.change_schema(schema)
    assert run().tables[0].schema_changes == ("column became secured: telephone2",)
    assert run().tables[0].schema_changes == ()
