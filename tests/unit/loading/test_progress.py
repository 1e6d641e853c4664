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


class Notes:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.ended_with: dict[str, str | None] = {}
        self.clients: set[DataverseClient] = set()

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
    assert notes.rows["accounts"] >= 60
    assert notes.rows["contacts"] == 0
    assert notes.ended_with == {
        "accounts": None,
        "contacts": "AccessDeniedError",
        "systemusers": None,
    }
    (client,) = notes.clients
    assert client.counters.requests > 3


def test_without_an_observer_nothing_is_told(credentials: DataverseCredentials) -> None:
    items = iter(())
    client: DataverseClient = None  # type: ignore[assignment]
    assert watched(None, "accounts", client, items) is items
