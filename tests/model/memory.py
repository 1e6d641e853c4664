"""A destination in memory that does with dlt's items what dlt and DuckDB do, only faster.

Histories by the thousand need it; `tests/sync` has the same guarantees with the real ones.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import pyarrow as pa
from dlt.extract.items import DataItemWithMeta

from dataverse_source.connection import Connection
from dataverse_source.sync.output import DELETED
from dataverse_source.tables import Tables

Row = dict[str, Any]
State = dict[str, dict[str, Any]]


class Killed(Exception):
    """The process has ended, in the middle of whatever it did."""


@dataclass
class Package:
    """What one extraction has made, before it is loaded."""

    number: int
    items: list[DataItemWithMeta]
    state: State


@dataclass
class MemoryDestination:
    """Tables by name, rows by key; the state that was loaded last; the number of that load."""

    tables: dict[str, dict[Any, Row]] = field(default_factory=dict)
    state: State = field(default_factory=dict)
    newest: int = 0

    def load(self, package: Package) -> None:
        """All of a package, table by table."""
        by_table: dict[str, list[pa.Table]] = {}
        hints: dict[str, Mapping[str, Any]] = {}
        for item in package.items:
            given = getattr(item.meta, "hints", None)
            name = str(given["table_name"] if given else item.meta.table_name)
            if given:
                hints[name] = given
            by_table.setdefault(name, []).append(item.data)
        for name, batches in by_table.items():
            self._load_table(name, batches, hints[name])
        self.state, self.newest = copy.deepcopy(package.state), package.number

    def _load_table(self, name: str, batches: list[pa.Table], hints: Mapping[str, Any]) -> None:
        rows = [row for batch in batches for row in batch.to_pylist()]
        keys = [str(one) for one in hints["primary_key"]]
        table = self.tables.setdefault(name, {})
        if hints["write_disposition"] == "replace":
            table.clear()
            for row in rows:
                key = _key(row, keys)
                assert key not in table, f"{name} {key} comes twice in a read that replaces"
                table[key] = row
            return
        newest: dict[Any, Row] = {}
        for row in rows:
            key = _key(row, keys)
            if key not in newest or _version(row) >= _version(newest[key]):
                newest[key] = row
        for key, row in newest.items():
            table.pop(key, None)
            if not row.get(DELETED):
                table[key] = row


def _key(row: Row, keys: list[str]) -> Any:
    return row[keys[0]] if len(keys) == 1 else tuple(row[key] for key in keys)


def _version(row: Row) -> int:
    return row.get("versionnumber") or 0


class LoadedInMemory:
    """What the source asks of a destination."""

    def __init__(self, tables: Mapping[str, Mapping[Any, Row]], name: str) -> None:
        self._tables = tables
        self._name = name

    def keys(self) -> pa.Array | None:
        return pa.array(list(self._tables.get(self._name, {})), pa.string())

    def has_rows(self) -> bool:
        return bool(self._tables.get(self._name))

    def columns(self) -> dict[str, Any]:
        return {}

    def recorded(self) -> pa.Array:
        listed = self._tables.get("_dataverse_deletions", {})
        return pa.array([key for table, key in listed if table == self._name], pa.string())


@dataclass
class Schedule:
    """One working folder of the pipeline: its state, and a package that was left behind."""

    destination: MemoryDestination
    state: State = field(default_factory=dict)
    pending: Package | None = None
    known: int = -1

    def lose_everything(self) -> None:
        """The working folder is gone."""
        self.state, self.pending, self.known = {}, None, -1

    def run(
        self, connect: Callable[[], Connection], names: list[str], kill_at: int | None = None
    ) -> None:
        """What `load` does: what was left behind, then package after package.

        Raises:
            Killed: at the step ``kill_at`` of the run.
        """
        clock = _Steps(kill_at)
        if self.pending is not None:
            if self.destination.newest > self.pending.number:
                self.lose_everything()
            else:
                self._load(clock)
        if self.destination.newest != self.known:
            self.state = copy.deepcopy(self.destination.state)
            self.known = self.destination.newest
        tables = Tables(connect())
        only: set[str] | None = None
        while True:
            before = copy.deepcopy(self.state)
            self._extract(tables, names, only, clock)
            self._load(clock)
            only = {
                table
                for one in self.state.values()
                for table, state in one.get("tables", {}).items()
                if state.get("more")
            }
            if not only or before == self.state:
                return

    def _extract(
        self, tables: Tables, names: list[str], only: set[str] | None, clock: _Steps
    ) -> None:
        state = copy.deepcopy(self.state)
        items = []

        def loaded(name: str, key: str) -> LoadedInMemory:
            return LoadedInMemory(self.destination.tables, name)

        with mock.patch("dataverse_source.tables._loaded_table", loaded):
            for name in names:
                stored = state.setdefault(name, {})
                if only is not None and not only & set(stored.get("tables", {})):
                    continue
                for item in tables.items(name, stored, None):
                    clock.tick()
                    items.append(item)
        clock.tick()
        self.pending = Package(self.destination.newest + 1, items, state)
        self.state = copy.deepcopy(state)
        clock.tick()

    def _load(self, clock: _Steps) -> None:
        assert self.pending is not None
        self.destination.load(self.pending)
        clock.tick()  # loaded, but still here: loading it again changes nothing
        self.known, self.pending = self.pending.number, None


class _Steps:
    def __init__(self, kill_at: int | None) -> None:
        self._left = kill_at

    def tick(self) -> None:
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise Killed
