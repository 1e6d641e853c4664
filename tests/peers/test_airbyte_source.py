from __future__ import annotations

from typing import Any

import pytest

from dataverse_source.sandbox import Sandbox
from tests.peers.conversation import Conversation
from tests.peers.expected import ACCOUNT, arrived, rows, sizes

pytestmark = [pytest.mark.peers, pytest.mark.slow]

DELETED_AT = "_ab_cdc_deleted_at"


def stream(airbyte: Conversation, name: str) -> Any:
    """A table as ``discover`` describes it."""
    (message,) = (each for each in airbyte.ask("discover") if each["type"] == "CATALOG")
    return next(each for each in message["catalog"]["streams"] if each["name"] == name)


def catalog(found: Any, mode: str) -> dict[str, Any]:
    """What to read, and how."""
    configured = {
        "stream": found,
        "sync_mode": mode,
        "destination_sync_mode": "append_dedup" if mode == "incremental" else "overwrite",
        "cursor_field": ["modifiedon"],
        "primary_key": found["source_defined_primary_key"],
    }
    return {"streams": [configured]}


def read(airbyte: Conversation, **files: Any) -> tuple[list[dict[str, Any]], list[Any]]:
    """The rows and the states of one run."""
    messages = airbyte.ask("read", **files)
    records = [each["record"]["data"] for each in messages if each["type"] == "RECORD"]
    return records, [each["state"] for each in messages if each["type"] == "STATE"]


def test_checks_the_connection(airbyte: Conversation) -> None:
    (message,) = (each for each in airbyte.ask("check") if each["type"] == "CONNECTION_STATUS")
    assert message["connectionStatus"] == {"status": "SUCCEEDED"}


def test_discovers_tables(airbyte: Conversation, served: Sandbox) -> None:
    (message,) = (each for each in airbyte.ask("discover") if each["type"] == "CATALOG")
    found = {each["name"]: each for each in message["catalog"]["streams"]}
    tables = served.store.schema.by_logical_name
    assert set(found) == set(tables)
    for name, table in tables.items():
        tracked = table.change_tracking and table.can_change_tracking
        assert ("incremental" in found[name]["supported_sync_modes"]) == tracked
        assert found[name]["source_defined_primary_key"] == [[table.primary_id]]
    shown = found["account"]["json_schema"]["properties"]
    columns = tables["account"].columns
    days = {c.name for c in columns if c.date_behavior == "DateOnly"}
    assert {name for name, kind in shown.items() if kind.get("format") == "date"} == days != set()
    lookups = {f"_{c.name}_value" for c in columns if c.type == "Lookup"}
    assert lookups <= set(shown)


def test_reads_everything(airbyte: Conversation, served: Sandbox) -> None:
    served.requests.clear()
    found = catalog(stream(airbyte, "account"), "full_refresh")
    records, _ = read(airbyte, catalog=found)
    expected = rows(served, "account")
    assert arrived(records, "accountid", ACCOUNT) == expected
    pages = [each for each in served.requests if each.path.endswith("/accounts")]
    # It asks for the first page twice: once to see whether the table can be read.
    assert len(pages) == len(sizes(len(expected), 50)) + 1


def test_second_run_brings_changes_and_deletes(airbyte: Conversation, served: Sandbox) -> None:
    store = served.store
    kept = store.create("account", {"name": "kept"})
    gone = store.create("account", {"name": "gone"})
    found = catalog(stream(airbyte, "account"), "incremental")
    records, states = read(airbyte, catalog=found)
    assert arrived(records, "accountid", ACCOUNT) == rows(served, "account")

    store.update("account", kept, {"name": "changed"})
    store.delete("account", gone)
    made = store.create("account", {"name": "made"})
    records, states = read(airbyte, catalog=found, state=states[-1:])
    by_key = {record["accountid"]: record for record in records}
    assert len(by_key) == len(records)
    deleted = {key for key, record in by_key.items() if record.get(DELETED_AT)}
    assert deleted == {gone}
    names = {key: record["name"] for key, record in by_key.items() if key not in deleted}
    assert names == {kept: "changed", made: "made"}

    records, _ = read(airbyte, catalog=found, state=states[-1:])
    assert records == []
