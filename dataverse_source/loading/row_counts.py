"""Counts what a load package does to a table: rows inserted, updated, unchanged and deleted.

Differences of row counts cannot tell that: 10 new rows and 10 deleted ones make 0. So keys and
versions of a package's rows are kept in a temporary DuckDB database while they are read, and before
the package is loaded, the destination is asked what it has of these keys.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataverse_source.arrow.schema import TEXT
from dataverse_source.config.log import logger
from dataverse_source.loading.load_package import Package
from dataverse_source.loading.loaded_keys import LoadedKeys
from dataverse_source.sync.comparison import MEMORY
from dataverse_source.sync.context import TableRun
from dataverse_source.sync.read.table_reader import VERSION
from dataverse_source.sync.write.destination import DELETIONS
from dataverse_source.sync.write.history import ROW_VERSION
from dataverse_source.sync.write.items import DELETED

FEW = 5_000
"""Up to this many keys are asked for by key."""

SHARE = 20
"""So are more, if they are less than one in so many of the table's rows."""

_BETWEEN = "\x1f"
"""Between the parts of a key of several columns."""

_TABLES = """
CREATE TABLE written (key VARCHAR, version VARCHAR, deleted BOOLEAN);
CREATE TABLE loaded (key VARCHAR, version VARCHAR);
"""

_COUNTS = """
WITH package AS (
    SELECT
        key,
        arg_max(version, coalesce(try_cast(version AS BIGINT), 0)) AS version,
        bool_or(deleted) AS deleted
    FROM written GROUP BY key
), before AS (
    SELECT key, any_value(version) AS version FROM loaded GROUP BY key
)
SELECT
    count(*) FILTER (NOT p.deleted AND b.key IS NULL),
    count(*) FILTER (NOT p.deleted AND b.key IS NOT NULL),
    count(*) FILTER (NOT p.deleted AND p.version = b.version),
    count(*) FILTER (b.key IS NOT NULL AND (p.deleted OR (p.key IS NULL AND $replaces)))
FROM package AS p FULL JOIN before AS b ON p.key = b.key
"""
"""The newest of several rows of one key stays, and a deletion is newer than all of them."""


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
        package: takes its rows.
        rows: in the destination before the run; None if unknown.
    """

    def __init__(self, run: TableRun, package: Package, rows: int | None) -> None:
        self._run, self._package, self._rows = run, package, rows
        self._keys = list(run.reader.table.key_columns)
        names = run.reader.schema.arrow.names
        self._version = VERSION if VERSION in names else None
        if run.settings.history:
            self._version = ROW_VERSION
        self._read = 0
        self._replaces = False
        self._database: Any = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self.counts = RowCounts()

    def items(self, items: Iterator[Any]) -> Iterator[Any]:
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
            self._close()

    def _add(self, item: Any) -> None:
        hints = getattr(item.meta, "hints", None) or {}
        if DELETIONS in (getattr(item.meta, "table_name", None), hints.get("table_name")):
            if self._run.settings.deletes == "keep":
                new = item.data.filter(pc.is_null(item.data[DELETED]))
                self._read += new.num_rows
                self._insert(new["key"], None, None)
            return
        rows = item.data
        self._read += rows.num_rows
        self._replaces |= hints.get("write_disposition") == "replace"
        if not rows.num_rows:
            return
        deleted = rows[DELETED] if DELETED in rows.column_names else None
        version = rows[self._version] if self._version in rows.column_names else None
        keys = [rows[key].cast(TEXT) for key in self._keys]
        key = keys[0] if len(keys) == 1 else pc.binary_join_element_wise(*keys, _BETWEEN)
        marks = pa.nulls(rows.num_rows, pa.bool_()) if deleted is None else deleted
        self._insert(key, version, pc.fill_null(marks, False))

    def _insert(self, key: Any, version: Any, deleted: Any) -> None:
        count = len(key)
        versions = pa.nulls(count, TEXT) if version is None else version.cast(TEXT)
        marks = pa.array([True] * count, pa.bool_()) if deleted is None else deleted
        rows = pa.table([key, versions, marks], names=["key", "version", "deleted"])
        if rows.num_rows:
            self._into("written", rows)

    def _into(self, table: str, rows: pa.Table) -> None:
        database = self._opened()
        database.register("batch", rows)
        database.execute(f"INSERT INTO {table} SELECT * FROM batch")  # noqa: S608
        database.unregister("batch")

    def _opened(self) -> Any:
        if self._database is None:
            import duckdb  # takes a while, and a run without changes does not need it

            self._folder = tempfile.TemporaryDirectory(
                prefix="dataverse-", ignore_cleanup_errors=True
            )
            more = str(Path(self._folder.name) / "more")
            config: dict[str, Any] = {"memory_limit": MEMORY, "threads": 2, "temp_directory": more}
            self._database = duckdb.connect(":memory:", config=config)
            self._database.execute(_TABLES)
        return self._database

    def _ask(self, sql: str, values: Any = None) -> list[Any]:
        found: list[Any] = self._opened().execute(sql, values).fetchall()
        return found

    def _counted(self) -> RowCounts:
        if not self._replaces and self._database is None:
            return RowCounts(self._read)
        known = self._run.destination.columns()
        try:
            if known and not self._drops():
                self._add_loaded(set(known))
        except _NoAnswerError as error:
            logger.info("%s: its changes are not counted: %s", self._run.name, error.__cause__)
            return UNKNOWN + RowCounts(self._read)
        ((inserted, again, unchanged, deleted),) = self._ask(_COUNTS, {"replaces": self._replaces})
        if self._version is None and again:  # nothing tells whether these rows have changed
            return RowCounts(self._read, inserted, None, None, deleted)
        return RowCounts(self._read, inserted, again - unchanged, unchanged, deleted)

    def _drops(self) -> bool:
        """Whether the load drops what the destination has, so that all rows are new."""
        pipeline = self._package.pipeline
        return pipeline is None or pipeline.refresh is not None

    def _add_loaded(self, columns: set[str]) -> None:
        package = self._package
        if package.pipeline is None or package.schema is None:
            return
        if self._version is not None and self._version not in columns:
            self._version = None
        loaded = LoadedKeys(
            package.pipeline, package.schema, self._run.name, self._keys, self._version, package.ask
        )
        query = "SELECT DISTINCT key FROM written"
        ((count,),) = self._ask(f"SELECT count(*) FROM ({query})")  # noqa: S608
        few = count <= max(FEW, (self._rows or 0) // SHARE)
        if few and len(self._keys) == 1 and not self._replaces:
            chunks = loaded.of([key for (key,) in self._ask(query)])
        else:
            chunks = loaded.all()
        for rows in _answers(chunks):
            keys = pa.array([_BETWEEN.join(map(str, row[:-1])) for row in rows], TEXT)
            versions = pa.array([_text(row[-1]) for row in rows], TEXT)
            self._into("loaded", pa.table([keys, versions], names=["key", "version"]))

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
        if self._folder is not None:
            self._folder.cleanup()


class _NoAnswerError(Exception):
    """The destination cannot be asked; the cause is an error of its driver."""


def _answers(chunks: Iterator[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    """The same chunks; every error comes from the destination.

    Raises:
        _NoAnswerError: there is one.
    """
    while True:
        try:
            chunk = next(chunks, None)
        except Exception as error:  # each destination's driver has errors of its own
            raise _NoAnswerError from error
        if chunk is None:
            return
        yield chunk


def _text(version: Any) -> str | None:
    """A version as the destination's driver returns it: a number or a digest."""
    if version is None or isinstance(version, str):
        return version
    return str(int(version))
