"""A DuckDB database for counting and comparing, which needs little memory and leaves nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa

MEMORY = "256MB"
"""What exceeds it is on disk."""


class TemporaryDatabase:
    """A database until the end of a ``with`` block.

    Args:
        tables: statements that create its tables.
    """

    def __init__(self, tables: str) -> None:
        import duckdb  # takes a while, and few runs need it

        self._folder = tempfile.TemporaryDirectory(prefix="dataverse-", ignore_cleanup_errors=True)
        more = str(Path(self._folder.name) / "more")
        config: dict[str, Any] = {"memory_limit": MEMORY, "threads": 2, "temp_directory": more}
        self._database = duckdb.connect(":memory:", config=config)
        self._database.execute("SET preserve_insertion_order = false")
        self._database.execute(tables)

    def __enter__(self) -> TemporaryDatabase:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Removes it."""
        self._database.close()
        self._folder.cleanup()

    def ask(self, sql: str, values: Any = None) -> list[Any]:
        """The rows that a statement returns."""
        found: list[Any] = self._database.execute(sql, values).fetchall()
        return found

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
            self.ask_of(rows, f"INSERT INTO {table} SELECT {shown} FROM batch")  # noqa: S608

    def ask_of(self, rows: pa.Table, sql: str) -> list[Any]:
        """Like `ask`; the statement finds ``rows`` as the table ``batch``."""
        self._database.register("batch", rows)
        try:
            return self.ask(sql)
        finally:
            self._database.unregister("batch")
