"""dataverse-webapi, on Node.js: takes a token from its user, and always the usual port."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from dataverse_source.sandbox import Sandbox
from tests.peers.conversation import ClientFailed, Conversation
from tests.peers.expected import ACCOUNT, arrived, row_of, rows

pytestmark = [pytest.mark.peers, pytest.mark.slow]


def first_account(served: Sandbox) -> dict[str, Any]:
    """A row that no test changes."""
    return served.store.rows("account")[0]


def test_reads_rows(webapi: Conversation, served: Sandbox) -> None:
    query = f"$select={','.join(ACCOUNT)}"
    found = webapi.ask("retrieveMultiple", "accounts", query)
    assert arrived(found["value"], "accountid") == rows(served, "account")
    account = first_account(served)
    one = webapi.ask("retrieve", "accounts", account["accountid"], query)
    assert {name: one[name] for name in ACCOUNT} == row_of(account, ACCOUNT)


def test_its_next_page_has_a_stray_slash(webapi: Conversation, served: Sandbox) -> None:
    """It adds "/" to the next link, so behind the cookie, which is then no XML any more.

    No document says that Dataverse overlooks it.
    """
    page = webapi.ask("retrieveMultiple", "accounts", "$select=name", {"maxPageSize": 100})
    assert len(page["value"]) == 100
    with pytest.raises(ClientFailed) as failed:
        webapi.ask("retrieveMultipleNextPage", page["@odata.nextLink"])
    assert failed.value.code == "0x8004112A"
    assert served.requests[-1].query.endswith("%20/%3E/")


def test_calls_functions(webapi: Conversation, served: Sandbox) -> None:
    assert served.store.row("systemuser", webapi.ask("unboundFunction", "WhoAmI")["UserId"])
    names = [{"name": "EntityNames", "alias": "p1", "value": '["contact"]'}]
    counted = webapi.ask("unboundFunction", "RetrieveTotalRecordCount", names)
    assert counted["EntityRecordCountCollection"]["Keys"] == ["contact"]
    with pytest.raises(ClientFailed, match="no action CloneAsPatch yet"):
        webapi.ask("unboundAction", "CloneAsPatch")


def test_writes_rows(webapi: Conversation, served: Sandbox) -> None:
    def stored(column: str) -> Any:
        return (served.store.row("contact", key) or {})[column]

    key = webapi.ask("create", "contacts", {"lastname": "One"})
    assert stored("lastname") == "One"
    webapi.ask("update", "contacts", key, {"lastname": "Two", "fax": "1"})
    select = "$select=lastname"
    changed = webapi.ask("updateWithReturnData", "contacts", key, {"lastname": "Three"}, select)
    assert changed["lastname"] == stored("lastname") == "Three"
    webapi.ask("updateProperty", "contacts", key, "lastname", "Four")
    webapi.ask("deleteProperty", "contacts", key, "fax")
    assert (stored("lastname"), stored("fax")) == ("Four", None)
    made = webapi.ask("createWithReturnData", "contacts", {"lastname": "Five"}, select)
    assert made["lastname"] == "Five"
    for each in (key, made["contactid"]):
        webapi.ask("deleteRecord", "contacts", each)
        assert served.store.row("contact", each) is None


def test_reads_by_alternate_key(webapi: Conversation, served: Sandbox) -> None:
    code = f"W-{uuid.uuid4().hex[:8]}"
    served.store.create("new_project", {"new_code": code, "new_name": "found"})
    key = f"new_code='{code}'"
    found = webapi.ask("retrieveAlternateKey", "new_projects", key, "$select=new_name")
    assert found["new_name"] == "found"


def test_its_reference_lacks_a_slash(webapi: Conversation, served: Sandbox) -> None:
    """It names the related row ``https:/contoso...``, which is no URL of the environment."""
    account = first_account(served)["accountid"]
    contact = served.store.rows("contact")[0]["contactid"]
    link = ("accounts", account, "contact_customer_accounts", "contacts", contact)
    with pytest.raises(ClientFailed, match=r"The reference 'https:/contoso.*' is not valid"):
        webapi.ask("associate", *link)


def test_sends_batches(webapi: Conversation, served: Sandbox) -> None:
    name = uuid.uuid4().hex
    change = {"method": "POST", "queryString": "contacts", "entity": {"lastname": name}}
    reading = "accounts?$select=name&$top=2"
    answers = webapi.ask("batchOperation", "b", "c", [{**change, "contentId": "1"}], [reading])
    assert [each["httpStatus"] for each in answers] == [204, 200]
    stored = served.store.row("contact", answers[0]["entityId"])
    assert stored is not None
    assert stored["lastname"] == name
    assert len(answers[1]["data"]["value"]) == 2
