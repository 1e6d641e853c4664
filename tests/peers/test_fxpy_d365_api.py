"""fxpyD365api: MSAL; asks for pages by number alone."""

from __future__ import annotations

import pytest

from dataverse_source.sandbox import Sandbox
from tests.peers.conversation import ClientFailed, Conversation
from tests.peers.expected import ACCOUNT, arrived, rows, sizes

pytestmark = [pytest.mark.peers, pytest.mark.slow]

SELECT = ",".join(ACCOUNT)


def test_reads_every_row_page_by_page(fxpy: Conversation, served: Sandbox) -> None:
    expected = rows(served, "account")
    pages = [fxpy.ask("call", "accounts", "get_page", select=SELECT)["value"]]
    while pages[-1]:
        page = len(pages) + 1
        pages.append(fxpy.ask("call", "accounts", "get_page", page, select=SELECT)["value"])
    assert [len(page) for page in pages] == [*sizes(len(expected), 50), 0]
    assert arrived((row for page in pages for row in page), "accountid") == expected
    again = fxpy.ask("call", "accounts", "get_page", 2, select=SELECT)
    assert (again["value"], again["@odata.count"]) == (pages[1], len(expected))


def test_goes_forth_and_back(fxpy: Conversation) -> None:
    first = fxpy.ask("call", "accounts", "get_page")["value"]
    second = fxpy.ask("call", "accounts", "get_next_page")["value"]
    assert {row["accountid"] for row in first}.isdisjoint(row["accountid"] for row in second)
    assert fxpy.ask("call", "accounts", "get_previous_page")["value"] == first


def test_filters_and_orders(fxpy: Conversation, served: Sandbox) -> None:
    asked = {"request_filter": "revenue gt 1000", "order_by": "revenue desc", "annotations": "*"}
    found = fxpy.ask("call", "accounts", "get_page", select="revenue", **asked)
    revenues = [float(row["revenue"] or 0) for row in served.store.rows("account")]
    wanted = sorted((each for each in revenues if each > 1000), reverse=True)
    assert [row["revenue"] for row in found["value"]] == wanted[:50]
    shown = found["value"][0]["revenue@OData.Community.Display.V1.FormattedValue"]
    assert shown == f"${wanted[0]:,.2f}"
    top = fxpy.ask("call", "accounts", "get_top", 3, select="name")["value"]
    assert [row["name"] for row in top] == [row["name"] for row in served.store.rows("account")[:3]]


def test_writes_rows(fxpy: Conversation, served: Sandbox) -> None:
    key = fxpy.ask("call", "contacts", "create", {"lastname": "One"})["contactid"]
    changed = fxpy.ask("call", "contacts", "update", key, {"lastname": "Two"}, select="lastname")
    assert changed["lastname"] == "Two"
    assert (served.store.row("contact", key) or {})["lastname"] == "Two"
    assert fxpy.ask("call", "contacts", "retrieve", key, select="lastname")["lastname"] == "Two"
    assert fxpy.ask("call", "contacts", "delete", key) == 204
    assert served.store.row("contact", key) is None
    with pytest.raises(ClientFailed, match="Does Not Exist") as failed:
        fxpy.ask("call", "contacts", "retrieve", key)
    assert failed.value.status == 404


def test_asynchronous_client(fxpy: Conversation, served: Sandbox) -> None:
    """Its HTTP library reads no proxy variable: it takes the sandbox's own address."""
    calls = [["get_page", {"page": 2, "select": SELECT}], ["get_top", {"qty": 3}]]
    page, top = fxpy.ask("call_asynchronously", "accounts", served.environment_url, calls)
    expected = rows(served, "account")
    found = arrived(page["value"], "accountid")
    assert found == {key: expected[key] for key in list(expected)[50:100]}
    assert len(top["value"]) == 3
