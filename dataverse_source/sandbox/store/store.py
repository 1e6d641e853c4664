"""The rows of the sandbox, in SQLite: create, update, delete, versions, deletes, schema."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from dataverse_source.sandbox.schema.tables import Column, Schema, Table
from dataverse_source.sandbox.store import activities, cascade, migration, seed
from dataverse_source.sandbox.store.audit import CREATE, UPDATE, audited
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
    """What tells the store the time."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""


class NoSuchRow(LookupError):
    """There is no row with this key."""


class DuplicateRow(ValueError):
    """There is a row with this key already."""


class Store:
    """Rows by table, each with a version number from one sequence for all tables.

    Safe to use from many threads: every reader sees one moment, writers take turns.

    Args:
        schema: the tables.
        clock: tells the time for createdon, modifiedon and deletes.
        path: where the database file is to be made; None for a temporary one, removed by
            ``close``.

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
            raise FileExistsError(f"{path} exists; the sandbox starts with a new file.")
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

        So it happens in Dataverse: a transaction takes its numbers before it commits.
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
        # The sequence moves on all the same: who looks at it has to see that rows changed.
        self.next_version()
        return reserved

    def new_key(self) -> str:
        """A GUID as the server gives them out: in ascending order."""
        return self._guids.next(milliseconds(self.clock.now()))

    def table(self, logical_name: str) -> Table:
        """A table of the present schema.

        Raises:
            KeyError: there is none of this name.
        """
        return self.schema.by_logical_name[logical_name]

    def create(
        self,
        logical_name: str,
        values: Mapping[str, Any],
        *,
        created_on: datetime | None = None,
        modified_on: datetime | None = None,
        version: int | None = None,
    ) -> str:
        """Creates a row and returns its key.

        Args:
            logical_name: the table.
            values: by logical column name; a lookup's target table under ``<column>@table``.
            created_on: instead of the present moment.
            modified_on: instead of ``created_on``.
            version: a number from ``reserve_version``, instead of the next one.

        Raises:
            DuplicateRow: the key is taken.
            ValueRefused: an unknown column, or a value that it can't hold.
        """
        table = self.table(logical_name)
        key = parse_guid(str(values.get(table.primary_id) or self.new_key()))
        now = created_on or self.clock.now()
        full = {**defaults_of(table), **values, table.primary_id: key}
        full.setdefault("createdon", now)
        full.setdefault("modifiedon", modified_on or now)
        with self.transaction() as connection:
            full["versionnumber"] = self._number(connection, version) + version_base(table)
            cells = cells_of(table, {n: v for n, v in full.items() if is_known(table, n)})
            names = ", ".join(quote(name) for name in cells)
            marks = ", ".join("?" * len(cells))
            statement = f"INSERT INTO {sql_table(logical_name)} ({names}) VALUES ({marks})"  # noqa: S608
            refuse_unknown(table, values)
            try:
                with audited(self, connection, table, key, CREATE):
                    connection.execute(statement, tuple(cells.values()))
            except sqlite3.IntegrityError:
                raise DuplicateRow(f"{logical_name} {key} exists.") from None
            activities.on_written(self, connection, table, key)
        return key

    def update(
        self,
        logical_name: str,
        key: str,
        values: Mapping[str, Any],
        *,
        modified_on: datetime | None = None,
        touch: bool = True,
        version: int | None = None,
        partition_id: str | None = None,
    ) -> None:
        """Changes columns of a row; it gets a new version number and modifiedon.

        Args:
            logical_name: the table.
            key: the row.
            values: as for ``create``.
            modified_on: instead of the present moment.
            touch: False leaves modifiedon as it is (a rollup's recalculation).
            version: a number from ``reserve_version``, instead of the next one.
            partition_id: of an elastic row, whose key may stand in several partitions.

        Raises:
            NoSuchRow: there is no such row.
            ValueRefused: an unknown column, or a value that it can't hold.
        """
        table = self.table(logical_name)
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
                f"UPDATE {sql_table(logical_name)} SET {changes} "  # noqa: S608
                f"WHERE {key_condition(table, partition_id)}"
            )
            found = _key_values(key, partition_id)
            with audited(self, connection, table, parse_guid(key), UPDATE):
                done = connection.execute(statement, (*cells.values(), *found))
            if done.rowcount == 0:
                raise NoSuchRow(f"{logical_name} With Id = {key} Does Not Exist")
            activities.on_written(self, connection, table, parse_guid(key))

    def delete(
        self,
        logical_name: str,
        key: str,
        *,
        in_bulk: bool = False,
        partition_id: str | None = None,
    ) -> None:
        """Deletes a row and does to the rows that point at it what their relationships say.

        Args:
            logical_name: the table.
            key: the row.
            in_bulk: deleted by a bulk delete job or by long-term retention, which the switch
                ``cascade_tombstones`` may keep out of the changes.
            partition_id: as for ``update``.

        Raises:
            NoSuchRow: there is no such row.
            cascade.Restricted: a relationship forbids it.
        """
        with self.transaction() as connection:
            key = parse_guid(key)
            cascade.delete(self, connection, logical_name, key, in_bulk, partition_id)

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

    def seed(self, logical_name: str, count: int, seed_number: int = 1) -> None:
        """Adds ``count`` made-up rows: the same ones for the same seed."""
        seed.seed_table(self, logical_name, count, seed_number)

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

    def change_schema(self, schema: Schema) -> None:
        """Replaces the schema, takes the rows along and moves the metadata version on."""
        with self.transaction() as connection:
            changed = migration.migrate(connection, self.schema, schema)
            version = self.next_version()
        self._indexes.clear()
        self.metadata_version += 1
        for logical_name in changed:
            self.changed_at[logical_name] = self.metadata_version
            self.schema_changes[logical_name] = migration.change_of(
                self.schema, schema, logical_name, version, self.schema_changes.get(logical_name)
            )
        self.schema = schema

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
