"""Stored views, and FetchXML over the tables of a new sandbox."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dataverse_source.sandbox.environment.base_rows import fill
from dataverse_source.sandbox.schema.catalog import default_schema
from tests.support.sandbox.fetchxml import ALL, refusal, rows
from tests.support.sandbox.reading import Reading, reading

ACTIVE = (
    "<fetch><entity name='account'><attribute name='name'/><filter><condition "
    "attribute='statecode' operator='eq' value='0'/></filter><order attribute='name'/>"
    "</entity></fetch>"
)
NO_VIEW = "00000000-0000-0000-0000-000000000001"


@pytest.fixture(scope="module")
def crm() -> Iterator[Reading]:
    with reading(default_schema()) as side:
        store = side.store
        contact = store.create("contact", {"fullname": "Ann"})
        for name, state in (("b", 0), ("a", 0), ("c", 1)):
            store.create("account", {"name": name, "statecode": state, "primarycontactid": contact})
        yield side


def view(side: Reading, logical_name: str, xml: str, table: str = "account") -> str:
    return side.store.create(
        logical_name, {"name": "A view", "fetchxml": xml, "returnedtypecode": table}
    )


@pytest.mark.parametrize(
    ("option", "logical_name"), [("savedQuery", "savedquery"), ("userQuery", "userquery")]
)
def test_a_view_is_read(crm: Reading, option: str, logical_name: str) -> None:
    key = view(crm, logical_name, ACTIVE)
    found = crm.json(f"accounts?{option}={key}")["value"]
    assert [row["name"] for row in found] == ["a", "b"]
    assert set(found[0]) == {"@odata.etag", "name", "accountid"}


def test_a_view_of_a_collection_below_a_row(crm: Reading) -> None:
    key = view(crm, "savedquery", ACTIVE)
    (contact,) = crm.store.rows("contact")
    path = f"contacts({contact['contactid']})/account_primary_contact?savedQuery={key}"
    assert [row["name"] for row in crm.json(path)["value"]] == ["a", "b"]
    other = crm.store.create("contact", {"fullname": "Bob"})
    path = f"contacts({other})/account_primary_contact?savedQuery={key}"
    try:
        assert crm.json(path)["value"] == []
    finally:
        crm.store.delete("contact", other)


def test_views_that_can_not_be_read(crm: Reading) -> None:
    of_contacts = view(crm, "savedquery", "<fetch><entity name='contact'/></fetch>", "contact")
    empty = crm.store.create("savedquery", {"name": "Empty", "returnedtypecode": "account"})
    assert crm.fault(f"accounts?savedQuery={NO_VIEW}")[:2] == (404, "0x80040217")
    assert crm.fault("accounts?savedQuery=x")[:2] == (400, "0x80060888")
    assert crm.fault(f"accounts?savedQuery={of_contacts}")[:2] == (400, "0x80040203")
    assert crm.fault(f"accounts?savedQuery={empty}")[:2] == (400, "0x80040203")
    both = f"accounts?savedQuery={NO_VIEW}&userQuery={NO_VIEW}"
    assert crm.fault(both)[:2] == (400, "0x80060888")
    with reading() as side:
        assert side.fault(f"new_widgets?savedQuery={NO_VIEW}")[0] == 501


def test_the_name_of_a_lookup_can_be_filtered_by(crm: Reading) -> None:
    xml = (
        "<fetch><entity name='account'><attribute name='name'/><filter><condition "
        "attribute='primarycontactidname' operator='{}' value='an%'/></filter></entity></fetch>"
    )
    assert len(rows(crm, "accounts", xml.format("like"))) == 3
    assert rows(crm, "accounts", xml.format("not-like")) == []


def test_companions_are_no_columns_to_return(crm: Reading) -> None:
    xml = "<fetch><entity name='account'><attribute name='statecodename'/></entity></fetch>"
    assert refusal(crm, "accounts", xml)[0] == 501


def test_many_to_many(crm: Reading) -> None:
    store = crm.store
    team = store.create("team", {"name": "Sales"})
    user = store.create("systemuser", {"fullname": "Ann Ample"})
    store.create("teammembership", {"systemuserid": user, "teamid": team})
    xml = (
        "<fetch><entity name='systemuser'><attribute name='fullname'/><link-entity "
        "name='teammembership' from='systemuserid' to='systemuserid' intersect='true'>"
        "<link-entity name='team' from='teamid' to='teamid' alias='team'><attribute "
        "name='name'/></link-entity></link-entity></entity></fetch>"
    )
    (row,) = rows(crm, "systemusers", xml, ALL)
    assert (row["fullname"], row["team.name"]) == ("Ann Ample", "Sales")


def test_a_new_sandbox_has_a_view() -> None:
    with reading(default_schema()) as side:
        user = "11111111-1111-1111-1111-111111111111"
        fill(side.store, side.environment.organization, user, {"account": 3}, 1)
        (found,) = side.json("savedqueries?$select=name&$filter=name eq 'Active Accounts'")["value"]
        page = side.json(f"accounts?savedQuery={found['savedqueryid']}")
        active = [row for row in side.store.rows("account") if row["statecode"] == 0]
        assert len(page["value"]) == len(active)
