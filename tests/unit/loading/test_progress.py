"""An observer is told how far the tables of a run are."""

from __future__ import annotations

from collections.abc import Callable

import dlt
import pytest

from dataverse_source import TablesFailedError, dataverse, load
from dataverse_source.client.client import DataverseClient
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.loading.progress import watched
from dataverse_source.loading.run_context import observed
from dataverse_source.sandbox import Sandbox
from dataverse_source.sync.context import (
    COMPARING_KEYS,
    READING_CHANGES,
    READING_KEYS,
    READING_ROWS,
)


class Notes:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.ended_with: dict[str, str | None] = {}
        self.clients: set[DataverseClient] = set()
        self.totals: dict[str, int] = {}
        self.phases: dict[str, list[str]] = {}
        self.keys: dict[str, int] = {}

    def expects(self, table: str, rows: int) -> None:
        self.totals[table] = rows

    def doing(self, table: str, phase: str) -> None:
        self.phases.setdefault(table, []).append(phase)

    def page(self, table: str, keys: int) -> None:
        self.keys[table] = self.keys.get(table, 0) + keys

    def began(self, table: str, client: DataverseClient) -> None:
        self.rows.setdefault(table, 0)
        self.clients.add(client)

    def read(self, table: str, rows: int) -> None:
        self.rows[table] += rows

    def ended(self, table: str, error: BaseException | None) -> None:
        self.ended_with[table] = type(error).__name__ if error else None


def test_rows_are_told_table_by_table(
    sandbox: Sandbox,
    credentials: DataverseCredentials,
    new_pipeline: Callable[[], dlt.Pipeline],
) -> None:
    sandbox.users.change(sandbox.client_id, readable_tables=frozenset({"account", "systemuser"}))
    source = dataverse(
        environment_url=sandbox.environment_url,
        tables=["accounts", "contacts", "systemusers"],
        credentials=credentials,
        ca_bundle=str(sandbox.ca_bundle),
    )
    notes = Notes()
    with observed(notes), pytest.raises(TablesFailedError):
        load(new_pipeline(), source)
    assert notes.rows["accounts"] == 60
    assert notes.totals["accounts"] == 60
    assert "contacts" not in notes.phases
    assert notes.phases["accounts"] == [READING_KEYS, READING_ROWS, READING_CHANGES, COMPARING_KEYS]
    assert notes.keys["accounts"] == 120
    assert notes.rows["contacts"] == 0
    assert notes.ended_with == {
        "accounts": None,
        "contacts": "AccessDeniedError",
        "systemusers": None,
    }
    (client,) = notes.clients
    assert client.counters.requests > 3


def test_totals_are_asked_for_when_a_table_is_read_in_full_and_in_one_request(
    sandbox: Sandbox,
    credentials: DataverseCredentials,
    new_pipeline: Callable[[], dlt.Pipeline],
) -> None:
    def requests() -> tuple[int, Notes]:
        notes = Notes()
        sandbox.requests.clear()
        source = dataverse(
            environment_url=sandbox.environment_url,
            tables=["contacts"],
            credentials=credentials,
            ca_bundle=str(sandbox.ca_bundle),
        )
        with observed(notes):
            load(pipeline, source)
        return len(sandbox.requests.matching("/$batch")), notes

    pipeline = new_pipeline()
    first, notes = requests()
    assert notes.totals == {"contacts": 40}
    later, notes = requests()
    assert notes.totals == {}
    assert first == later + 1


def test_without_an_observer_nothing_is_told(credentials: DataverseCredentials) -> None:
    items = iter(())
    client: DataverseClient = None  # type: ignore[assignment]
    assert watched(None, "accounts", client, items) is items
