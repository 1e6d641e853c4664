"""Asks the destination which keys of a table it holds, each with the version of its row."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import dlt
from dlt.common.schema import Schema
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from dataverse_source.sync.write.destination import ROWS_AT_ONCE, VALID_TO, Ask

KEYS_AT_ONCE = 500
"""Keys in one question: some databases take at most 2,100 values in a statement."""

Row = Sequence[Any]


@dataclass(frozen=True)
class LoadedKeys:
    """The loaded rows of one table; for a history, those of the present.

    Attributes:
        pipeline: that loads the table.
        schema: its schema in dlt.
        table: entity set name.
        keys: the key columns.
        version: the column that changes with a row; None: null instead.
        ask: has dlt's own thread call a function.
    """

    pipeline: dlt.Pipeline
    schema: Schema
    table: str
    keys: Sequence[str]
    version: str | None
    ask: Ask

    def all(self) -> Iterator[Sequence[Row]]:
        """Keys and version of all rows, in chunks.

        Raises:
            Exception: the destination cannot be asked; each driver has errors of its own.
        """
        yield from self._chunks_of(None)

    def of(self, keys: Sequence[str]) -> Iterator[Sequence[Row]]:
        """Keys and version of the rows with these keys, for a key of one column.

        Raises:
            Exception: the destination cannot be asked; each driver has errors of its own.
        """
        yield from self._chunks_of(keys)

    def _chunks_of(self, keys: Sequence[str] | None) -> Iterator[Sequence[Row]]:
        chunks = self._select(keys)
        try:
            while chunk := self.ask(lambda: next(chunks, None)):
                yield chunk
        finally:
            with suppress(Exception):  # dlt's thread may have left
                self.ask(chunks.close)

    def _select(self, keys: Sequence[str] | None) -> Generator[Sequence[Row], None, None]:
        """Only to be iterated on dlt's thread."""
        naming = self.schema.naming
        name = naming.normalize_table_identifier(self.table)
        with self.pipeline.sql_client(self.schema.name) as client:

            def escaped(column: str) -> str:
                return client.escape_column_name(naming.normalize_identifier(column))

            shown = [escaped(key) for key in self.keys]
            shown.append("NULL" if self.version is None else escaped(self.version))
            conditions = []
            if VALID_TO in self.schema.tables.get(name, {}).get("columns", {}):
                conditions.append(f"{escaped(VALID_TO)} IS NULL")
            table = client.make_qualified_table_name(name)
            for some in _parts(keys):
                asked = list(conditions)
                if some:
                    places = ", ".join(["%s"] * len(some))
                    asked.append(f"{escaped(self.keys[0])} IN ({places})")
                where = f" WHERE {' AND '.join(asked)}" if asked else ""
                sql = f"SELECT {', '.join(shown)} FROM {table}{where}"  # noqa: S608
                try:
                    with client.execute_query(sql, *some) as cursor:
                        while rows := cursor.fetchmany(ROWS_AT_ONCE):
                            yield rows
                except DatabaseUndefinedRelation:
                    return


def _parts(keys: Sequence[str] | None) -> Iterator[Sequence[str]]:
    """The keys in parts that fit into one question; one part without keys asks for all."""
    if keys is None:
        yield ()
        return
    for start in range(0, len(keys), KEYS_AT_ONCE):
        yield keys[start : start + KEYS_AT_ONCE]
