"""Counts what a load package does to a table: rows inserted, updated, unchanged and deleted.

Differences of row counts cannot tell that: 10 new rows and 10 deleted ones make 0. So keys and
versions of a package's rows are kept in a temporary DuckDB database while they are read, and before
the package is loaded, the destination is asked what it has of these keys.
"""

from __future__ import annotations

import time
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataverse_source.arrow.cells import typed
from dataverse_source.arrow.keys import joined
from dataverse_source.arrow.schema import TEXT
from dataverse_source.config.log import logger
from dataverse_source.sync.context import Destination, TableRun
from dataverse_source.sync.read.table_reader import VERSION
from dataverse_source.sync.temporary_database import TemporaryDatabase
from dataverse_source.sync.write.columns import DELETED
from dataverse_source.sync.write.history import ROW_VERSION
from dataverse_source.sync.write.items import Item
from dataverse_source.sync.written_rows import version_column

FEW = 5_000
"""Up to this many keys are asked for by key."""

SHARE = 20
"""So are more, if they are less than one in so many of the table's rows."""

_TABLES = """
CREATE TEMP TABLE written (key VARCHAR, version VARCHAR, deleted BOOLEAN);
CREATE TEMP TABLE loaded (key VARCHAR, version VARCHAR);
"""

_COUNTS = """
WITH package AS (
    SELECT
        key,
        arg_max(version, coalesce(try_cast(version AS BIGINT), 0)) AS version,
        bool_or(deleted) AS deleted,
        bool_or(NOT deleted) AS has_row,
        CASE WHEN $replaces THEN count(*) ELSE 1 END AS rows
    FROM written GROUP BY key
), before AS (
    SELECT key, any_value(version) AS version, count(*) AS rows FROM loaded GROUP BY key
), compared AS (
    SELECT
        p.key IS NOT NULL AND NOT p.deleted AS stays,
        p.deleted OR (p.key IS NULL AND $replaces) AS goes,
        p.deleted AND p.has_row AS came_and_went,
        p.version = b.version AS is_same,
        coalesce(p.rows, 0) AS now,
        coalesce(b.rows, 0) AS was
    FROM package AS p FULL JOIN before AS b ON p.key = b.key
)
SELECT
    count(*) FILTER (was = 0 AND came_and_went AND $keeps)
        + coalesce(sum(greatest(now - was, 0)) FILTER (stays), 0),
    coalesce(sum(least(now, was)) FILTER (stays), 0),
    coalesce(sum(least(now, was)) FILTER (stays AND is_same), 0),
    coalesce(sum(was) FILTER (goes), 0) + coalesce(sum(greatest(was - now, 0)) FILTER (stays), 0)
FROM compared
"""
"""The newest of several rows of one key stays, and a deletion is newer than all of them. Where
deleted rows are kept, a row that came and went within the package is inserted. Rows that replace a
table all stay. A table may have several rows of a key: those of a query that had another key, or
none, when they were loaded."""


@dataclass(frozen=True)
class RowCounts:
    """What was done to a table; None is unknown, where the destination cannot be asked.

    Attributes:
        read: rows and deleted keys that Dataverse returned.
        inserted: rows that the destination did not have.
        updated: rows that it had in another version.
        unchanged: rows that it had already, such as those of the lookback.
        deleted: rows that it had and that Dataverse no longer has; with ``deletes = "keep"`` they
            are recorded, with ``history`` their version has ended.
        seconds: time in which the table was read.
    """

    read: int = 0
    inserted: int | None = 0
    updated: int | None = 0
    unchanged: int | None = 0
    deleted: int | None = 0
    seconds: float = 0.0

    def __add__(self, other: RowCounts) -> RowCounts:
        return RowCounts(
            self.read + other.read,
            _sum(self.inserted, other.inserted),
            _sum(self.updated, other.updated),
            _sum(self.unchanged, other.unchanged),
            _sum(self.deleted, other.deleted),
            self.seconds + other.seconds,
        )


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


UNKNOWN = RowCounts(0, None, None, None, None)


class PackageCounter:
    """Counts the rows of one table in one load package.

    Args:
        run: the run of the table.
        rows: in the destination before the run; None if unknown.
    """

    def __init__(self, run: TableRun, rows: int | None) -> None:
        self._run, self._rows = run, rows
        self._keys = list(run.reader.table.key_columns)
        self._version = VERSION if version_column(run) == VERSION else None
        if run.settings.history:
            self._version = ROW_VERSION
        self._read = 0
        self._replaces = False
        self._database: TemporaryDatabase | None = None
        self.counts = RowCounts()

    def items(self, items: Iterator[Item]) -> Iterator[Item]:
        """The same items; `counts` is there when the last one was taken."""
        began, waited = time.monotonic(), 0.0
        try:
            for item in items:
                self._add(item)
                given = time.monotonic()
                yield item
                waited += time.monotonic() - given
            counts = self._counted()
            seconds = time.monotonic() - began - waited
            self.counts = counts + RowCounts(seconds=seconds)
        finally:
            if self._database is not None:
                self._database.close()

    def _add(self, item: Item) -> None:
        if item.kind in ("changes", "files", "begin"):
            return
        if item.kind == "records":
            if self._run.settings.deletes == "keep":
                new = item.data.filter(pc.is_null(item.data[DELETED]))
                self._read += new.num_rows
                self._insert(new["key"], None, None)
            return
        rows = item.data
        self._read += rows.num_rows
        if not self._keys:
            return
        self._replaces |= item.replaces
        if not rows.num_rows:
            return
        deleted = rows[DELETED] if DELETED in rows.column_names else None
        version = rows[self._version] if self._version in rows.column_names else None
        marks = pa.nulls(rows.num_rows, pa.bool_()) if deleted is None else deleted
        self._insert(_texts(rows, self._keys), version, pc.fill_null(marks, False))

    def _insert(self, key: Any, version: Any, deleted: Any) -> None:
        count = len(key)
        versions = pa.nulls(count, TEXT) if version is None else version.cast(TEXT)
        marks = pa.array([True] * count, pa.bool_()) if deleted is None else deleted
        if count:
            rows = pa.table([key, versions, marks], names=["key", "version", "deleted"])
            self._opened().add("written", rows)

    def _opened(self) -> TemporaryDatabase:
        """The database; a run without changes does not need it."""
        if self._database is None:
            self._database = TemporaryDatabase(_TABLES)
        return self._database

    def _counted(self) -> RowCounts:
        if not self._keys:  # a query without a key
            return UNKNOWN + RowCounts(self._read)
        if not self._replaces and self._database is None:
            return RowCounts(self._read)
        database = self._opened()
        known = self._run.destination.columns()
        try:
            if known:
                self._add_loaded(database, known)
        except _NoAnswerError as error:
            why = error.__cause__ or error
            logger.info("%s: its changes are not counted: %s", self._run.name, why)
            return UNKNOWN + RowCounts(self._read)
        keeps = self._run.settings.deletes == "keep"
        ((inserted, again, unchanged, deleted),) = database.ask(
            _COUNTS, {"replaces": self._replaces, "keeps": keeps}
        )
        if self._version is None and again:  # nothing tells whether these rows have changed
            return RowCounts(self._read, inserted, None, None, deleted)
        return RowCounts(self._read, inserted, again - unchanged, unchanged, deleted)

    def _add_loaded(self, database: TemporaryDatabase, columns: Container[str]) -> None:
        """Adds the loaded rows with the written keys, or all of them.

        Raises:
            _NoAnswerError: the destination cannot be asked.
        """
        if self._version not in columns:
            self._version = None
        query = "SELECT DISTINCT key FROM written"
        keys = None
        count = database.number(f"SELECT count(*) FROM ({query})")  # noqa: S608
        few = count <= max(FEW, (self._rows or 0) // SHARE)
        if few and len(self._keys) == 1 and not self._replaces:
            keys = [key for (key,) in database.ask(query)]
        schema = self._run.reader.schema.arrow
        types = pa.schema([schema.field(name) for name in self._keys])
        for rows in _answers(self._run.destination, [*self._keys, self._version], keys):
            found, misfits = typed([row[:-1] for row in rows], types)
            if misfits:
                raise _NoAnswerError("its keys had another type")
            versions = pa.array([_text(row[-1]) for row in rows], TEXT)
            loaded = pa.table([_texts(found, self._keys), versions], names=["key", "version"])
            database.add("loaded", loaded)


def _texts(rows: pa.Table, keys: Sequence[str]) -> pa.ChunkedArray:
    """The key of each row as one text. None is null: rows may come from when it was no key."""
    return pc.fill_null(joined(rows, keys), "")


class _NoAnswerError(Exception):
    """The destination cannot be asked; the cause is an error of its driver, if there is one."""


def _answers(
    destination: Destination, columns: Sequence[str | None], keys: Sequence[str] | None
) -> Iterator[Sequence[Any]]:
    """The loaded rows in chunks; every error comes from the destination.

    Raises:
        _NoAnswerError: there is one, or the destination has no SQL.
    """
    try:
        chunks = destination.rows(columns, keys)
    except Exception as error:  # each destination's driver has errors of its own
        raise _NoAnswerError from error
    if chunks is None:
        raise _NoAnswerError("it has no SQL")
    while True:
        try:
            chunk = next(chunks, None)
        except Exception as error:
            raise _NoAnswerError from error
        if chunk is None:
            return
        yield chunk


def _text(version: Any) -> str | None:
    """A version as the destination's driver returns it: a number or a digest."""
    if version is None or isinstance(version, str):
        return version
    return str(int(version))
