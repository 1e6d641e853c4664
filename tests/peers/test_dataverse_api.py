"""dataverse-api: MSAL, tokens of the v2.0 endpoint; the session comes from its user."""

from __future__ import annotations

import json
import uuid

import pytest

from dataverse_source.sandbox import Sandbox
from tests.peers.conversation import ClientFailed, Conversation
from tests.peers.expected import ACCOUNT, arrived, rows, sizes

pytestmark = [pytest.mark.peers, pytest.mark.slow]


def named(sandbox: Sandbox, table: str, column: str, value: str) -> list[str]:
    """Keys of the rows with a value."""
    key = sandbox.store.schema.by_logical_name[table].primary_id
    return [row[key] for row in sandbox.store.rows(table) if row[column] == value]


def test_reads_metadata(dataverse_api: Conversation, served: Sandbox) -> None:
    assert dataverse_api.ask("languages") == [1033]
    definition = dataverse_api.ask("definition", "account")
    assert (definition["SchemaName"], definition["OwnershipType"]) == ("Account", "UserOwned")
    relationship = dataverse_api.ask("relationship", "account_primary_contact")
    assert relationship["SchemaName"] == "account_primary_contact"
    described = dataverse_api.ask("describe", "new_project")
    assert (described["set"], described["key"]) == ("new_projects", "new_projectid")
    assert described["keys"] == {"new_ProjectCode": ["new_code"]}
    assert dataverse_api.ask("describe", "account")["image"] == "entityimage"
    links = [each for each in served.store.schema.one_to_many if each.referencing == "new_project"]
    assert len(described["relationships"]["single_valued"]) == len(links)


def test_finds_out_which_tables_take_bulk_messages(dataverse_api: Conversation) -> None:
    assert dataverse_api.ask("describe", "account")["multiple"] == [True, True]
    assert dataverse_api.ask("describe", "systemuserroles")["multiple"] == [False, False]


def test_reads_every_row_page_by_page(dataverse_api: Conversation, served: Sandbox) -> None:
    expected = rows(served, "account")
    asked = {"select": ACCOUNT, "page_size": 60}
    answers = dataverse_api.ask("read", "account", **asked, return_responses=True)
    pages = [json.loads(text)["value"] for _, text in answers]
    assert [len(page) for page in pages] == sizes(len(expected), 60)
    assert arrived((row for page in pages for row in page), "accountid") == expected


def test_filters_and_expands(dataverse_api: Conversation, served: Sandbox) -> None:
    found = dataverse_api.ask(
        "read",
        "account",
        select=["revenue"],
        filter="revenue gt 1000",
        order_by="revenue desc",
        expand="primarycontactid($select=fullname)",
        return_formatted_values=True,
    )
    stored = [row for row in served.store.rows("account") if (row["revenue"] or 0) > 1000]
    assert [row["revenue"] for row in found] == sorted(
        (float(row["revenue"]) for row in stored), reverse=True
    )
    contacts = rows(served, "contact", ["fullname"])
    linked = {row["accountid"]: row["primarycontactid"] for row in stored}
    for row in found:
        contact, key = row["primarycontactid"], linked[row["accountid"]]
        assert (contact and contact["fullname"]) == (key and contacts[key]["fullname"])


@pytest.mark.parametrize("mode", ["individual", "multiple", "batch"])
def test_creates_rows(dataverse_api: Conversation, served: Sandbox, mode: str) -> None:
    name = f"{mode} {uuid.uuid4().hex[:8]}"
    answers = dataverse_api.ask(
        "create", "contact", [{"lastname": name}, {"lastname": name}], mode=mode
    )
    assert {status for status, _ in answers} == {{"individual": 204}.get(mode, 200)}
    assert len(named(served, "contact", "lastname", name)) == 2


@pytest.mark.parametrize("mode", ["individual", "batch"])
def test_upserts_and_deletes(dataverse_api: Conversation, served: Sandbox, mode: str) -> None:
    codes = [f"A-{uuid.uuid4().hex[:8]}" for _ in range(2)]
    for name in ("first", "second"):
        data = [{"new_code": code, "new_name": name} for code in codes]
        asked = {"altkey_name": "new_ProjectCode", "mode": mode}
        dataverse_api.ask("upsert", "new_project", data, **asked)
    stored = {row["new_code"]: row["new_name"] for row in served.store.rows("new_project")}
    assert [stored[code] for code in codes] == ["second", "second"]
    for code in codes:
        dataverse_api.ask("delete", "new_project", filter=f"new_code eq '{code}'", mode=mode)
        assert named(served, "new_project", "new_code", code) == []


def test_metadata_is_only_read(dataverse_api: Conversation) -> None:
    with pytest.raises(ClientFailed, match="can't DELETE metadata: it only reads it"):
        dataverse_api.ask("delete_table", "new_project")
