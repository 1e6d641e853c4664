"""The numbers of a query: rows inserted, updated and deleted are those that differ, or unknown."""

from __future__ import annotations

import pytest
from dlt.pipeline.helpers import pipeline_drop

from dataverse_source import TablesFailedError
from dataverse_source.loading.report import LoadReport
from dataverse_source.sandbox import Sandbox
from tests.support.loads import NewPipeline, Run
from tests.support.requests_sent import keys

pytestmark = pytest.mark.slow

Numbers = tuple[int | None, ...]

COUNT = '<attribute name="accountid" alias="n" aggregate="count"/>'
KNOWN = '<filter><condition attribute="industrycode" operator="not-null"/></filter>'
NEWEST = '<attribute name="createdon" alias="newest" aggregate="max"/>'
VERSIONS = '<attribute name="name"/><attribute name="versionnumber"/>'
ACCOUNT = (
    '<link-entity name="account" from="accountid" to="parentcustomerid" alias="a">{}</link-entity>'
)
CONTACTS = (
    '<link-entity name="contact" from="parentcustomerid" to="accountid" alias="{}">'
    '<attribute name="lastname"/></link-entity>'
)


def grouped(*columns: str, more: str = "") -> str:
    groups = "".join(f'<attribute name="{one}" alias="{one}" groupby="1"/>' for one in columns)
    return f'<fetch aggregate="1"><entity name="account">{groups}{COUNT}{more}</entity></fetch>'


def fetch(name: str, content: str) -> str:
    return f'<fetch><entity name="{name}">{content}</entity></fetch>'


def numbers(report: LoadReport, name: str = "q") -> Numbers:
    """Inserted, updated, unchanged, deleted, rows now."""
    one = next(one for one in report.tables if one.name == name)
    return one.inserted, one.updated, one.unchanged, one.deleted, one.rows_now


def test_keys_of_any_type_are_found_again(run: Run) -> None:
    queries = {
        "flags": {"fetchxml": grouped("creditonhold"), "primary_key": ["creditonhold"]},
        "times": {"fetchxml": grouped(more=NEWEST), "primary_key": ["newest"]},
    }
    for inserted, changes in ((2, 0), (0, None)):
        report = run(tables=[], queries=queries)
        assert numbers(report, "flags") == (inserted, changes, changes, 0, 2)
        assert numbers(report, "times") == (inserted // 2, changes, changes, 0, 1)


def test_columns_of_links_change_without_the_version_of_a_row(run: Run, sandbox: Sandbox) -> None:
    account, other = keys(sandbox)[:2]
    sandbox.store.create("contact", {"lastname": "A", "parentcustomerid": account})
    contact = '<attribute name="lastname"/><attribute name="versionnumber"/>'
    queries = {
        "plain": {"fetchxml": fetch("account", VERSIONS)},
        "alias": {"fetchxml": fetch("account", '<attribute name="name" alias="versionnumber"/>')},
        "filtered": {"fetchxml": fetch("contact", contact + ACCOUNT.format(""))},
        "joined": {
            "fetchxml": fetch("contact", contact + ACCOUNT.format('<attribute name="name"/>'))
        },
    }
    first = run(tables=[], queries=queries)
    people = numbers(first, "joined")[0]
    assert people
    sandbox.store.update("account", account, {"name": "Changed"})
    sandbox.store.delete("account", other)
    report = run(tables=[], queries=queries)
    assert numbers(report, "plain") == (0, 1, 58, 1, 59)
    assert numbers(report, "alias") == (0, None, None, 1, 59)
    gone = people - (numbers(report, "joined")[4] or 0)
    assert numbers(report, "joined") == (0, None, None, gone, people - gone)
    assert numbers(report, "filtered") == (0, 0, people - gone, gone, people - gone)


def test_rows_that_had_no_key_are_all_counted(run: Run, sandbox: Sandbox) -> None:
    accounts = keys(sandbox)
    for number, key in enumerate(accounts):
        values = {"industrycode": 1 + number % 2, "creditonhold": number % 4 > 1}
        sandbox.store.update("account", key, values)
    sandbox.store.update("account", accounts[0], {"industrycode": None})
    first = run(tables=[], queries={"q": {"fetchxml": grouped("industrycode", "creditonhold")}})
    assert numbers(first) == (None, None, None, None, 5)
    text = grouped("industrycode", more=KNOWN)
    query = {"fetchxml": text, "primary_key": ["industrycode"]}
    assert numbers(run(tables=[], queries={"q": query})) == (0, None, None, 3, 2)


CHANGED = {
    "a further column": (
        {"fetchxml": fetch("account", VERSIONS)},
        {"fetchxml": fetch("account", '<attribute name="name"/>' + CONTACTS.format("c"))},
        "c_contactid is missing",
    ),
    "another type": (
        {"fetchxml": grouped("creditonhold"), "primary_key": ["creditonhold"]},
        {
            "fetchxml": grouped("name").replace('alias="name"', 'alias="creditonhold"'),
            "primary_key": ["creditonhold"],
        },
        "creditonhold has another type",
    ),
    "fewer columns": (
        {"fetchxml": fetch("account", VERSIONS)},
        {"fetchxml": grouped("industrycode")},
        "accountid cannot be empty",
    ),
}


@pytest.mark.parametrize(("before", "after", "why"), CHANGED.values(), ids=CHANGED)
def test_a_changed_query_whose_key_is_another_one_says_what_to_do(
    run: Run,
    sandbox: Sandbox,
    new_pipeline: NewPipeline,
    before: dict[str, str],
    after: dict[str, str],
    why: str,
) -> None:
    key = keys(sandbox)[0]
    sandbox.store.create("contact", {"lastname": "A", "parentcustomerid": key})
    rows = numbers(run("systemusers", queries={"q": before}))[4]
    with pytest.raises(TablesFailedError, match=f"{why}: the query has changed") as caught:
        run("systemusers", queries={"q": after})
    assert "drop q" in str(caught.value)
    assert numbers(run("systemusers", queries={"q": before}))[4] == rows
    pipeline_drop(new_pipeline(), resources=["q"])()
    inserted, *_, now = numbers(run("systemusers", queries={"q": after}))
    assert inserted in (now, None)


def test_names_with_two_underscores(run: Run, sandbox: Sandbox) -> None:
    account = keys(sandbox)[0]
    sandbox.store.create("contact", {"lastname": "A", "parentcustomerid": account})
    queries = {"q": {"fetchxml": fetch("account", CONTACTS.format("c_"))}}
    rows = numbers(run(tables=[], queries=queries))[0]
    assert rows
    assert numbers(run(tables=[], queries=queries)) == (0, None, None, 0, rows)
