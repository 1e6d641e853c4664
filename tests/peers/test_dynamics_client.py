"""dynamics-client: authlib, tokens of the v1.0 and the v2.0 endpoint."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from dataverse_source.sandbox import Sandbox
from tests.peers.conversation import ClientFailed, Conversation
from tests.peers.expected import ACCOUNT, arrived, rows, sizes

pytestmark = [pytest.mark.peers, pytest.mark.slow]


@pytest.mark.parametrize(("version", "path"), [("v1", "oauth2/token"), ("v2", "v2.0/token")])
def test_signs_in_and_reads_every_page(
    dynamics: Conversation, served: Sandbox, version: str, path: str
) -> None:
    served.requests.clear()
    dynamics.ask("sign_in", version)
    asked = {"table": "accounts", "select": list(ACCOUNT), "pagesize": 60}
    found = dynamics.ask("get", asked, pagination_rules={"pages": -1})
    expected = rows(served, "account")
    assert arrived(found["data"], "accountid") == expected
    assert found["next"] is None
    assert len(served.requests.matching("/accounts")) == len(sizes(len(expected), 60))
    assert len(served.requests.matching(path)) <= 1


def test_filters_orders_expands_and_counts(dynamics: Conversation, served: Sandbox) -> None:
    asked: dict[str, Any] = {
        "table": "accounts",
        "select": ["name", "revenue"],
        "filter": ["revenue gt 1000"],
        "orderby": {"revenue": "desc"},
        "expand": {"primarycontactid": {"select": ["fullname"]}},
        "count": True,
        "pagesize": 5000,
    }
    found = dynamics.ask("get", asked)
    revenues = [row["revenue"] for row in served.store.rows("account")]
    wanted = sorted((float(each) for each in revenues if each and each > 1000), reverse=True)
    assert [row["revenue"] for row in found["data"]] == wanted
    assert found["count"] == len(wanted)
    (first,) = dynamics.ask("get", {**asked, "count": False, "top": 1, "show_annotations": True})[
        "data"
    ]
    assert first["revenue@OData.Community.Display.V1.FormattedValue"] == f"${wanted[0]:,.2f}"


def test_reads_pages_of_related_rows(dynamics: Conversation, served: Sandbox) -> None:
    asked = {
        "table": "contacts",
        "select": ["fullname"],
        "pagesize": 40,
        "expand": {"account_primary_contact": {"select": ["name"]}},
    }
    pages = {"pages": -1, "children": {"account_primary_contact": {"pages": -1}}}
    found = dynamics.ask("get", asked, pagination_rules=pages)["data"]
    assert len(found) == served.store.count("contact")
    linked = [row["accountid"] for row in served.store.rows("account") if row["primarycontactid"]]
    shown = [each["accountid"] for row in found for each in row["account_primary_contact"]]
    assert sorted(shown) == sorted(linked)


def test_other_queries(dynamics: Conversation, served: Sandbox) -> None:
    stored = served.store.rows("account")
    xml = '<fetch count="5"><entity name="account"><attribute name="name"/></entity></fetch>'
    found = dynamics.ask("get", {"table": "accounts", "fetch_xml": xml})["data"]
    assert [row["name"] for row in found] == [row["name"] for row in stored[:5]]
    apply = "aggregate(revenue with sum as total)"
    (sums,) = dynamics.ask("get", {"table": "accounts", "apply": apply})["data"]
    assert sums["total"] == float(sum(row["revenue"] or 0 for row in stored))
    assert "account" in dynamics.ask("function", "get_valid_many_to_many")[0]["EntityNames"]
    for name in ("get_valid_referenced_entities", "get_valid_referencing_entities"):
        assert "contact" in dynamics.ask("function", name, "account")[0]["EntityNames"]
    (who,) = dynamics.ask("function", "whoami")
    assert served.store.row("systemuser", who["UserId"])


def test_writes_rows(dynamics: Conversation, served: Sandbox) -> None:
    made = dynamics.ask("post", {"table": "contacts", "select": ["lastname"]}, {"lastname": "One"})
    key = made["contactid"]
    row = {"table": "contacts", "row_id": key}
    changed = dynamics.ask("patch", {**row, "select": ["lastname"]}, {"lastname": "Two"})
    assert changed["lastname"] == "Two"
    assert (served.store.row("contact", key) or {})["lastname"] == "Two"
    dynamics.ask("delete", row)
    assert served.store.row("contact", key) is None
    with pytest.raises(ClientFailed, match="Does Not Exist") as failed:
        dynamics.ask("delete", {**row, "row_id": str(uuid.uuid4())})
    assert failed.value.status == 404


def test_function_that_the_sandbox_lacks(dynamics: Conversation) -> None:
    with pytest.raises(ClientFailed, match="no function GetDefaultPriceLevel yet") as failed:
        dynamics.ask("function", "get_default_price_level")
    assert (failed.value.kind, failed.value.status) == ("OperationNotImplemented", 501)
