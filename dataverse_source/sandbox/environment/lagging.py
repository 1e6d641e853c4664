"""New columns that only some web servers know.

A web server keeps the metadata that it has read. Until it reads it anew, it refuses a column that
metadata already lists, and leaves it out of rows without a ``$select``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from dataverse_source.sandbox.schema.schema_changes import without_column
from dataverse_source.sandbox.schema.tables import Schema


@dataclass(frozen=True)
class _Lagging:
    table: str
    column: str
    known_to: frozenset[int]


class LaggingColumns:
    """The columns that some web servers do not know yet. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._columns: list[_Lagging] = []
        self._seen: dict[int, tuple[Schema, Schema]] = {}

    def add(self, table: str, column: str, known_to: Iterable[int]) -> None:
        """Hides a column from all web servers but these (numbered from 0)."""
        with self._lock:
            self._columns.append(_Lagging(table, column, frozenset(known_to)))
            self._seen.clear()

    def clear(self) -> None:
        """Lets all web servers know all columns."""
        with self._lock:
            self._columns.clear()
            self._seen.clear()

    def __bool__(self) -> bool:
        return bool(self._columns)

    def schema_of(self, server: int, schema: Schema) -> Schema:
        """The schema as a web server knows it."""
        with self._lock:
            known = self._seen.get(server)
            if known is None or known[0] is not schema:
                known = self._seen[server] = (schema, self._without(server, schema))
            return known[1]

    def _without(self, server: int, schema: Schema) -> Schema:
        for each in self._columns:
            table = schema.by_logical_name.get(each.table)
            if server not in each.known_to and table is not None and each.column in table.by_name:
                schema = without_column(schema, each.table, each.column)
        return schema
