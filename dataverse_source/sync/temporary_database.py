"""Tables for counting and comparing in DuckDB, which need little memory and leave nothing."""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from dataverse_source.config.memory import available_memory

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY = 256_000_000
"""Bytes of all temporary databases of a process, at most; what exceeds it is on disk."""

LEAST_MEMORY = 100_000_000

ROWS_AT_ONCE = 50_000
"""Rows that are inserted at once: a statement takes about as long as 5,000 rows."""


class SharedDatabase:
    """One DuckDB for all temporary databases of a process, because opening one takes 20 ms.

    It is opened when it is first needed, and closed when nobody has it any more. A forked process
    has one of its own: DuckDB's threads do not survive a fork.
    """

    _each: ClassVar[weakref.WeakValueDictionary[int, SharedDatabase]] = (
        weakref.WeakValueDictionary()
    )
    _lock: ClassVar[Any] = threading.Lock()

    def __init__(self) -> None:
        self._database: DuckDBPyConnection | None = None

    @classmethod
    def of_process(cls) -> SharedDatabase:
        """The process's one; it stays open for as long as somebody keeps it."""
        with cls._lock:
            found = cls._each.get(os.getpid())
            if found is None:
                found = cls._each[os.getpid()] = cls()
            return found

    def connection(self) -> DuckDBPyConnection:
        """A new connection; its temporary tables are its own."""
        with self._lock:
            if self._database is None:
                self._database = self._opened()
            return self._database.cursor()

    def _opened(self) -> DuckDBPyConnection:
        import duckdb  # takes a while, and few runs need it

        folder = tempfile.TemporaryDirectory(prefix="dataverse-", ignore_cleanup_errors=True)
        more = str(Path(folder.name) / "more")
        config: dict[str, Any] = {"memory_limit": f"{_memory()}B", "threads": 2}
        config["temp_directory"] = more
        database = duckdb.connect(":memory:", config=config)
        database.execute("SET GLOBAL preserve_insertion_order = false")
        weakref.finalize(self, _close, database, folder)
        return database


def _memory() -> int:
    """Bytes: in a small container a quarter of its memory, but not less than DuckDB needs."""
    memory = available_memory()
    return MEMORY if memory is None else max(min(MEMORY, memory // 4), LEAST_MEMORY)


def _close(database: DuckDBPyConnection, folder: tempfile.TemporaryDirectory[str]) -> None:
    database.close()
    folder.cleanup()


class TemporaryDatabase:
    """Tables until the end of a ``with`` block.

    Args:
        tables: statements that create them, as temporary tables.
    """

    def __init__(self, tables: str) -> None:
        self._shared = SharedDatabase.of_process()
        self._database = self._shared.connection()
        self._database.execute(tables)
        self._added: dict[tuple[str, str], list[pa.Table]] = {}

    def __enter__(self) -> TemporaryDatabase:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Removes them."""
        self._database.close()

    def ask(self, sql: str, values: Any = None) -> list[Any]:
        """The rows that a statement returns."""
        self._insert_added()
        return self._ask(sql, values)

    def number(self, sql: str) -> int:
        """The one number that a query returns."""
        ((found,),) = self.ask(sql)
        return int(found)

    def add(self, table: str, rows: pa.Table, shown: str = "*") -> None:
        """Inserts rows whose columns are those of ``table``.

        Args:
            table: where to.
            rows: to insert.
            shown: what to select of them.
        """
        if rows.num_rows:
            added = self._added.setdefault((table, shown), [])
            added.append(rows)
            if sum(one.num_rows for one in added) >= ROWS_AT_ONCE:
                self._insert_added()

    def ask_of(self, rows: pa.Table, sql: str) -> list[Any]:
        """Like `ask`; the statement finds ``rows`` as the table ``batch``."""
        self._insert_added()
        return self._ask_of(rows, sql)

    def _ask(self, sql: str, values: Any = None) -> list[Any]:
        found: list[Any] = self._database.execute(sql, values).fetchall()
        return found

    def _ask_of(self, rows: pa.Table, sql: str) -> list[Any]:
        self._database.register("batch", rows)
        try:
            return self._ask(sql)
        finally:
            self._database.unregister("batch")

    def _insert_added(self) -> None:
        added, self._added = self._added, {}
        for (table, shown), rows in added.items():
            self._ask_of(
                pa.concat_tables(rows),
                f"INSERT INTO {table} SELECT {shown} FROM batch",  # noqa: S608
            )
