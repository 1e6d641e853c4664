"""Archived rows of long-term retention: in a table of their own, deletes in the live one."""

from __future__ import annotations

from typing import Any

import pytest

from dataverse_source import ConfigurationError, ResponseError, TablesFailedError, UnknownNameError
from dataverse_source.loading.verification import loaded_tables, verify
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.switches import Switches
from tests.support.command_line import Cli
from tests.support.comparing import all_rows, assert_equal
from tests.support.loads import NewPipeline, Run
from tests.support.places import ROOT

QUERY = """<fetch datasource="retained"><entity name="account"><attribute name="name"/>
<filter><condition attribute="name" operator="eq" value="{name}"/></filter></entity></fetch>"""
SHOWN = ("accountid", "name", "revenue", "createdon", "versionnumber", "primarycontactid")


def archived(sandbox: Sandbox) -> set[tuple[Any, ...]]:
    return {tuple(row[one] for one in SHOWN) for row in sandbox.store.retained_rows("account")}


def in_destination(new_pipeline: NewPipeline) -> set[tuple[Any, ...]]:
    rows = all_rows(new_pipeline(), "accounts_retained")
    return {tuple(row[one] for one in SHOWN) for row in rows}


def test_rows_are_archived_between_runs(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, new_source: Any
) -> None:
    settings = {"retained": ["accounts"], "page_size": 3}
    report = run("accounts", **settings)
    assert in_destination(new_pipeline) == archived(sandbox) == set()
    assert {one.name: one.rows_after for one in report.tables}["accounts_retained"] == 0

    keys = [row["accountid"] for row in sandbox.store.rows("account")]
    for key in keys[:7]:
        sandbox.store.retain("account", key)
    report = run("accounts", **settings)
    assert_equal(new_pipeline(), sandbox, "accounts")
    assert in_destination(new_pipeline) == archived(sandbox)
    assert len(archived(sandbox)) == 7
    counts = {one.name: (one.deleted, one.inserted) for one in report.tables}
    assert counts == {"accounts": (7, 0), "accounts_retained": (0, 7)}
    said = "accounts: rows that retention archives count as deleted; accounts_retained has them"
    assert said in str(report)

    # an unchanged archive is read again; no delete, so nothing to say
    sandbox.store.create("account", {"name": "new"})
    report = run("accounts", **settings)
    assert in_destination(new_pipeline) == archived(sandbox)
    assert said not in str(report)
    pipeline = new_pipeline()
    connection = new_source("accounts", **settings).connection
    verdicts = verify(pipeline, connection, loaded_tables(pipeline, ["accounts"]))
    assert {one.table for one in verdicts} == {"accounts", "accounts_retained"}
    assert all(one.is_equal for one in verdicts)


def test_an_environment_that_refuses_fails_that_table_only(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    sandbox.store.retain("account", sandbox.store.rows("account")[0]["accountid"])
    run("accounts", "contacts", retained=["accounts"])
    before = archived(sandbox)
    sandbox.switches = Switches(retained_data="refused")
    sandbox.store.create("contact", {"lastname": "new"})
    with pytest.raises(TablesFailedError, match="accounts_retained") as caught:
        run("accounts", "contacts", retained=["accounts"])
    text = str(caught.value)
    assert "Dataverse refuses to read the archived rows of accounts" in text
    assert "Only live data is supported in web api" in text
    assert "Remove accounts_retained (from retained" in text
    for table in ("accounts", "contacts"):
        assert_equal(new_pipeline(), sandbox, table)
    assert in_destination(new_pipeline) == before  # what was loaded stays
    with pytest.raises(ResponseError, match="refuses to read the archived rows"):
        run(tables=[], retained=["accounts"])


def test_live_rows_are_not_taken_for_archived_ones(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    sandbox.store.retain("account", sandbox.store.rows("account")[0]["accountid"])
    run("contacts", retained=["accounts"])
    before = archived(sandbox)
    sandbox.switches = Switches(retained_data="ignored")
    with pytest.raises(TablesFailedError, match=r"Of 20 rows .* as archived, 20 are live"):
        run("contacts", retained=["accounts"])
    assert in_destination(new_pipeline) == before


def test_columns_are_those_of_the_table(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    sandbox.store.retain("account", sandbox.store.rows("account")[0]["accountid"])
    own = {"account": {"exclude_columns": ["revenue", "address*"]}}
    run("account", retained=["accounts"], table_settings=own, labels=True)
    tables = new_pipeline().default_schema.tables
    live, kept = (set(tables[one]["columns"]) for one in ("accounts", "accounts_retained"))
    assert live - {"_dataverse_deleted"} == kept
    assert "revenue" not in kept
    assert "industrycodename" in kept


def test_kept_rows_are_told_apart(run: Run, sandbox: Sandbox, new_pipeline: NewPipeline) -> None:
    run("accounts", deletes="keep")
    archived_key, deleted_key = [row["accountid"] for row in sandbox.store.rows("account")[:2]]
    sandbox.store.retain("account", archived_key)
    sandbox.store.delete("account", deleted_key)
    run("accounts", deletes="keep", retained=["accounts"])
    page = (ROOT / "docs" / "retained.md").read_text(encoding="utf-8")
    (query,) = [
        one.partition("```")[0] for one in page.split("```sql") if "_dataverse_deletions AS" in one
    ]
    pipeline = new_pipeline()
    with pipeline.sql_client() as client:
        found = client.execute_sql(query.replace("dataverse.", f"{pipeline.dataset_name}."))
    assert {(key, is_archived) for key, _, is_archived in found or ()} == {
        (archived_key, True),
        (deleted_key, False),
    }


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"retained": ["account"]}, "called accounts where it is loaded"),
        ({"retained": ["acc*"]}, "retained has the pattern"),
        ({"retained": ["acounts"]}, "acounts"),
        (
            {"retained": ["accounts"], "table_settings": {"accounts": {"filter": "revenue gt 1"}}},
            "can't be read with the table's filter",
        ),
        (
            {"retained": ["accounts"], "queries": {"accounts_retained": {"fetchxml": QUERY}}},
            "called like the table for the archived rows",
        ),
    ],
)
def test_what_is_refused(run: Run, settings: dict[str, Any], what: str) -> None:
    with pytest.raises((ConfigurationError, UnknownNameError), match=what):
        run("contacts", **{"tables": [], **settings})


def test_a_query_of_archived_rows(run: Run, sandbox: Sandbox, new_pipeline: NewPipeline) -> None:
    first, second = sandbox.store.rows("account")[:2]
    for row in (first, second):
        sandbox.store.retain("account", row["accountid"])
    run(tables=[], queries={"old": {"fetchxml": QUERY, "parameters": {"name": first["name"]}}})
    wanted = {
        row["accountid"]
        for row in sandbox.store.retained_rows("account")
        if row["name"] == first["name"]
    }
    assert {row["accountid"] for row in all_rows(new_pipeline(), "old")} == wanted


def test_commands_know_the_table(
    cli: Cli, configured: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = configured.store
    store.retain("account", store.rows("account")[0]["accountid"])
    monkeypatch.setenv("SOURCES__DATAVERSE__RETAINED", "accounts")
    told = cli("describe", "accounts_retained", "--json").json()
    assert (told["kind"], told["primary_key"]) == ("query", ["accountid"])
    assert len(cli("preview", "accounts_retained", "--json").json()) == 1
    assert "accounts_retained" in cli("check").out
    assert cli("run", "accounts_retained").code == 0
    assert "accounts_retained: proved equal" in cli("verify", "accounts_retained").out
    assert cli("run", "contacts").code == 0  # without the archived rows
    configured.switches = Switches(retained_data="refused")
    refused = cli("check")
    assert refused.code != 0
    assert "refuses to read the archived rows of accounts" in " ".join(refused.out.split())
    assert "no other table is affected" in " ".join(refused.out.split())
