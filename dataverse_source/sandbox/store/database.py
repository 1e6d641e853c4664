"""The database of an environment: its schema, version numbers, transactions and backups."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from dataverse_source.sandbox.schema.tables import Schema, Table
from dataverse_source.sandbox.store import migration
from dataverse_source.sandbox.store.connections import Connections
from dataverse_source.sandbox.store.guids import SequentialGuids
from dataverse_source.sandbox.store.layout import lay_out, quote, sql_table
from dataverse_source.sandbox.store.values import milliseconds

FIRST_VERSION = 1_000_000
FIRST_METADATA_VERSION = 173_309_522
"""The figure that the docs print for ``globalmetadataversion``."""


class Timer(Protocol):
    """Tells the store the time."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""


@dataclass(frozen=True)
class Backup:
    """Rows, tables and version numbers of a store at one moment.

    Attributes:
        path: the database file.
        version: the highest version number given so far.
        last_guid: ticks of the last key given so far.
    """

    path: Path
    schema: Schema
    version: int
    last_guid: int
    metadata_version: int
    changed_at: Mapping[str, int]
    schema_changes: Mapping[str, migration.SchemaChange]


class Database:
    """The SQLite database of an environment: its tables and one sequence of version numbers.

    Safe to use from many threads: every reader sees one moment, writers take turns.

    Args:
        schema: the tables.
        clock: tells the time for createdon, modifiedon and deletes.
        path: database file to create; None for a temporary one, which ``close`` removes.
        first_version: the version number before that of the first row.
        copy_of: a new store whose rows this one has too, from ``copy_new``.

    Raises:
        FileExistsError: ``path`` exists.
    """

    def __init__(
        self,
        schema: Schema,
        clock: Timer,
        *,
        path: Path | None = None,
        first_version: int = FIRST_VERSION,
        copy_of: Backup | None = None,
    ) -> None:
        self._schema = schema
        self._seen = threading.local()
        self.clock = clock
        self.metadata_version = FIRST_METADATA_VERSION
        self._last_metadata_version = FIRST_METADATA_VERSION
        self.changed_at: dict[str, int] = {}
        """Metadata version of each table's last change of schema."""
        self.schema_changes: dict[str, migration.SchemaChange] = {}
        """Each table's last change of schema, in terms of version numbers of rows."""
        self.audit_changedata = "json"
        """The switch of this name."""
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
        if copy_of is not None:
            shutil.copyfile(copy_of.path, path)
        self._path = path
        self._connections = Connections(path)
        self._guids = SequentialGuids(copy_of.last_guid if copy_of else 0)
        self._version = copy_of.version if copy_of else first_version
        self._indexes: set[str] = set()
        if copy_of is None:
            with self._connections.writing() as connection:
                lay_out(connection, schema, first_version)

    def close(self) -> None:
        """Closes the database, and removes it when it was a temporary one."""
        self._connections.close()
        if self._folder is not None:
            self._folder.cleanup()

    @property
    def schema(self) -> Schema:
        """The tables; within ``seeing``, those that this thread sees."""
        seen: Schema | None = getattr(self._seen, "schema", None)
        return self._schema if seen is None else seen

    @schema.setter
    def schema(self, schema: Schema) -> None:
        self._schema = schema

    def next_metadata_version(self) -> int:
        """Moves the metadata version on, to a number that no timeline has had.

        In Dataverse these numbers grow by leaps: two timelines hardly ever meet in one.
        """
        self._last_metadata_version += 1
        self.metadata_version = self._last_metadata_version
        return self.metadata_version

    @contextmanager
    def seeing(self, schema: Schema) -> Iterator[None]:
        """Lets this thread see another schema: a web server may not know a new column yet."""
        self._seen.schema = schema
        try:
            yield
        finally:
            self._seen.schema = None

    def back_up(self, path: Path) -> Backup:
        """Copies the rows into a new file, and remembers what else ``load`` needs.

        Raises:
            RuntimeError: a transaction of this thread is open.
        """
        with self._connections.alone():
            self._connections.copy_to(path)
            return self._backup(path)

    def copy_new(self, path: Path) -> Backup:
        """Like `back_up`, of a store that nobody has read yet: its file is copied as it is."""
        with self._connections.alone():
            shutil.copyfile(self._path, path)
            return self._backup(path)

    def _backup(self, path: Path) -> Backup:
        return Backup(
            path,
            self.schema,
            self._version,
            self._guids.last,
            self.metadata_version,
            dict(self.changed_at),
            dict(self.schema_changes),
        )

    def load(self, backup: Backup) -> None:
        """Replaces all rows, tables and version numbers by those of a backup.

        Raises:
            RuntimeError: a transaction of this thread is open.
        """
        with self._connections.alone():
            self._connections.replace_by(backup.path)
            self.schema = backup.schema
            self._version = backup.version
            self.metadata_version = backup.metadata_version
            self.changed_at = dict(backup.changed_at)
            self.schema_changes = dict(backup.schema_changes)
            self.links_given.clear()
            self._indexes.clear()

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

    def number_of(self, connection: sqlite3.Connection, reserved: int | None) -> int:
        """The version number of a row that is written: a reserved one, or the next."""
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
