"""Every destination under every way to sync, rounds of changes, every cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dlt
import pytest

from dataverse_source import ConfigurationError, dataverse, load
from dataverse_source.sandbox import Sandbox
from tests.destinations import ducklake
from tests.destinations.comparing import assert_rows
from tests.destinations.places import Place, Rows, place
from tests.support.places import ROOT
from tests.support.requests_sent import keys
from tests.support.settings import credentials_of

pytestmark = [
    pytest.mark.destinations,
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # those of the drivers
]

ELASTIC = "new_sensorreading"
TABLES = {
    "account": "accounts",
    "contact": "contacts",
    "new_project": "new_projects",  # custom
    "new_project_contact": "new_project_contactset",  # N:N
    ELASTIC: "new_sensorreadings",
    "new_setting": "new_settings",  # not tracked
    "new_ledgerentry": "new_ledgerentries",  # no modifiedon
}
WAYS: dict[str, dict[str, Any]] = {
    "changes": {"labels": True},
    "cursor": {"sync": "cursor"},
    "full": {"sync": "full"},
    "keep": {"deletes": "keep"},
    "history": {"history": True},
    "packages": {"max_rows_per_load": 15},
    "feed": {"write": "append"},
}
PLACES = ["DuckDB", "PostgreSQL", "MariaDB", "SQLite", "DuckLake", "Delta", "Iceberg", "Parquet"]
ROUNDS = {"DuckLake": 2}
"""Loads in each way: four, but where dlt attaches a catalog anew for every job of a load."""


@dataclass
class Changes:
    """What has happened to the rows that were loaded in the first round, by logical name."""

    deleted: dict[str, set[str]] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)

    def make(self, sandbox: Sandbox, number: int) -> None:
        """Changes, deletes and makes rows in every table; one row is gone before it is loaded."""
        store = sandbox.store
        texts = {"account": "name", "contact": "lastname", "new_project": "new_name"}
        before = {table: by_key(sandbox, table) for table in TABLES}
        for table in TABLES:
            first, second, *_ = sorted(keys(sandbox, table))
            if table in texts:
                store.update(table, first, {texts[table]: f"Ünïcode 'quoted' \\ {number}\n\t\""})
                store.create(table, {texts[table]: f"New {number}"})
                store.delete(table, store.create(table, {texts[table]: "Never loaded"}))
            store.delete(table, second)
        for table, loaded in before.items():  # a delete also changes or deletes what refers to it
            now = by_key(sandbox, table)
            self.deleted[table] = self.deleted.get(table, set()) | (loaded.keys() - now.keys())
            changed = [key for key in loaded.keys() & now.keys() if loaded[key] != now[key]]
            self.versions[table] = self.versions.get(table, 0) + len(changed)


def by_key(sandbox: Sandbox, logical_name: str) -> dict[str, dict[str, Any]]:
    """The sandbox's rows."""
    key = sandbox.store.schema.by_logical_name[logical_name].primary_id
    return {row[key]: row for row in sandbox.store.rows(logical_name)}


@pytest.mark.parametrize("name", PLACES)
def test_a_destination(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if name == "DuckLake" and ducklake.run_again(request.node, tmp_path):
        return
    seeded = {"account": 40, "contact": 20, "systemuser": 3, "new_project": 12}
    seeded |= {ELASTIC: 12, "new_setting": 12, "new_ledgerentry": 12}
    where = place(name, tmp_path, request.getfixturevalue)
    cells: dict[str, str] = {}
    with Sandbox(rows=seeded, seed=3) as sandbox:
        for project, contact in zip(
            keys(sandbox, "new_project"), keys(sandbox, "contact"), strict=False
        ):
            link = {"new_projectid": project, "contactid": contact}
            sandbox.store.create("new_project_contact", link)
        changes = Changes()
        for number in range(ROUNDS.get(name, 4)):
            if number:
                changes.make(sandbox, number)
            for way in WAYS:
                if cells.get(way) != "refused":
                    cells[way] = one_load(where, way, sandbox, changes, tmp_path)
    line = f"| {name} | {' | '.join(cells.values())} |"
    assert line in (ROOT / "docs" / "destinations.md").read_text(encoding="utf-8"), line


def one_load(where: Place, way: str, sandbox: Sandbox, changes: Changes, folder: Path) -> str:
    """Loads all tables, compares every cell, and returns what the page says of it."""
    tables = dict(TABLES)
    if way in ("keep", "history"):
        del tables[ELASTIC]  # refused at every destination
    source = dataverse(
        environment_url=sandbox.environment_url,
        tables=list(tables.values()),
        credentials=credentials_of(sandbox),
        ca_bundle=sandbox.ca_bundle,
        reconcile_interval=0,
        **{**where.settings, **WAYS[way]},
    )
    pipeline = dlt.pipeline(
        f"of_{way}",
        destination=where.destination,
        dataset_name=f"of_{way}",
        pipelines_dir=str(folder / "pipelines"),
    )
    try:
        load(pipeline, source)
    except ConfigurationError:
        return "refused"
    for logical_name, table in tables.items():
        key = sandbox.store.schema.by_logical_name[logical_name].primary_id
        rows = where.rows(pipeline, table)
        gone = changes.deleted.get(logical_name, set())
        if way == "keep":
            kept = [row for row in rows if row[key] in gone]
            assert len(kept) == len(gone)
            rows = [row for row in rows if row[key] not in gone]
            listed = where.rows(pipeline, "_dataverse_deletions")
            assert {row["key"] for row in listed if row["table"] == table} == gone
        elif way == "history":
            ended = [row for row in rows if row["_dataverse_valid_to"] is not None]
            assert len(ended) == changes.versions.get(logical_name, 0) + len(gone)
            rows = [row for row in rows if row["_dataverse_valid_to"] is None]
        elif way == "feed":
            rows = present(rows, key)
        assert_rows(rows, sandbox, logical_name)
    return "yes"


def present(feed: Rows, key: str) -> Rows:
    """The present rows of a change feed, as the SQL in the docs finds them."""
    when: Callable[[dict[str, Any]], Any] = lambda row: row["_dataverse_seen_at"]  # noqa: E731
    since = max(when(row) for row in feed if row["_dataverse_snapshot"])
    newest: dict[str, dict[str, Any]] = {}
    for row in sorted((row for row in feed if when(row) >= since), key=when):
        newest[row[key]] = row
    return [row for row in newest.values() if not row["_dataverse_deleted"]]
