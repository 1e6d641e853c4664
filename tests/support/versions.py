"""Reads a table with its history from the destination, and says what has to hold of it."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Any

import dlt

from dataverse_source.sandbox import Sandbox
from dataverse_source.sync.write.destination import VALID_TO
from dataverse_source.sync.write.history import ROW_VERSION, VALID_FROM
from tests.support.comparing import same, sandbox_rows
from tests.support.loads import NewPipeline, Run
from tests.support.requests_sent import keys

Versions = dict[str, list[dict[str, Any]]]


def versions(pipeline: dlt.Pipeline, table: str = "accounts", key: str = "accountid") -> Versions:
    """The versions of each row, oldest first."""
    with pipeline.sql_client() as client:
        name = client.make_qualified_table_name(table)
        with client.execute_query(f"SELECT * FROM {name} ORDER BY {VALID_FROM}") as cursor:
            names = [column[0] for column in cursor.description]
            rows = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
    found: Versions = {}
    for row in rows:
        found.setdefault(row[key], []).append(row)
    return found


def present(found: Versions) -> dict[str, dict[str, Any]]:
    """The row that has not ended, by key."""
    now = {key: [row for row in rows if row[VALID_TO] is None] for key, rows in found.items()}
    assert all(len(rows) <= 1 for rows in now.values()), "a row is there twice"
    return {key: rows[0] for key, rows in now.items() if rows}


def assert_present(found: Versions, sandbox: Sandbox, logical_name: str = "account") -> None:
    """The rows that have not ended are those of the sandbox, cell by cell."""
    arrived = present(found)
    own = (ROW_VERSION, VALID_FROM, VALID_TO)
    columns = set(next(iter(arrived.values()), {})) - set(own)
    expected = sandbox_rows(sandbox, logical_name, columns)
    assert arrived.keys() == expected.keys()
    for key, row in expected.items():
        different = {
            column: (arrived[key][column], value)
            for column, value in row.items()
            if not same(arrived[key][column], value)
        }
        assert not different, f"{key}: (destination, sandbox) {different}"


def assert_begun(run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, key: str) -> None:
    """A history of accounts has just begun, and goes on: a changed row gets a second version.

    Args:
        run: loads accounts.
        sandbox: that they are read from.
        new_pipeline: makes the pipeline.
        key: of the row to change.
    """
    found = versions(new_pipeline())
    assert {len(rows) for rows in found.values()} == {1}
    assert_present(found, sandbox)
    sandbox.store.update("account", key, {"name": "Second"})
    run(history=True)
    found = versions(new_pipeline())
    assert_present(found, sandbox)
    assert len(found[key]) == 2


def assert_in_order(found: Versions) -> None:
    """Of each row's versions one ends before or when the next one begins."""
    for key, rows in found.items():
        moments: list[datetime] = []
        for row in rows:
            assert row[VALID_FROM] is not None, key
            moments.append(row[VALID_FROM])
            moments.append(row[VALID_TO] or datetime.max.replace(tzinfo=row[VALID_FROM].tzinfo))
        assert moments == sorted(moments), key


class Story:
    """Random changes, and all states that rows have ever had."""

    def __init__(self, sandbox: Sandbox, random: random.Random) -> None:
        self.sandbox = sandbox
        self.random = random
        self.dead: list[str] = []
        self.states: set[tuple[str, str]] = set()
        self._note()

    def change(self) -> None:
        store = self.sandbox.store
        for _ in range(self.random.randint(0, 6)):
            key = self.random.choice(keys(self.sandbox))
            kind = self.random.choice(["update", "update", "delete", "create", "again", "wait"])
            if kind == "update":
                store.update("account", key, {"name": f"Name {store.version}"})
            elif kind == "delete":
                store.delete("account", key)
                self.dead.append(key)
            elif kind == "create":
                store.create("account", {"name": f"New {store.version}"})
            elif kind == "again" and self.dead:
                key = self.dead.pop()
                store.create("account", {"accountid": key, "name": f"Again {store.version}"})
            elif kind == "wait":
                self.sandbox.clock.advance(self.random.choice([2.0, 4000.0, 8 * 86400.0]))
            self._note()

    def _note(self) -> None:
        for row in self.sandbox.store.rows("account"):
            self.states.add((row["accountid"], row["name"]))

    def assert_seen(self, found: Versions) -> None:
        """Nothing is in the history that was not there at some time."""
        for key, rows in found.items():
            for row in rows:
                assert (key, row["name"]) in self.states


def assert_nothing_lost(before: Versions, after: Versions) -> None:
    """Versions stay as they were, but for the present ones, which may have ended."""
    for key, rows in before.items():
        for number, row in enumerate(rows):
            ended = {VALID_TO: after[key][number][VALID_TO]} if row[VALID_TO] is None else {}
            assert after[key][number] == {**row, **ended}, key


def assert_one_step(before: Versions, after: Versions) -> None:
    """One run has added at most one version of each row, and none of rows that are the same."""
    for key, rows in after.items():
        old = before.get(key, [])
        for one, other in zip(rows[len(old) - 1 if old else 0 :], rows[len(old) :], strict=False):
            if one[VALID_TO] == other[VALID_FROM]:
                assert one[ROW_VERSION] != other[ROW_VERSION], key
