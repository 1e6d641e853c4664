"""crmadminbrasil-dataverse-sdk: MSAL, httpx; it never asks for a size of pages."""

from __future__ import annotations

import uuid

import pytest

from dataverse_source.sandbox import Sandbox
from tests.peers.conversation import ClientFailed, Conversation
from tests.peers.expected import ACCOUNT, arrived, rows

pytestmark = [pytest.mark.peers, pytest.mark.slow]


def test_reads_metadata(sdk: Conversation) -> None:
    account = sdk.ask("call", "get_entity_metadata", "account")
    assert (account["EntitySetName"], account["PrimaryIdAttribute"]) == ("accounts", "accountid")
    revenue = sdk.ask("call", "get_attribute_metadata", "account", "revenue")
    assert (revenue["AttributeType"], revenue["SchemaName"]) == ("Money", "Revenue")


def test_reads_rows(sdk: Conversation, served: Sandbox) -> None:
    expected = rows(served, "account")
    found = sdk.ask("call", "query_all", "accounts", {"select": list(ACCOUNT)})
    assert arrived(found, "accountid") == expected
    options = {"select": ["name"], "order_by": ["accountid"], "filter": "statecode eq 0"}
    result = sdk.ask("call", "query", "accounts", {**options, "top": 5, "count": True})
    active = sum(row["statecode"] == 0 for row in served.store.rows("account"))
    assert (len(result["value"]), result["count"]) == (5, active)


def test_its_fetchxml_does_not_leave_it(sdk: Conversation, served: Sandbox) -> None:
    """It gives httpx a query in the URL and an empty list of parameters; httpx sends neither."""
    served.requests.clear()
    xml = '<fetch count="5"><entity name="account"><attribute name="name"/></entity></fetch>'
    found = sdk.ask("call", "fetch_xml", xml)
    (asked,) = served.requests.matching("/accounts")
    assert (asked.query, len(found)) == ("", served.store.count("account"))


def test_writes_rows(sdk: Conversation, served: Sandbox) -> None:
    key = sdk.ask("call", "create", "contacts", {"lastname": "One"})
    assert sdk.ask("call", "read", "contacts", key, select=["lastname"])["lastname"] == "One"
    changed = sdk.ask("call", "update", "contacts", key, {"lastname": "Two"}, return_record=True)
    assert changed["lastname"] == "Two"
    assert (served.store.row("contact", key) or {})["lastname"] == "Two"
    account = served.store.rows("account")[0]["accountid"]
    link = ("accounts", account, "contact_customer_accounts")
    sdk.ask("call", "associate", *link, "contacts", key)
    assert (served.store.row("contact", key) or {})["parentcustomerid"] == account
    sdk.ask("call", "disassociate", *link, key)
    assert (served.store.row("contact", key) or {})["parentcustomerid"] is None
    sdk.ask("call", "delete", "contacts", key)
    with pytest.raises(ClientFailed, match="Does Not Exist") as failed:
        sdk.ask("call", "read", "contacts", key)
    assert failed.value.status == 404


def test_upserts_by_alternate_key(sdk: Conversation, served: Sandbox) -> None:
    code = f"S-{uuid.uuid4().hex[:8]}"
    for name in ("first", "second"):
        asked = ("new_projects", {"new_name": name}, {"new_code": code})
        assert sdk.ask("call", "upsert", *asked, return_record=True)["new_name"] == name
    found = [row["new_name"] for row in served.store.rows("new_project") if row["new_code"] == code]
    assert found == ["second"]


def test_writes_in_batches(sdk: Conversation, served: Sandbox) -> None:
    def keys(name: str) -> list[str]:
        return [row["contactid"] for row in served.store.rows("contact") if row["lastname"] == name]

    first, second = uuid.uuid4().hex, uuid.uuid4().hex
    done = sdk.ask("call", "bulk_create", "contacts", [{"lastname": first}, {"lastname": first}])
    assert (done["successful"], done["failed"], len(keys(first))) == (2, 0, 2)
    updates = [{"id": key, "lastname": second} for key in keys(first)]
    assert sdk.ask("call", "bulk_update", "contacts", updates)["successful"] == 2
    assert len(keys(second)) == 2
    assert sdk.ask("call", "bulk_delete", "contacts", keys(second))["successful"] == 2
    assert keys(second) == []
