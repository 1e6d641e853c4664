from __future__ import annotations

import uuid
from typing import Any

import pytest

from dataverse_source.sandbox import Sandbox
from tests.peers.conversation import ClientFailed, Conversation
from tests.peers.expected import ACCOUNT, arrived, row_of, rows, sizes

pytestmark = [pytest.mark.peers, pytest.mark.slow]

FORMATTED = "@OData.Community.Display.V1.FormattedValue"
FETCH = (
    '<fetch count="50"><entity name="account"><attribute name="name"/><attribute name="revenue"/>'
    '<link-entity name="contact" from="contactid" to="primarycontactid" alias="p"'
    ' link-type="outer"><attribute name="fullname"/></link-entity>'
    '<order attribute="name"/><order attribute="accountid"/></entity></fetch>'
)


def call(name: str, *given: Any, **options: Any) -> list[Any]:
    """A call that is part of a batch."""
    return [name, given, options]


def test_lists_tables(microsoft: Conversation, served: Sandbox) -> None:
    wanted = ["LogicalName", "EntitySetName", "PrimaryIdAttribute"]
    found = microsoft.ask("tables.list", select=wanted)
    shown = {table["LogicalName"]: table["EntitySetName"] for table in found}
    tables = served.store.schema.tables
    assert shown == {t.logical_name: t.entity_set_name for t in tables if not t.is_private}
    named = microsoft.ask("tables.get", "new_Project")
    assert (named["entity_set_name"], named["primary_id_attribute"]) == (
        "new_projects",
        "new_projectid",
    )
    assert microsoft.ask("tables.get", "nothing") is None


def test_lists_columns(microsoft: Conversation, served: Sandbox) -> None:
    account = served.store.schema.by_logical_name["account"]
    found = microsoft.ask("tables.list_columns", "account", select=["LogicalName"])
    assert {column["LogicalName"] for column in found} == {c.name for c in account.columns}
    money = microsoft.ask("tables.get_column", "account", "revenue", typed=True)
    assert (money["AttributeType"], money["Precision"]) == ("Money", 2)
    readable = microsoft.ask("query.sql_columns", "account")
    assert {"name": "accountid", "type": "Uniqueidentifier"}.items() <= next(
        column for column in readable if column["is_pk"]
    ).items()
    assert not any(column["type"] == "Virtual" for column in readable)


def test_lists_relationships_and_keys(microsoft: Conversation, served: Sandbox) -> None:
    schema = served.store.schema
    listed = microsoft.ask("tables.list_relationships", select=["SchemaName"])
    known = {each.schema_name for each in schema.one_to_many}
    known |= {each.schema_name for each in schema.many_to_many}
    assert {each["SchemaName"] for each in listed} == known
    of_account = microsoft.ask("tables.list_table_relationships", "account", select=["SchemaName"])
    sides = {(each.referenced, each.referencing, each.schema_name) for each in schema.one_to_many}
    assert {each["SchemaName"] for each in of_account} >= {
        name for one, many, name in sides if "account" in (one, many)
    }
    (key,) = microsoft.ask("tables.get_alternate_keys", "new_project")
    assert (key["schema_name"], key["key_attributes"]) == ("new_ProjectCode", ["new_code"])
    ways = microsoft.ask("query.odata_expands", "account")
    assert ("primarycontactid", "contact") in {(w["nav_property"], w["target_table"]) for w in ways}


def test_reads_every_row_page_by_page(microsoft: Conversation, served: Sandbox) -> None:
    pages = microsoft.ask("query", "account", select=ACCOUNT, page_size=[60])
    expected = rows(served, "account")
    assert [len(page) for page in pages] == sizes(len(expected), 60)
    assert arrived((row for page in pages for row in page), "accountid") == expected


def test_filters_orders_and_expands(microsoft: Conversation, served: Sandbox) -> None:
    (page,) = microsoft.ask(
        "query",
        "account",
        select=["name", "revenue", "industrycode"],
        where="revenue gt 1000 and statecode eq 0",
        order_by=["revenue", True],
        expand=[["primarycontactid", ["fullname"]]],
        include_formatted_values=[],
        count=[],
    )
    contacts = rows(served, "contact", ["fullname"])
    stored = {row["accountid"]: row for row in served.store.rows("account")}
    wanted = {
        key: row
        for key, row in stored.items()
        if row["statecode"] == 0 and row["revenue"] is not None and row["revenue"] > 1000
    }
    assert {row["accountid"] for row in page} == set(wanted) != set()
    revenues = [row["revenue"] for row in page]
    assert revenues == sorted(revenues, reverse=True)
    for row in page:
        contact = wanted[row["accountid"]]["primarycontactid"]
        linked = row["primarycontactid"]
        assert (linked and linked["fullname"]) == (contact and contacts[contact]["fullname"])
        assert row[f"revenue{FORMATTED}"] == f"${row['revenue']:,.2f}"


def test_retrieves_one_row(microsoft: Conversation, served: Sandbox) -> None:
    row = served.store.rows("account")[0]
    found = microsoft.ask("records.retrieve", "account", row["accountid"], select=ACCOUNT)
    assert {name: found[name] for name in ACCOUNT} == row_of(row, ACCOUNT)
    assert microsoft.ask("records.retrieve", "account", str(uuid.uuid4())) is None
    listed = microsoft.ask("records.list", "account", orderby=["createdon desc"], top=3)
    latest = sorted((row["createdon"] for row in served.store.rows("account")), reverse=True)
    assert [row["createdon"] for row in listed] == [
        moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in latest[:3]
    ]


def test_reads_all_pages_of_fetchxml(microsoft: Conversation, served: Sandbox) -> None:
    made = microsoft.ask("fetch", FETCH)
    accounts = {row["accountid"]: row for row in served.store.rows("account")}
    contacts = rows(served, "contact", ["fullname"])
    assert [len(page) for page in made] == sizes(len(accounts), 50)
    found = [row for page in made for row in page]
    assert {row["accountid"] for row in found} == set(accounts)
    assert len(found) == len(accounts)
    for row in found:
        stored = accounts[row["accountid"]]
        revenue = stored["revenue"]
        assert row.get("name") == stored["name"]
        assert row.get("revenue") == (None if revenue is None else float(revenue))
        contact = stored["primarycontactid"]
        assert row.get("p.fullname") == (contact and contacts[contact]["fullname"])


def test_writes_rows(microsoft: Conversation, served: Sandbox) -> None:
    store = served.store
    contact = store.rows("contact")[0]["contactid"]
    values = {"name": "Größe €", "revenue": 12.5, "IndustryCode": "Accounting"}
    bound = {"primarycontactid@odata.bind": f"/contacts({contact})"}
    key = microsoft.ask("records.create", "account", {**values, **bound})
    names = ("name", "revenue", "industrycode", "_primarycontactid_value")
    made = store.row("account", key)
    assert made is not None
    assert list(row_of(made, names).values()) == ["Größe €", 12.5, 1, contact]

    microsoft.ask("records.update", "account", key, {"name": "Other", "revenue": None})
    changed = store.row("account", key)
    assert changed is not None
    assert (changed["name"], changed["revenue"]) == ("Other", None)
    assert changed["versionnumber"] > made["versionnumber"]

    microsoft.ask("records.delete", "account", key)
    assert store.row("account", key) is None
    with pytest.raises(ClientFailed, match="Does Not Exist") as failed:
        microsoft.ask("records.delete", "account", key)
    assert (failed.value.kind, failed.value.status) == ("HttpError", 404)


def test_upserts_by_alternate_key(microsoft: Conversation, served: Sandbox) -> None:
    code = f"U-{uuid.uuid4().hex[:8]}"
    for name in ("first", "second"):
        item = {"alternate_key": {"new_code": code}, "record": {"new_name": name}}
        microsoft.ask("records.upsert", "new_project", [item])
    found = [row for row in served.store.rows("new_project") if row["new_code"] == code]
    assert [row["new_name"] for row in found] == ["second"]


def test_writes_many_rows_at_once(microsoft: Conversation, served: Sandbox) -> None:
    store, name = served.store, f"bulk {uuid.uuid4().hex[:8]}"
    keys = microsoft.ask("records.create", "account", [{"name": name}, {"name": name}])
    assert [row["accountid"] for row in store.rows("account") if row["name"] == name] == keys
    microsoft.ask("records.update", "account", keys, {"fax": "7"})
    microsoft.ask("records.update", "account", keys, [{"sic": "1"}, {"sic": "2"}])
    changed = [store.row("account", key) or {} for key in keys]
    assert [(row["fax"], row["sic"]) for row in changed] == [("7", "1"), ("7", "2")]
    microsoft.ask("records.delete", "account", keys, use_bulk_delete=False)
    assert [store.row("account", key) for key in keys] == [None, None]

    codes = [f"M-{uuid.uuid4().hex[:8]}" for _ in range(2)]
    for text in ("first", "second"):
        items = [
            {"alternate_key": {"new_code": code}, "record": {"new_name": text}} for code in codes
        ]
        microsoft.ask("records.upsert", "new_project", items)
    found = {row["new_code"]: row["new_name"] for row in store.rows("new_project")}
    assert [found[code] for code in codes] == ["second", "second"]


def test_queries_in_sql_are_refused(microsoft: Conversation) -> None:
    with pytest.raises(ClientFailed, match="answers no SQL queries") as failed:
        microsoft.ask("query.sql", "SELECT a.name FROM account AS a")
    assert (failed.value.kind, failed.value.status) == ("HttpError", 501)


def test_what_the_sandbox_lacks_is_refused(microsoft: Conversation) -> None:
    keys = microsoft.ask("records.create", "account", [{"name": "gone"}, {"name": "gone"}])
    with pytest.raises(ClientFailed, match="no action BulkDelete yet") as failed:
        microsoft.ask("records.delete", "account", keys, use_bulk_delete=True)
    assert (failed.value.kind, failed.value.status) == ("HttpError", 501)


def test_sends_batches(microsoft: Conversation, served: Sandbox) -> None:
    key = microsoft.ask("records.create", "account", {"name": "before"})
    together = [
        call("records.create", "contact", {"lastname": "Of the change set"}),
        call("records.create", "account", {"name": "b", "primarycontactid@odata.bind": "$1"}),
    ]
    answers = microsoft.ask(
        "batch",
        call("records.update", "account", key, {"name": "after"}),
        call("records.retrieve", "account", key, select=["name"]),
        call("records.list", "account", select=["name"], top=2, orderby=["name"]),
        call("tables.get", "account"),
        change_set=together,
    )
    assert [each["status_code"] for each in answers] == [204, 200, 200, 200, 204, 204]
    assert answers[1]["data"]["name"] == "after"
    names = sorted(row["name"].casefold() for row in served.store.rows("account") if row["name"])
    listed = [row["name"] for row in answers[2]["data"]["value"] if row["name"]]
    assert [name.casefold() for name in listed] == names[: len(listed)]
    linked = served.store.row("account", answers[5]["entity_id"])
    assert linked is not None
    assert linked["primarycontactid"] == answers[4]["entity_id"]


def test_change_set_is_all_or_nothing(microsoft: Conversation, served: Sandbox) -> None:
    before = served.store.count("contact")
    answers = microsoft.ask(
        "batch",
        change_set=[
            call("records.create", "contact", {"lastname": "first"}),
            call("records.create", "contact", {"nothing": 1}),
        ],
        continue_on_error=True,
    )
    assert [each["status_code"] for each in answers] == [400]
    assert "nothing" in answers[0]["error_message"]
    assert served.store.count("contact") == before
