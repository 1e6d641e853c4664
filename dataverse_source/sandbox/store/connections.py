"""SQLite connections: one writer, and a pool from which each reading thread takes its own."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dataverse_source.sandbox.store.layout import quote
from dataverse_source.sandbox.store.masking import masked
from dataverse_source.sandbox.store.time_zones import local_milliseconds

PAGE_BYTES = 16384
CACHE_KIB = 16 * 1024
MAPPED_BYTES = 1 << 32
BUSY_MILLISECONDS = 60_000


class Connections:
    """The connections to one SQLite file in WAL mode: many read while one writes.

    Args:
        path: the database file, made when absent.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._write_lock = threading.RLock()
        self._writing_thread: int | None = None
        self._depth = 0
        self._shared = False
        self._held = threading.local()
        self._idle: list[sqlite3.Connection] = []
        self._all: list[sqlite3.Connection] = []
        self._writer = self._open()

    def close(self) -> None:
        """Closes every connection."""
        with self._write_lock, self._lock:
            for connection in self._all:
                connection.close()
            self._all.clear()
            self._idle.clear()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one moment of the database for as long as it is held.

        Nested in this thread's own ``reading`` it is the same connection, at the same moment;
        within its own ``writing`` it is the writer, which sees what was written.
        """
        if self._writing_thread == threading.get_ident():
            yield self._writer
            return
        held: sqlite3.Connection | None = getattr(self._held, "connection", None)
        if held is not None:
            yield held
            return
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        connection = connection or self._open_reader()
        try:
            connection.execute("BEGIN")
            self._held.connection = connection
            yield connection
        finally:
            self._held.connection = None
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            with self._lock:
                self._idle.append(connection)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The writer, in a transaction: all that is written within takes effect, or nothing.

        May be nested; the outermost one commits.
        """
        with self._write_lock:
            if self._depth == 0:
                self._writer.execute("BEGIN IMMEDIATE")
                self._writing_thread = threading.get_ident()
            self._depth += 1
            try:
                yield self._writer
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._writing_thread = None
                    self._writer.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._writing_thread = None
                self._writer.execute("COMMIT")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keeps other writers out, without a transaction.

        Raises:
            RuntimeError: a transaction of this thread is open.
        """
        with self._write_lock:
            if self._depth:
                raise RuntimeError("End the transaction first: it would be copied half done.")
            yield

    def copy_to(self, path: Path) -> None:
        """Copies the database into a new file; call it within ``alone``."""
        reader = self._open_reader()
        reader.execute("VACUUM INTO ?", (str(path),))
        with self._lock:
            self._idle.append(reader)

    def replace_by(self, path: Path) -> None:
        """Replaces all tables by those of another file, at once; call it within ``alone``."""
        self._writer.execute("ATTACH ? AS source", (str(path),))
        try:
            with self.writing() as connection:
                _replace_tables(connection)
        finally:
            self._writer.execute("DETACH source")

    def _open_reader(self) -> sqlite3.Connection:
        """Another connection. The first one turns WAL mode on.

        Until then nobody reads, so rows are written without a log, each page once.
        """
        if not self._shared:
            with self._write_lock:
                self._writer.execute("PRAGMA journal_mode=WAL")
                self._shared = True
        return self._open()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
        if not self._shared:
            connection.execute("PRAGMA journal_mode=MEMORY")
        # A power cut may lose the rows: they are made up.
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        connection.execute(f"PRAGMA mmap_size={MAPPED_BYTES}")
        connection.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")
        connection.create_function("local_milliseconds", 2, local_milliseconds, deterministic=True)
        connection.create_function("masked", 3, masked, deterministic=True)
        with self._lock:
            self._all.append(connection)
        return connection


def _replace_tables(connection: sqlite3.Connection) -> None:
    """Copies every table of the attached database ``source``, in the order of its rows."""
    listed = "SELECT name, sql FROM {}.sqlite_master WHERE type = ? AND sql IS NOT NULL"
    for name, _ in connection.execute(listed.format("main"), ("table",)).fetchall():
        connection.execute(f"DROP TABLE main.{quote(name)}")
    for name, sql in connection.execute(listed.format("source"), ("table",)).fetchall():
        connection.execute(sql)
        connection.execute(
            f"INSERT INTO main.{quote(name)} SELECT * FROM source.{quote(name)} ORDER BY rowid"  # noqa: S608
        )
    for _, sql in connection.execute(listed.format("source"), ("index",)).fetchall():
        connection.execute(sql)
