"""Queries and views against the sandbox: what arrives equals the sandbox's rows, page by page."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest

from dataverse_source import ConfigurationError, ProtocolError, ResponseError, TablesFailedError
from dataverse_source.arrow.decode import decode_page
from dataverse_source.errors import MalformedBodyError
from dataverse_source.metadata.queries import paging
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.query.collection import aggregates
from dataverse_source.sandbox.query.fetchxml import answer as fetch_answer
from dataverse_source.sandbox.schema import schema_changes
from dataverse_source.sandbox.switches import Switches
from tests.support.command_line import Cli
from tests.support.comparing import all_rows
from tests.support.loads import NewPipeline, NewSource, Run

JOIN = """<fetch><entity name="contact"><attribute name="fullname"/>
<attribute name="parentcustomerid"/><attribute name="annualincome"/><order attribute="fullname"/>
<link-entity name="account" from="accountid" to="parentcustomerid" alias="a" link-type="outer">
<attribute name="name"/><attribute name="revenue"/><attribute name="ownerid"/></link-entity>
</entity></fetch>"""
MANY = """<fetch><entity name="account"><attribute name="name"/>
<link-entity name="contact" from="parentcustomerid" to="accountid" alias="c">
<attribute name="fullname"/></link-entity></entity></fetch>"""
GROUPS = """<fetch aggregate="true"><entity name="account">
<attribute name="industrycode" alias="industry" groupby="true"/>
<attribute name="accountid" alias="n" aggregate="count"/>
<attribute name="revenue" alias="total" aggregate="sum"/>
<attribute name="revenue" alias="mean" aggregate="avg"/></entity></fetch>"""
DISTINCT = """<fetch distinct="true"><entity name="account"><attribute name="industrycode"/>
<attribute name="statecode"/></entity></fetch>"""
LONG = """<fetch><entity name="account"><attribute name="name"/><filter type="or">
<condition attribute="name" operator="not-null"/>{conditions}</filter></entity></fetch>"""


def joined(sandbox: Sandbox) -> dict[str, tuple[Any, ...]]:
    """What `JOIN` has to bring, from the sandbox's rows."""
    accounts = {row["accountid"]: row for row in sandbox.store.rows("account")}
    found = {}
    for row in sandbox.store.rows("contact"):
        account = accounts.get(row["parentcustomerid"], {})
        found[row["contactid"]] = (
            row["fullname"],
            row["parentcustomerid"],
            row["annualincome"],
            account.get("name"),
            account.get("revenue"),
            account.get("ownerid"),
        )
    return found


JOINED = ("fullname", "parentcustomerid", "annualincome", "a_name", "a_revenue", "a_ownerid")


@pytest.mark.parametrize("last", ["absent", "false_and_cookie"])
def test_a_join_equals_the_sandbox(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, last: Any
) -> None:
    sandbox.switches = Switches(last_fetchxml_page=last)
    queries = {
        "people": {"fetchxml": JOIN, "page_size": 7},
        "pairs": {"fetchxml": MANY, "page_size": 3},
    }
    report = run(tables=[], queries=queries)
    rows = {row["contactid"]: row for row in all_rows(new_pipeline(), "people")}
    assert {key: tuple(row[name] for name in JOINED) for key, row in rows.items()} == joined(
        sandbox
    )
    assert any(row["a_name"] is None for row in rows.values())
    pairs = all_rows(new_pipeline(), "pairs")
    linked = [one for one in joined(sandbox).values() if one[3] is not None]
    assert len(pairs) == len({(row["accountid"], row["c_contactid"]) for row in pairs})
    assert sorted((row["name"], row["c_fullname"]) for row in pairs) == sorted(
        (one[3], one[0]) for one in linked
    )
    counts = {table.name: table.rows_after for table in report.tables}
    assert counts == {"people": len(rows), "pairs": len(pairs)}

    contact, other = sorted(rows)[:2]
    sandbox.store.delete("contact", other)
    account = sandbox.store.create("account", {"name": "another", "revenue": Decimal("1.25")})
    sandbox.store.update("contact", contact, {"parentcustomerid": account})
    run(tables=[], queries=queries)
    rows = {row["contactid"]: row for row in all_rows(new_pipeline(), "people")}
    assert {key: tuple(row[name] for name in JOINED) for key, row in rows.items()} == joined(
        sandbox
    )


def test_aggregates_and_distinct_equal_the_sandbox(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run(
        tables=[],
        queries={
            "groups": {"fetchxml": GROUPS, "page_size": 2},
            "kinds": {"fetchxml": DISTINCT, "page_size": 2, "labels": True},
            "best": {
                "fetchxml": DISTINCT.replace('distinct="true"', 'top="3"').replace(
                    "</entity>", '<order attribute="revenue" descending="true"/></entity>'
                )
            },
        },
    )
    accounts = sandbox.store.rows("account")
    by_industry = defaultdict(list)
    for row in accounts:
        by_industry[row["industrycode"]].append(row["revenue"])
    found = {row["industry"]: row for row in all_rows(new_pipeline(), "groups")}
    assert found.keys() == by_industry.keys()
    for industry, revenues in by_industry.items():
        known = [Decimal(one) for one in revenues if one is not None]
        row = found[industry]
        assert (row["n"], row["total"]) == (len(revenues), sum(known) if known else None)
        if known:
            assert abs(row["mean"] - sum(known) / len(known)) < Decimal("0.0000001")
    kinds = all_rows(new_pipeline(), "kinds")
    shown = sorted(str((row["industrycode"], row["statecode"])) for row in kinds)
    assert shown == sorted({str((one["industrycode"], one["statecode"])) for one in accounts})
    assert {row["statecodename"] for row in kinds} == {"Active", "Inactive"}
    ranked = sorted(accounts, key=lambda row: row["revenue"] or Decimal(-1), reverse=True)
    best = {row["accountid"] for row in all_rows(new_pipeline(), "best")}
    assert best == {row["accountid"] for row in ranked[:3]}


def test_a_view_is_read_as_it_is_now(run: Run, sandbox: Sandbox, new_pipeline: NewPipeline) -> None:
    queries = {"active": {"table": "accounts", "view": "active accounts"}}
    run(tables=[], queries=queries)
    active = {row["accountid"] for row in sandbox.store.rows("account") if row["statecode"] == 0}
    assert {row["accountid"] for row in all_rows(new_pipeline(), "active")} == active

    (view,) = sandbox.store.rows("savedquery")
    changed = view["fetchxml"].replace("<filter>", '<attribute name="revenue"/><filter>')
    changed = changed.replace("value='0'", "value='1'")
    sandbox.store.update("savedquery", view["savedqueryid"], {"fetchxml": changed})
    run(tables=[], queries=queries)
    rows = {row["accountid"]: row["revenue"] for row in all_rows(new_pipeline(), "active")}
    assert rows == {
        row["accountid"]: row["revenue"]
        for row in sandbox.store.rows("account")
        if row["statecode"] == 1
    }

    same = {"name": "Active Accounts", "returnedtypecode": "account", "fetchxml": changed}
    own = sandbox.store.create("userquery", same)
    with pytest.raises(TablesFailedError, match="2 views"):
        run("contacts", queries=queries)
    run(tables=[], queries={"active": {"table": "account", "view": own}})
    with pytest.raises(ConfigurationError, match="no view 'Activ Accounts'") as caught:
        run(tables=[], queries={"other": {"table": "account", "view": "Activ Accounts"}})
    assert "Active Accounts".lower() in str(caught.value.remedy).lower()


def test_fetchxml_that_is_too_long_for_a_url(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    one = '<condition attribute="name" operator="eq" value="a name of no account at all"/>'
    text = LONG.format(conditions=one * 250)
    run(tables=[], queries={"long": {"fetchxml": text, "page_size": 25}})
    assert len(all_rows(new_pipeline(), "long")) == sandbox.store.count("account")
    assert [one.path for one in sandbox.requests if one.path.endswith("/accounts")]
    assert max(len(one.query) for one in sandbox.requests) < 32_768


def test_chains_that_would_not_end(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.switches = Switches(stuck_cookie="any")
    with pytest.raises(ProtocolError, match="do not come to an end"):
        run(tables=[], queries={"people": {"fetchxml": JOIN, "page_size": 5}})
    sandbox.switches = Switches()
    monkeypatch.setattr(paging, "MOST_WITHOUT_COOKIE", 4)
    monkeypatch.setattr(fetch_answer, "MAX_SIMPLE_PAGING", 4)
    with pytest.raises(ProtocolError, match="more than 4 rows"):
        run(
            tables=[],
            queries={"all": {"fetchxml": DISTINCT.replace("statecode", "name"), "page_size": 2}},
        )
    assert not [one for one in sandbox.requests if one.status == 400]  # not even asked for


def test_a_damaged_page_is_read_again(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[bytes] = []

    def damaged(body: bytes, schema: Any) -> Any:
        if len(failed) < 2:
            failed.append(body)
            body = body[:-40] + b"}]}"
        return decode_page(body, schema)

    monkeypatch.setattr("dataverse_source.sync.read.query_reader.decode_page", damaged)
    with pytest.raises(MalformedBodyError):
        run(tables=[], queries={"people": {"fetchxml": JOIN}})
    failed.pop()
    run(tables=[], queries={"people": {"fetchxml": JOIN, "page_size": 15}})
    assert len(all_rows(new_pipeline(), "people")) == sandbox.store.count("contact")


def test_the_limit_of_aggregates_is_explained(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dataverse_source.sandbox.query.fetchxml.aggregates.RECORD_LIMIT", 10)
    assert aggregates.RECORD_LIMIT == 50_000
    with pytest.raises(ResponseError, match="AggregateQueryRecordLimit") as caught:
        run(tables=[], queries={"groups": {"fetchxml": GROUPS}})
    assert "group in the destination" in str(caught.value.remedy)


def test_a_query_whose_column_is_gone_fails_alone(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, new_source: NewSource
) -> None:
    text = "<fetch><entity name='account'><attribute name='new_taxnumber'/></entity></fetch>"
    queries = {"taxes": {"fetchxml": text}, "people": {"fetchxml": JOIN}}
    run("contacts", queries=queries)
    before = all_rows(new_pipeline(), "taxes")
    schema = sandbox.store.schema
    sandbox.store.change_schema(schema_changes.without_column(schema, "account", "new_taxnumber"))
    with pytest.raises(TablesFailedError, match="no column 'new_taxnumber'") as caught:
        run("contacts", queries=queries)
    assert list(caught.value.failures) == ["taxes"]
    assert all_rows(new_pipeline(), "taxes") == before
    source = new_source("contacts", queries=queries).with_resources("people")
    assert list(source.selected_resources) == ["people"]


def test_the_command_line_knows_queries(
    cli: Cli, configured: Sandbox, monkeypatch: pytest.MonkeyPatch, folder: Any
) -> None:
    (folder / "people.xml").write_text(JOIN, encoding="utf-8")
    queries = '{"people": {"fetchxml_file": "people.xml"}}'
    monkeypatch.setenv("SOURCES__DATAVERSE__QUERIES", queries)
    told = cli("describe", "people", "--json").json()
    assert (told["kind"], told["primary_key"]) == ("query", ["contactid"])
    assert len(cli("preview", "people", "--rows", "4", "--json").json()) == 4
    assert "people" in cli("check").out
    assert cli("run", "people").code == 0
    assert "people: proved equal" in cli("verify", "people").out
    (folder / "people.xml").write_text(JOIN.replace("fullname", "fulname"), encoding="utf-8")
    refused = cli("run")
    assert refused.code == 2
    assert "line 1, column 31 of people.xml" in refused.err
    (folder / "people.xml").write_text("<fetch>", encoding="utf-8")
    configured.requests.clear()
    assert "not well-formed" in cli("run").err
    assert not list(configured.requests)
