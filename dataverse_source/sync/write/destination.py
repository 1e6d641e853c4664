"""Asks the destination what is loaded, through its SQL client if it has one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from functools import cached_property
from typing import Any, Protocol, TypeVar, cast

import dlt
import pyarrow as pa
from dlt.common.configuration.container import Container
from dlt.common.destination.exceptions import SqlClientNotAvailable
from dlt.common.pipeline import PipelineContext
from dlt.common.schema import Schema
from dlt.common.schema.typing import TColumnSchema
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from dataverse_source.arrow.keys import no_keys
from dataverse_source.arrow.schema import TEXT

T = TypeVar("T")

DELETIONS = "_dataverse_deletions"
"""Table with the keys of the rows that are kept although Dataverse no longer has them."""

VALID_TO = "_dataverse_valid_to"
"""Column of a table with a history: when a version ended; null for the present one."""

ROWS_AT_ONCE = 100_000
"""Rows that one question fetches, so that dlt's thread is never busy for long."""

WHOLE_ROWS_AT_ONCE = 5_000
"""The same, of rows with all columns."""

Row = Sequence[Any]
Condition = tuple[str, str | Sequence[str] | None]
"""A column and its value, several of which one is its value, or None for null."""


class Ask(Protocol):
    """Calls a function on dlt's own thread, see `dataverse_source.sync.write.dlt_thread`."""

    def __call__(self, question: Callable[[], T]) -> T:
        """What ``question`` returns."""


def ask_here(question: Callable[[], T]) -> T:
    """Calls ``question`` on this thread, for callers that are on dlt's own thread."""
    return question()


def merge_strategies() -> Sequence[str] | None:
    """The destination's merge strategies in dlt; None if no pipeline is running.

    Call it on dlt's own thread.
    """
    context = Container()[PipelineContext]
    if not context.is_active():
        return None
    pipeline = cast(dlt.Pipeline, context.pipeline())
    return pipeline.destination.capabilities().supported_merge_strategies


class LoadedTable:
    """One table in the destination of the running pipeline.

    Its methods may be called by any thread: dlt's own thread does what touches dlt.

    Args:
        pipeline: the pipeline.
        schema: the dlt schema of the table.
        name: entity set name of the table.
        key: its key column.
        ask: has dlt's own thread call a function.
    """

    def __init__(
        self, pipeline: dlt.Pipeline, schema: Schema, name: str, key: str, ask: Ask = ask_here
    ) -> None:
        self._pipeline = pipeline
        self._schema = schema
        self._name = name
        self._key = key
        self._ask = ask

    def versions(self, column: str | None) -> Iterator[Sequence[Row]] | None:
        """Key and value of ``column`` of the loaded rows, in chunks.

        For a table with a history: of the versions that have not ended.

        Args:
            column: the second value; None: null instead.

        Returns:
            None if the destination cannot be asked.
        """
        if self._pipeline.refresh:  # the load drops them
            return iter(())
        return self._select(self._name, [self._key, column], self._present())

    def rows(
        self, columns: Sequence[str], keys: Sequence[str] | None = None
    ) -> Iterator[Sequence[Row]] | None:
        """Values of ``columns`` of the loaded rows, in chunks.

        For a table with a history: of the versions that have not ended.

        Args:
            columns: names as in the destination.
            keys: of the rows; None: all rows.

        Returns:
            None if the destination cannot be asked.
        """
        conditions = self._present()
        if keys is not None:
            conditions.append((self._key, tuple(keys)))
        return self._select(self._name, columns, conditions, at_once=WHOLE_ROWS_AT_ONCE)

    def _present(self) -> list[Condition]:
        return [(VALID_TO, None)] if VALID_TO in self.columns() else []

    def has_rows(self) -> bool:
        """Whether any rows are loaded; True if the destination cannot be asked."""
        if self._pipeline.refresh:
            return False
        found = self._select(self._name, None)
        return found is None or any(bool(row[0]) for rows in found for row in rows)

    def columns(self) -> Mapping[str, TColumnSchema]:
        """The columns that dlt knows of the table, by name."""
        return self._columns

    @cached_property
    def _columns(self) -> Mapping[str, TColumnSchema]:
        def known() -> dict[str, TColumnSchema]:
            table = self._schema.naming.normalize_table_identifier(self._name)
            tables = self._schema.tables
            return copy.deepcopy(dict(tables[table]["columns"])) if table in tables else {}

        return self._ask(known)

    def recorded(self) -> pa.Array:
        """Keys of the rows recorded in `DELETIONS`."""
        return self._recorded

    @cached_property
    def _recorded(self) -> pa.Array:
        def is_there() -> bool:
            return self._schema.naming.normalize_table_identifier(DELETIONS) in self._schema.tables

        if self._pipeline.refresh == "drop_sources" or not self._ask(is_there):
            return no_keys()
        found = self._select(DELETIONS, ["key"], [("table", self._name)])
        keys = [str(key) for rows in found or () for (key,) in rows]
        return pa.array(keys, TEXT)

    def _select(
        self,
        table: str,
        columns: Sequence[str | None] | None,
        conditions: Sequence[Condition] = (),
        *,
        at_once: int = ROWS_AT_ONCE,
    ) -> Iterator[Sequence[Row]] | None:
        """Rows in chunks, of all rows or of those that meet all conditions.

        Args:
            table: to read.
            columns: to select, None for null; without columns: whether there is any row.
            conditions: of the rows.
            at_once: rows in a chunk.
        """
        chunks = self._chunks(table, columns, conditions, at_once)
        first = self._ask(lambda: next(chunks))
        return None if first is None else self._rest(first, chunks)

    def _rest(
        self, chunk: Sequence[Row] | None, chunks: Generator[Sequence[Row] | None, None, None]
    ) -> Iterator[Sequence[Row]]:
        try:
            while chunk:
                yield chunk
                chunk = self._ask(lambda: next(chunks, None))
        finally:
            with suppress(CancelledError):  # dlt's thread has left
                self._ask(chunks.close)

    def _chunks(
        self,
        table: str,
        columns: Sequence[str | None] | None,
        conditions: Sequence[Condition],
        at_once: int,
    ) -> Generator[Sequence[Row] | None, None, None]:
        """The chunks of `_select`, only to be iterated on dlt's thread: None: no SQL client."""
        naming = self._schema.naming
        if self._schema.name not in self._pipeline.schema_names:
            yield []  # the very first run
            return
        try:
            with self._pipeline.sql_client(self._schema.name) as client:

                def escaped(column: str) -> str:
                    return client.escape_column_name(naming.normalize_identifier(column))

                name = client.make_qualified_table_name(naming.normalize_table_identifier(table))
                if columns is None:
                    sql = f"SELECT CASE WHEN EXISTS (SELECT 1 FROM {name}) THEN 1 ELSE 0 END"  # noqa: S608
                else:
                    shown = ", ".join("NULL" if one is None else escaped(one) for one in columns)
                    sql = f"SELECT {shown} FROM {name}"  # noqa: S608
                values: list[str] = []
                for number, (column, value) in enumerate(conditions):
                    wanted = [] if value is None else [value] if isinstance(value, str) else value
                    marks = ", ".join(["%s"] * len(wanted))
                    condition = f"IN ({marks})" if wanted else "IS NULL"
                    sql = f"{sql} {'AND' if number else 'WHERE'} {escaped(column)} {condition}"
                    values += wanted
                with client.execute_query(sql, *values) as cursor:
                    rows: Sequence[Row] = cursor.fetchmany(at_once)
                    yield rows
                    while rows:
                        rows = cursor.fetchmany(at_once)
                        yield rows
        except DatabaseUndefinedRelation:
            yield []
        except SqlClientNotAvailable:
            yield None


class NothingLoaded:
    """The table when no pipeline is running, as when a source is iterated by hand."""

    def versions(self, column: str | None) -> Iterator[Sequence[Row]] | None:  # noqa: ARG002
        """None: there is no destination."""
        return None

    def rows(
        self,
        columns: Sequence[str],  # noqa: ARG002
        keys: Sequence[str] | None = None,  # noqa: ARG002
    ) -> Iterator[Sequence[Row]] | None:
        """None: there is no destination."""
        return None

    def has_rows(self) -> bool:
        """No."""
        return False

    def columns(self) -> Mapping[str, TColumnSchema]:
        """None."""
        return {}

    def recorded(self) -> pa.Array:
        """None."""
        return no_keys()
