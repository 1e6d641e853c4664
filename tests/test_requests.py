"""How many requests a run sends: they are counted, and each takes part of the user's limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import dlt
import pytest

from dataverse_source import dataverse
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.tables import Column, Table

pytestmark = pytest.mark.slow

TABLES = 300
AROUND = 10
"""Requests for other things than rows: sign-in, metadata."""


def _table(number: int) -> Table:
    name = f"new_many{number:03}"
    return Table(
        logical_name=name,
        schema_name=name,
        entity_set_name=f"{name}set",
        primary_id=f"{name}id",
        primary_name="new_name",
        object_type_code=12_000 + number,
        columns=(
            Column(f"{name}id", "Uniqueidentifier", is_primary_id=True),
            Column("new_name", "String", is_primary_name=True, max_length=100),
            Column("createdon", "DateTime", date_behavior="UserLocal"),
            Column("modifiedon", "DateTime", date_behavior="UserLocal"),
            Column("versionnumber", "BigInt"),
        ),
    )


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """An environment with many tables, of one row each."""
    with Sandbox(rows={}, seed=1) as running:
        base = running.store.schema
        tables = [_table(number) for number in range(TABLES)]
        running.store.change_schema(replace(base, tables=(*base.tables, *tables)))
        for table in tables:
            running.store.create(table.logical_name, {"new_name": "One"})
        yield running


@pytest.fixture
def requests_of_a_run(
    sandbox: Sandbox, credentials: DataverseCredentials, new_pipeline: Callable[[], dlt.Pipeline]
) -> Callable[..., Counter[str]]:
    """Extracts all tables and counts the requests by entity set, others under ``around``."""

    def once(**settings: Any) -> Counter[str]:
        source = dataverse(
            environment_url=sandbox.environment_url,
            tables=["new_many*"],
            credentials=credentials,
            ca_bundle=sandbox.ca_bundle,
            **settings,
        )
        sandbox.requests.clear()
        new_pipeline().extract(source)
        names = (request.path.rpartition("/")[2] for request in sandbox.requests)
        return Counter(name if name.startswith("new_many") else "around" for name in names)

    return once


def test_tables_without_changes_cost_a_request_each(
    requests_of_a_run: Callable[..., Counter[str]],
) -> None:
    cursor = {"sync": "cursor", "lookback_seconds": 0}
    by_cursor = {f"new_many{number:03}": cursor for number in range(0, TABLES, 3)}
    first = requests_of_a_run(table_settings=by_cursor)
    assert len(first) == TABLES + 1
    requests_of_a_run(table_settings=by_cursor)  # what has changed while the first one read
    found = requests_of_a_run(table_settings=by_cursor)
    around = found.pop("around")
    assert set(found.values()) == {1}
    assert len(found) == TABLES
    assert around <= AROUND
