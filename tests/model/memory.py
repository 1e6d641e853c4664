"""A destination in memory that does with dlt's items what dlt and DuckDB do, only faster.

Histories by the thousand need it; `tests/end_to_end` has the same guarantees with the real ones.
Where dlt's outcome is left to chance (which of two rows with one key wins a merge without a
sort column), it fails.
"""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import pyarrow as pa

from dataverse_source.config.values import is_pattern
from dataverse_source.errors import DataverseError
from dataverse_source.loading.connection import Connection
from dataverse_source.loading.destination_memory import Memory, Moved, Seen, what_moved
from dataverse_source.loading.load_package import Package as PackageToFill
from dataverse_source.loading.run_context import RunContext, running
from dataverse_source.loading.table_states import take_over
from dataverse_source.loading.tables import Tables
from dataverse_source.sync.context import Landed
from dataverse_source.sync.read.table_reader import VERSION
from dataverse_source.sync.versions import loaded_keys_and_versions
from dataverse_source.sync.write.columns import DELETED
from dataverse_source.sync.write.destination import VALID_TO
from dataverse_source.sync.write.history import ROW_VERSION
from dataverse_source.sync.write.items import Item
from tests.model.counting import DELETIONS, assert_counted
from tests.model.host_clock import HostClock
from tests.model.inline_links import InlineLinks
from tests.model.kept_versions import Versions

Row = dict[str, Any]
State = dict[str, dict[str, Any]]
MOST_PACKAGES = 500
"""Far more than a run of some hundred rows takes, of one row each."""


class Killed(Exception):
    """The process has ended, in the middle of whatever it did."""


@dataclass
class Package:
    """What one extraction has made, before it is loaded."""

    number: int
    items: list[tuple[str, Item]]
    state: State
    began: datetime


@dataclass
class MemoryDestination:
    """Tables by name, rows by key; their columns; the state and number of the last load.

    Of a table with its history these are the rows that have not ended. ``loads`` has the numbers
    of all packages.
    """

    tables: dict[str, dict[Any, Row]] = field(default_factory=dict)
    columns: dict[str, dict[str, Any]] = field(default_factory=dict)
    histories: dict[str, Versions] = field(default_factory=dict)
    state: State = field(default_factory=dict)
    newest: int = 0
    loads: list[int] = field(default_factory=list)

    def restore(self, backup: MemoryDestination) -> None:
        """Puts back what a backup holds; dlt knows all columns still."""
        self.tables = copy.deepcopy(backup.tables)
        self.histories = copy.deepcopy(backup.histories)
        self.state = copy.deepcopy(backup.state)
        self.newest, self.loads = backup.newest, list(backup.loads)

    def lose_rows(self, name: str, number: int) -> None:
        """Somebody deletes rows of a table: one of them, or all."""
        table = self.tables.get(name)
        if not table:
            return
        gone = list(table) if number % 3 == 0 else [list(table)[number % len(table)]]
        for key in gone:
            del table[key]
            if name in self.histories:
                self.histories[name].lose(key)

    def counts(self) -> dict[str, int | None]:
        """Rows by table of Dataverse."""
        return {name: len(rows) for name, rows in self.tables.items() if name != DELETIONS}

    def versions(self) -> dict[str, dict[Any, Any]]:
        """The version of each row by key, by table: a digest in a history."""
        found = {
            name: {key: row.get(VERSION) for key, row in rows.items()}
            for name, rows in self.tables.items()
        }
        return found | {name: one.digests() for name, one in self.histories.items()}

    def load(self, package: Package) -> None:
        """All of a package, table by table."""
        by_table: dict[str, list[pa.Table]] = {}
        hints: dict[str, Mapping[str, Any]] = {}
        names: dict[str, str] = {}  # a table may be renamed while it is read
        for table, item in package.items:
            if item.hints and item.kind != "records":
                names[table] = str(item.hints["table_name"])
            name = DELETIONS if item.kind == "records" else names[table]
            if item.hints:
                hints[name] = item.hints
            by_table.setdefault(name, []).append(item.data)
        for name, batches in by_table.items():
            self._note_columns(name, hints[name]["columns"])
            if VALID_TO in hints[name]["columns"]:
                self._load_versions(name, batches, hints[name], package)
            else:
                self._load_table(name, batches, hints[name])
        self.state, self.newest = copy.deepcopy(package.state), package.number
        if package.number not in self.loads:
            self.loads.append(package.number)

    def _note_columns(self, name: str, given: Mapping[str, Any]) -> None:
        """A column has one type for ever: dlt would put other values into another column."""
        known = self.columns.setdefault(name, {})
        for column, hint in given.items():
            before = known.setdefault(column, hint)
            types = before.get("data_type"), hint.get("data_type")
            assert types[0] == types[1], f"{name}.{column} was {types[0]} and becomes {types[1]}"

    def _load_versions(
        self, name: str, batches: list[pa.Table], hints: Mapping[str, Any], package: Package
    ) -> None:
        rows = [row for batch in batches for row in batch.to_pylist()]
        key = next(iter(hints["columns"]))
        versions = self.histories.setdefault(name, Versions(name, key))
        if hints["write_disposition"] == "replace":
            versions.replace(rows, package.number)
        else:
            versions.merge(rows, package.began)
        self.tables[name] = versions.present()

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
        sort = next((one for one, hint in hints["columns"].items() if "dedup_sort" in hint), None)
        newest: dict[Any, Row] = {}
        for row in rows:
            key = _key(row, keys)
            newest[key] = _winner(name, newest.get(key), row, sort)
        for key, row in newest.items():
            table.pop(key, None)
            if not row.get(DELETED):
                table[key] = row


def _winner(name: str, one: Row | None, other: Row, sort: str | None) -> Row:
    """Which row of one key dlt's merge takes."""
    if one is None or one == other:
        return other
    versions = [0, 0] if sort is None else [row[sort] or 0 for row in (one, other)]
    assert versions[0] != versions[1], f"{name}: which one wins? {one} or {other}"
    return one if versions[0] > versions[1] else other


def _key(row: Row, keys: list[str]) -> Any:
    return row[keys[0]] if len(keys) == 1 else tuple(row[key] for key in keys)


class LoadedInMemory:
    """What the source asks of a destination."""

    def __init__(self, destination: MemoryDestination, name: str) -> None:
        self._destination = destination
        self._name = name

    def rows(
        self, columns: Sequence[str | None], keys: Sequence[str] | None = None
    ) -> Iterator[list[tuple[Any, ...]]] | None:
        found = self._destination.tables.get(self._name, {})
        history = self._destination.histories.get(self._name)
        if history is not None:
            told = history.digests()
            found = {key: row | {ROW_VERSION: told[key]} for key, row in found.items()}
        wanted = found if keys is None else [key for key in keys if key in found]
        return iter([[tuple(found[key].get(one or "") for one in columns) for key in wanted]])

    def matching(
        self, columns: Sequence[str | None], column: str, value: str
    ) -> Iterator[list[tuple[Any, ...]]] | None:
        raise NotImplementedError("only the table of files is asked so")

    def tables(
        self, columns: Sequence[str], keys: Sequence[str] | None = None
    ) -> Iterator[pa.Table] | None:
        raise NotImplementedError("only tables in lakes are asked so")

    def add_columns(self, columns: Mapping[str, Any]) -> None:
        raise NotImplementedError("only Iceberg tables lack columns")

    def versions(self, key: Sequence[str], version: str | None) -> Iterator[pa.Table] | None:
        found = self.rows([*key, version])
        return None if found is None else map(loaded_keys_and_versions, found)

    def can_be_asked(self) -> bool:
        return True

    def has_rows(self) -> bool:
        return bool(self._destination.tables.get(self._name))

    def columns(self) -> Mapping[str, Any]:
        return self._destination.columns.get(self._name, {})

    def recorded(self) -> pa.Array:
        listed = self._destination.tables.get(DELETIONS, {})
        return pa.array([key for table, key in listed if table == self._name], pa.string())


@dataclass
class Schedule:
    """One machine with a working folder of the pipeline: its state, and a package left behind."""

    destination: MemoryDestination
    clock: HostClock
    state: State = field(default_factory=dict)
    pending: Package | None = None
    known: int = -1
    memory: Memory | None = None

    def lose_everything(self) -> None:
        """The working folder is gone."""
        self.state, self.pending, self.known, self.memory = {}, None, -1, None
        self.clock.offset = 0.0

    def run(
        self,
        connect: Callable[[], Connection],
        names: list[str],
        kill_at: int | None = None,
        landed: Callable[[Schedule, dict[str, str]], dict[str, Landed]] | None = None,
    ) -> dict[str, DataverseError]:
        """What `load` does: what was left behind, then package after package.

        Args:
            connect: opens a connection.
            names: of the tables in the settings.
            kill_at: the step at which the process ends.
            landed: returns rows that were read in parts, as `finish_load` finds them.

        Returns:
            Why tables have failed, by logical name.

        Raises:
            Killed: at the step ``kill_at`` of the run.
            DataverseError: what went wrong with all of them.
        """
        steps = _Steps(kill_at)
        if self.pending is not None:
            if self.destination.newest > self.pending.number:
                self.lose_everything()
            else:
                self._load(steps)
        if self.destination.newest > self.known:  # dlt keeps a state that is newer
            self.state = copy.deepcopy(self.destination.state)
            self.known = self.destination.newest
        tables = Tables(connect())
        moved, begun = self._moved(), list(self.destination.loads)
        run = RunContext(
            isolates=len(names) > 1 or is_pattern(names[0]),
            reasons=moved.read_again,
            comparisons=moved.compare,
            landed=landed(self, moved.read_again) if landed else {},
            first_links=InlineLinks(outlive_packages=len(begun) % 3 > 0),
        )
        todo: dict[str, Any] = {}
        for _ in range(MOST_PACKAGES):
            with running(run):
                self._extract(tables, run.only, steps)
            before = self.destination.versions()
            self._load(steps)
            assert_counted(run, before, self.destination.versions())
            run.loaded(run.only)
            done, todo = todo, _with_more(self.state)
            for table in run.failures:
                todo.pop(table, None)
            if not todo or todo == done:
                self._remember(begun, moved.left(self.destination.counts(), _done(run)))
                return {name: error for name, (_, error) in run.failures.items()}
            run.only = frozenset(todo)
        raise AssertionError(f"a run does not end; still to do: {todo}")

    def _moved(self) -> Moved:
        """What the source finds out about the destination, see `DestinationMemory`."""
        there, memory = self.destination, self.memory
        has_load = memory is None or not memory["load"] or int(memory["load"]) in there.loads
        seen = Seen(self._hash(), len(there.loads), has_load, there.counts())
        return what_moved(memory, seen)

    def _remember(self, begun: list[int], left: Moved) -> None:
        there = self.destination
        own = [number for number in there.loads if number not in begun]
        before = self.memory["load"] if self.memory else ""
        self.memory = Memory(
            state=self._hash(),
            load=str(own[-1]) if own else before,
            states=len(begun) + len(own),
            rows=there.counts(),
            others={},
            read_again=left.read_again,
            compare=left.compare,
        )

    def _hash(self) -> str:
        return json.dumps([self.known, self.state], sort_keys=True)

    def _extract(self, tables: Tables, only: frozenset[str] | None, steps: _Steps) -> None:
        state = copy.deepcopy(self.state)
        items = []

        def state_of(_: Any, name: str, logical_name: str, *, loads: bool) -> Any:
            assert loads
            return take_over(state, name, logical_name)

        def loaded(name: str, *_: object) -> LoadedInMemory:
            return LoadedInMemory(self.destination, name)

        load_id, load_time = uuid.uuid4().hex, self.clock.next_package()
        began, before = [load_time], copy.deepcopy(self.state)

        def to_fill(_: Any, offset: Callable[[], timedelta]) -> PackageToFill:
            began.append(self.clock.followed(load_time, offset()))
            return PackageToFill(load_id, began[-1], loaded, before)

        with (
            mock.patch("dataverse_source.loading.tables.current_package", to_fill),
            mock.patch("dataverse_source.loading.tables.resource_state", state_of),
        ):
            for name in tables.names():
                stored = state.setdefault(name, {})
                if only is not None and not only & set(stored.get("tables", {})):
                    continue
                found = tables.items(name, None)
                with closing(found):  # type: ignore[type-var]  # it is a generator
                    for item in found:
                        if item is not None:  # None: a table is still being read
                            steps.tick()
                            items.append((name, item))
        steps.tick()
        number = max(self.destination.newest, self.known) + 1
        self.pending = Package(number, items, state, began[-1])
        self.state = copy.deepcopy(state)
        steps.tick()

    def _load(self, steps: _Steps) -> None:
        assert self.pending is not None
        self.destination.load(self.pending)
        steps.tick()  # loaded, but still here: loading it again changes nothing
        self.known, self.pending = self.pending.number, None


def _done(run: RunContext) -> set[str]:
    """As `RunContext.done`, where names are the same in the destination."""
    found = run.up_to_date - set(run.failures)
    return found | {name for name, logical_name in run.names.items() if logical_name in found}


def _with_more(state: State) -> dict[str, Any]:
    """The state of the tables that want a further package."""
    return {
        table: stored
        for resource in state.values()
        for table, stored in resource.get("tables", {}).items()
        if stored.get("more")
    }


class _Steps:
    def __init__(self, kill_at: int | None) -> None:
        self._left = kill_at

    def tick(self) -> None:
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise Killed
