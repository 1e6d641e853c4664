"""Rows in SQLite, their version numbers and what was deleted; no rule of Dataverse's."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from dataverse_source.sandbox.schema.tables import Column, Schema, Table
from dataverse_source.sandbox.store import migration
from dataverse_source.sandbox.store.cells import cells_of, defaults_of, is_known, refuse_unknown
from dataverse_source.sandbox.store.connections import Connections
from dataverse_source.sandbox.store.guids import SequentialGuids
from dataverse_source.sandbox.store.layout import (
    create_table,
    is_polymorphic,
    key_condition,
    quote,
    sql_table,
    stored_columns,
)
from dataverse_source.sandbox.store.values import (
    SqlValue,
    decode,
    json_text,
    milliseconds,
    parse_guid,
)
from dataverse_source.sandbox.store.versions import version_base

FIRST_VERSION = 1_000_000
FIRST_METADATA_VERSION = 173_309_522
"""The figure that the docs print for ``globalmetadataversion``."""


class Timer(Protocol):
    """Tells the store the time."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""


class NoSuchRow(LookupError):
    """There is no row with this key."""


class DuplicateRow(ValueError):
    """There is a row with this key already."""


class RowStore:
    """Rows by table, each with a version number from one sequence for all tables.

    Safe to use from many threads: every reader sees one moment, writers take turns.

    Args:
        schema: the tables.
        clock: tells the time for createdon, modifiedon and deletes.
        path: database file to create; None for a temporary one, which ``close`` removes.

    Raises:
        FileExistsError: ``path`` exists.
    """

    def __init__(self, schema: Schema, clock: Timer, *, path: Path | None = None) -> None:
        self.schema = schema
        self.clock = clock
        self.metadata_version = FIRST_METADATA_VERSION
        self.changed_at: dict[str, int] = {}
        """Metadata version of each table's last change of schema."""
        self.schema_changes: dict[str, migration.SchemaChange] = {}
        """Each table's last change of schema, in terms of version numbers of rows."""
        self.links_given: dict[str, datetime] = {}
        """When each next link was given out; kept only while such links expire."""
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if path is None:
            self._folder = tempfile.TemporaryDirectory(
                prefix="dataverse-sandbox-", ignore_cleanup_errors=True
            )
            path = Path(self._folder.name) / "rows.db"
        elif path.exists():
            raise FileExistsError(
                f"{path} exists: delete it or name another file; the sandbox starts with a new one."
            )
        self._connections = Connections(path)
        self._guids = SequentialGuids()
        self._version = FIRST_VERSION
        self._indexes: set[str] = set()
        with self._connections.writing() as connection:
            _lay_out(connection, schema)

    def close(self) -> None:
        """Closes the database, and removes it when it was a temporary one."""
        self._connections.close()
        if self._folder is not None:
            self._folder.cleanup()

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """A connection to query with; it sees one moment of the rows."""
        return self._connections.reading()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Makes everything written within it take effect as one, or not at all."""
        with self._connections.writing() as connection:
            before = self._version
            yield connection
            if self._version != before:
                connection.execute("UPDATE sequence SET version = ?", (self._version,))

    @property
    def version(self) -> int:
        """The highest version number given so far."""
        return self.version_seen_by(None)

    def version_seen_by(self, connection: sqlite3.Connection | None) -> int:
        """The highest version number in the moment that a reader sees."""
        if connection is None:
            with self.reading() as own:
                return self.version_seen_by(own)
        (version,) = connection.execute("SELECT version FROM sequence").fetchone()
        return int(version)

    def next_version(self, many: int = 1) -> int:
        """Takes version numbers from the sequence, within a transaction; returns the first."""
        first = self._version + 1
        self._version += many
        return first

    def reserve_version(self) -> int:
        """Takes a version number for a row that is written later than rows with higher ones.

        Dataverse does the same: a transaction takes its numbers before it commits.
        """
        with self.transaction() as connection:
            version = self.next_version()
            connection.execute("INSERT INTO reserved VALUES (?)", (version,))
        return version

    @property
    def settled_version(self) -> int:
        """The highest version number up to which nothing is still to be written."""
        with self.reading() as connection:
            return self.settled_version_seen_by(connection)

    def settled_version_seen_by(self, connection: sqlite3.Connection) -> int:
        """The same in the moment that a reader sees."""
        (lowest,) = connection.execute("SELECT min(version) FROM reserved").fetchone()
        return self.version_seen_by(connection) if lowest is None else int(lowest) - 1

    def _number(self, connection: sqlite3.Connection, reserved: int | None) -> int:
        if reserved is None:
            return self.next_version()
        connection.execute("DELETE FROM reserved WHERE version = ?", (reserved,))
        # The sequence moves on all the same: a reader of it has to see that rows changed.
        self.next_version()
        return reserved

    def new_key(self) -> str:
        """A new GUID; as those of the server they ascend."""
        return self._guids.next(milliseconds(self.clock.now()))

    def table(self, logical_name: str) -> Table:
        """A table of the present schema.

        Raises:
            KeyError: there is none of this name.
        """
        return self.schema.by_logical_name[logical_name]

    def insert(
        self,
        table: Table,
        key: str,
        values: Mapping[str, Any],
        *,
        created_on: datetime | None = None,
        modified_on: datetime | None = None,
        version: int | None = None,
    ) -> None:
        """Writes a new row, with its dates and its version number.

        Args:
            table: the table.
            key: the row's GUID in lower case.
            values: by logical column name; a lookup's target table under ``<column>@table``.
            created_on: instead of the present moment.
            modified_on: instead of ``created_on``.
            version: a number from ``reserve_version``, instead of the next one.

        Raises:
            DuplicateRow: the key is taken.
            ValueRefused: an unknown column, or a value that it can't hold.
        """
        now = created_on or self.clock.now()
        full = {**defaults_of(table), **values, table.primary_id: key}
        full.setdefault("createdon", now)
        full.setdefault("modifiedon", modified_on or now)
        with self.transaction() as connection:
            full["versionnumber"] = self._number(connection, version) + version_base(table)
            cells = cells_of(table, {n: v for n, v in full.items() if is_known(table, n)})
            names = ", ".join(quote(name) for name in cells)
            marks = ", ".join("?" * len(cells))
            statement = f"INSERT INTO {sql_table(table.logical_name)} ({names}) VALUES ({marks})"  # noqa: S608
            refuse_unknown(table, values)
            try:
                connection.execute(statement, tuple(cells.values()))
            except sqlite3.IntegrityError:
                raise DuplicateRow(f"{table.logical_name} {key} exists.") from None

    def change(
        self,
        table: Table,
        key: str,
        values: Mapping[str, Any],
        *,
        modified_on: datetime | None = None,
        touch: bool = True,
        version: int | None = None,
        partition_id: str | None = None,
    ) -> None:
        """Writes columns of a row, modifiedon and a new version number.

        Args:
            table: the table.
            key: the row.
            values: as for ``insert``.
            modified_on: instead of the present moment.
            touch: False leaves modifiedon as it is.
            version: a number from ``reserve_version``, instead of the next one.
            partition_id: of an elastic row, whose key may stand in several partitions.

        Raises:
            NoSuchRow: there is no such row.
            ValueRefused: an unknown column, or a value that it can't hold.
        """
        refuse_unknown(table, values)
        full = dict(values)
        if touch and is_known(table, "modifiedon"):
            full.setdefault("modifiedon", modified_on or self.clock.now())
        with self.transaction() as connection:
            if is_known(table, "versionnumber"):
                full["versionnumber"] = self._number(connection, version) + version_base(table)
            cells = cells_of(table, full)
            changes = ", ".join(f"{quote(name)} = ?" for name in cells)
            statement = (
                f"UPDATE {sql_table(table.logical_name)} SET {changes} "  # noqa: S608
                f"WHERE {key_condition(table, partition_id)}"
            )
            found = _key_values(key, partition_id)
            if connection.execute(statement, (*cells.values(), *found)).rowcount == 0:
                raise no_such_row(table, key)

    def remove(
        self, table: Table, key: str, *, cascaded: bool = False, partition_id: str | None = None
    ) -> None:
        """Deletes a row and notes its key, under a new version number, for change tracking.

        Args:
            table: the table.
            key: the row.
            cascaded: noted as well: the delete of another row or a bulk job led to this one.
            partition_id: as for ``change``.

        Raises:
            NoSuchRow: there is no such row.
        """
        statement = (
            f"DELETE FROM {sql_table(table.logical_name)} "  # noqa: S608
            f"WHERE {key_condition(table, partition_id)}"
        )
        with self.transaction() as connection:
            if connection.execute(statement, _key_values(key, partition_id)).rowcount == 0:
                raise no_such_row(table, key)
            moment = milliseconds(self.clock.now())
            connection.execute(
                "INSERT INTO deleted VALUES (?, ?, ?, ?, ?)",
                (table.logical_name, parse_guid(key), self.next_version(), moment, cascaded),
            )

    def row(
        self, logical_name: str, key: str, partition_id: str | None = None
    ) -> dict[str, Any] | None:
        """One row's values by logical column name, None when there is no such row."""
        table = self.table(logical_name)
        where = f"WHERE {key_condition(table, partition_id)}"
        found = list(self._select(table, where, _key_values(key, partition_id)))
        return found[0] if found else None

    def rows(self, logical_name: str) -> list[dict[str, Any]]:
        """All rows in order of their key, with exact Python values by logical column name."""
        table = self.table(logical_name)
        return list(self._select(table, f"ORDER BY {quote(table.primary_id + '$')}", ()))

    def count(self, logical_name: str) -> int:
        """How many rows a table has."""
        with self.reading() as connection:
            statement = f"SELECT count(*) FROM {sql_table(logical_name)}"  # noqa: S608
            return int(connection.execute(statement).fetchone()[0])

    def ensure_index(self, logical_name: str, names: tuple[str, ...]) -> None:
        """Makes an index on these SQL columns, when there is none yet."""
        index = f"on_{logical_name}_{'_'.join(names)}"
        if index in self._indexes:
            return
        with self.transaction() as connection:
            listed = ", ".join(quote(name) for name in names)
            connection.execute(
                f"CREATE INDEX IF NOT EXISTS {quote(index)} ON {sql_table(logical_name)} ({listed})"
            )
        self._indexes.add(index)

    def _select(
        self, table: Table, clause: str, parameters: tuple[SqlValue, ...]
    ) -> Iterator[dict[str, Any]]:
        columns = stored_columns(table)
        names = [name for column in columns for name in (column.name, *_target_name(column))]
        listed = ", ".join(quote(name) for name in names)
        statement = f"SELECT {listed} FROM {sql_table(table.logical_name)} {clause}"  # noqa: S608
        with self.reading() as connection:
            found = connection.execute(statement, parameters).fetchall()
        by_name = table.by_name
        for cells in found:
            yield {
                name: decode(by_name[name], cell) if name in by_name else cell
                for name, cell in zip(names, cells, strict=True)
            }


def no_such_row(table: Table, key: str) -> NoSuchRow:
    """The error for a key that no row has, in Dataverse's words."""
    return NoSuchRow(f"{table.logical_name} With Id = {key} Does Not Exist")


def _key_values(key: str, partition_id: str | None) -> tuple[str, ...]:
    """The values that ``key_condition`` asks for."""
    partition = () if partition_id is None else (json_text(partition_id),)
    return (json_text(parse_guid(key)), *partition)


def _target_name(column: Column) -> tuple[str, ...]:
    return (f"{column.name}@table",) if is_polymorphic(column) else ()


def _lay_out(connection: sqlite3.Connection, schema: Schema) -> None:
    connection.execute("CREATE TABLE sequence (version INTEGER NOT NULL)")
    connection.execute("INSERT INTO sequence VALUES (?)", (FIRST_VERSION,))
    connection.execute(
        "CREATE TABLE deleted (logical_name TEXT NOT NULL, key TEXT NOT NULL, "
        "version INTEGER NOT NULL, moment INTEGER NOT NULL, cascaded INTEGER NOT NULL)"
    )
    connection.execute("CREATE TABLE reserved (version INTEGER PRIMARY KEY)")
    connection.execute("CREATE INDEX deleted_by_version ON deleted (logical_name, version)")
    for table in schema.tables:
        for statement in create_table(table):
            connection.execute(statement)
