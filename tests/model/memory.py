"""A destination in memory that does with dlt's items what dlt and DuckDB do, only faster.

Histories by the thousand need it; `tests/end_to_end` has the same guarantees with the real ones.
Where dlt's outcome is left to chance (which of two rows with one key wins a merge without a
sort column), it fails.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from dataverse_source.loading.table_feed import BESIDE
from dataverse_source.sync.read.table_reader import VERSION
from dataverse_source.sync.versions import loaded_keys_and_versions
from dataverse_source.sync.write.columns import DELETED
from dataverse_source.sync.write.destination import VALID_TO
from dataverse_source.sync.write.file_table import FILES
from dataverse_source.sync.write.history import COLUMNS, ROW_VERSION
from dataverse_source.sync.write.items import Item
from tests.model.counting import DELETIONS, Image
from tests.model.kept_versions import Versions

Row = dict[str, Any]
State = dict[str, dict[str, Any]]
NOT_COUNTED = frozenset({DELETIONS, FILES})


@dataclass
class Package:
    """What one extraction has made, before it is loaded."""

    number: int
    items: list[tuple[str, Item]]
    state: State
    began: datetime


@dataclass
class MemoryDestination:
    """Tables by name, rows by key; their columns and keys; the state and number of the last load.

    Of a table with its history these are the rows that have not ended. ``loads`` has the numbers
    of all packages.
    """

    tables: dict[str, dict[Any, Row]] = field(default_factory=dict)
    columns: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: dict[str, list[str]] = field(default_factory=dict)
    histories: dict[str, Versions] = field(default_factory=dict)
    state: State = field(default_factory=dict)
    newest: int = 0
    loads: list[int] = field(default_factory=list)

    def restore(self, backup: MemoryDestination) -> None:
        """Puts back what a backup holds; dlt knows all columns still.

        A run sees which of them a history has lost: the backup may be of before it began.
        """
        for name in (self.histories.keys() - backup.histories.keys()) & backup.tables.keys():
            for column in COLUMNS:
                self.columns[name].pop(column, None)
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
        return {name: len(rows) for name, rows in self.tables.items() if name not in NOT_COUNTED}

    def file_rows(self) -> dict[str, int]:
        """Rows of files by table."""
        return dict(Counter(table for table, _, _ in self.tables.get(FILES, {})))

    def image(self) -> Image:
        """The rows that it holds, each with its version: a digest in a history."""
        found = {
            name: [(row, row.get(VERSION)) for row in rows.values()]
            for name, rows in self.tables.items()
        }
        for name, history in self.histories.items():
            told = history.digests()
            found[name] = [(row, told[key]) for key, row in self.tables[name].items()]
        return Image(found, dict(self.keys))

    def load(self, package: Package) -> None:
        """All of a package, table by table."""
        by_table: dict[str, list[pa.Table]] = {}
        hints: dict[str, Mapping[str, Any]] = {}
        names: dict[str, str] = {}  # a table may be renamed while it is read
        for table, item in package.items:
            if item.hints and item.kind not in BESIDE:
                names[table] = str(item.hints["table_name"])
            name = BESIDE.get(item.kind) or names[table]
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
        self.keys[name] = [key]
        versions = self.histories.setdefault(name, Versions(name, key))
        if hints["write_disposition"] == "replace":
            versions.replace(rows, package.number)
        else:
            versions.merge(rows, package.began)
        self.tables[name] = versions.present()

    def _load_table(self, name: str, batches: list[pa.Table], hints: Mapping[str, Any]) -> None:
        rows = [row for batch in batches for row in batch.to_pylist()]
        self.keys[name] = keys = [str(one) for one in hints.get("primary_key") or ()]
        table = self.tables.setdefault(name, {})
        if hints["write_disposition"] == "replace":
            table.clear()
            for number, row in enumerate(rows):
                key = _key(row, keys) if keys else number
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


def _cells(rows: list[Row], columns: Sequence[str | None]) -> list[tuple[Any, ...]]:
    return [tuple(row[one or ""] for one in columns) for row in rows]


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
        if self._name == FILES:
            files = [row for row in self._files() if keys is None or row["key"] in keys]
            return iter([_cells(files, columns)])
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
        assert self._name == FILES, "only the table of files is asked so"
        return iter([_cells([row for row in self._files() if row[column] == value], columns)])

    def _files(self) -> list[Row]:
        return list(self._destination.tables.get(FILES, {}).values())

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
