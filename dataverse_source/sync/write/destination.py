"""Asks the destination what is loaded, through its SQL client if it has one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any, Protocol, TypeVar

import dlt
import pyarrow as pa
from dlt.common.destination.exceptions import SqlClientNotAvailable
from dlt.common.libs.pyarrow import columns_to_arrow
from dlt.common.schema import Schema
from dlt.common.schema.typing import TColumnSchema, TTableSchemaColumns
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient

from dataverse_source.arrow.keys import no_keys
from dataverse_source.arrow.schema import TEXT
from dataverse_source.arrow.spool import Spool
from dataverse_source.sync.versions import loaded_keys_and_versions
from dataverse_source.sync.write.columns import DELETED, ENVIRONMENT, SEEN_AT, SNAPSHOT
from dataverse_source.sync.write.environment import own_rows
from dataverse_source.sync.write.open_tables import add_columns, sql_client

T = TypeVar("T")

DELETIONS = "_dataverse_deletions"
"""Table with the keys of the rows that are kept although Dataverse no longer has them."""

VALID_TO = "_dataverse_valid_to"
"""Column of a table with a history: when a version ended; null for the present one."""

CELLS_AT_ONCE = 200_000
"""Cells that are fetched at a time, so that dlt's thread is never busy for long."""

ONE_CONNECTION = frozenset({"dlt.destinations.ducklake"})
"""Destinations of which one connection is open at a time: each attaches the catalog anew, and
DuckDB opens a catalog that is a file only once in a process."""

KEYS_AT_ONCE = 500
"""Keys in one question: some databases take at most 2,100 values in a statement."""

Row = Sequence[Any]
Condition = tuple[str, str | None]
"""A column and its value; None for null."""


class Ask(Protocol):
    """Calls a function on dlt's own thread, see `dataverse_source.sync.write.dlt_thread`."""

    def __call__(self, question: Callable[[], T]) -> T:
        """What ``question`` returns."""


def ask_here(question: Callable[[], T]) -> T:
    """Calls ``question`` on this thread, for callers that are on dlt's own thread."""
    return question()


class LoadedTable:
    """One table in the destination of the running pipeline.

    Its methods may be called by any thread: dlt's own thread does what touches dlt.

    Args:
        pipeline: the pipeline.
        schema: the dlt schema of the table.
        name: entity set name of the table.
        key: its key column.
        environment: value of the column of environments; None: all rows are of one.
        ask: has dlt's own thread call a function.
        lost: columns that dlt knows but the destination's table no longer has.
    """

    def __init__(
        self,
        pipeline: dlt.Pipeline,
        schema: Schema,
        name: str,
        key: str,
        environment: str | None = None,
        ask: Ask = ask_here,
        lost: Collection[str] = (),
    ) -> None:
        self._pipeline = pipeline
        self._schema = schema
        self._name = name
        self._key = key
        self._environment = environment
        self._ask = ask
        self._lost = lost
        self._columns: Mapping[str, TColumnSchema] | None = None
        self._recorded: pa.Array | None = None

    def rows(
        self, columns: Sequence[str | None], keys: Sequence[str] | None = None
    ) -> Iterator[Sequence[Row]] | None:
        """Values of ``columns`` of the loaded rows, in chunks.

        For a table with a history: of the versions that have not ended.

        Args:
            columns: names as in the destination; None, or a column that the table does not have
                yet: null instead.
            keys: of the rows; None: all rows.

        Returns:
            None if the destination cannot be asked.
        """
        if self._pipeline.refresh:  # the load drops them
            return iter(())
        known, shown = self.columns(), self._schema.naming.normalize_path
        there = [one if one is not None and shown(one) in known else None for one in columns]
        return self._select(self._name, there, self._present(), keys)

    def matching(
        self, columns: Sequence[str | None], column: str, value: str
    ) -> Iterator[Sequence[Row]] | None:
        """As `rows`: those with this text in a column."""
        if self._pipeline.refresh:
            return iter(())
        return self._select(self._name, columns, (column, value))

    def tables(
        self, columns: Sequence[str], keys: Sequence[str] | None = None
    ) -> Iterator[pa.Table] | None:
        """As `rows`, as Arrow tables; of destinations that are asked with DuckDB's SQL."""
        if self._pipeline.refresh:
            return iter(())
        return self._select(self._name, columns, self._present(), keys, as_arrow=True)

    def versions(self, key: Sequence[str], version: str | None) -> Iterator[pa.Table] | None:
        """Keys and versions of all loaded rows, in chunks.

        Args:
            key: names of the key columns.
            version: name of the version column; None: the versions are null.

        Returns:
            Tables from `dataverse_source.sync.versions`; None if the destination cannot be asked.
        """
        if self._pipeline.refresh:
            return iter(())
        found = self._select(self._name, [*key, version], self._present(), as_arrow=True)
        return None if found is None else map(loaded_keys_and_versions, found)

    def _present(self) -> Condition | None:
        return (VALID_TO, None) if VALID_TO in self.columns() else None

    def can_be_asked(self) -> bool:
        """Whether the destination has an SQL client, so that it returns its rows."""
        found = self._select(self._name, None)
        return found is not None and all(rows is not None for rows in found)

    def has_rows(self) -> bool:
        """Whether any rows are loaded; True if the destination cannot be asked."""
        if self._pipeline.refresh:
            return False
        found = self._select(self._name, None)
        return found is None or any(bool(row[0]) for rows in found for row in rows)

    def columns(self) -> Mapping[str, TColumnSchema]:
        """The columns that dlt knows of the table, by name."""
        # not a cached_property: up to Python 3.11 all of a class share one lock, and one thread
        # would wait in it for dlt's thread, which waits for the lock of another table
        if self._columns is None:
            self._columns = self._known_columns()
        return self._columns

    def _known_columns(self) -> Mapping[str, TColumnSchema]:
        def known() -> dict[str, TColumnSchema]:
            table = self._schema.naming.normalize_table_identifier(self._name)
            tables = self._schema.tables
            found = dict(tables[table]["columns"]) if table in tables else {}
            return copy.deepcopy({one: found[one] for one in found if one not in self._lost})

        return self._ask(known)

    def add_columns(self, columns: TTableSchemaColumns) -> None:
        """Adds columns to an Iceberg table that lacks them, before rows are merged into it."""

        def add() -> None:
            if self._pipeline.refresh or self._schema.name not in self._pipeline.schema_names:
                return
            naming, caps = self._schema.naming, self._pipeline.destination.capabilities()
            named: TTableSchemaColumns = {}
            for name, column in columns.items():
                shown = naming.normalize_path(name)
                named[shown] = {**column, "name": shown}
            table = naming.normalize_table_identifier(self._name)
            wanted = columns_to_arrow(named, caps, "UTC")
            add_columns(self._pipeline, self._schema, table, wanted)

        self._ask(add)

    def recorded(self) -> pa.Array:
        """Keys of the rows recorded in `DELETIONS`."""
        if self._recorded is None:
            self._recorded = self._keys_of_records()
        return self._recorded

    def _keys_of_records(self) -> pa.Array:
        def is_there() -> bool:
            return self._schema.naming.normalize_table_identifier(DELETIONS) in self._schema.tables

        if self._pipeline.refresh == "drop_sources" or not self._ask(is_there):
            return no_keys()
        found = self._select(DELETIONS, ["key"], ("table", self._name))
        keys = [str(key) for rows in found or () for (key,) in rows]
        return pa.array(keys, TEXT)

    def _select(
        self,
        table: str,
        columns: Sequence[str | None] | None,
        condition: Condition | None = None,
        keys: Sequence[str] | None = None,
        *,
        as_arrow: bool = False,
    ) -> Iterator[Any] | None:
        """Rows in chunks; None if the destination has no SQL client.

        Args:
            table: to read.
            columns: to select, None for null; without columns: whether there is any row.
            condition: of the rows.
            keys: of the rows; None: all.
            as_arrow: a chunk is an Arrow table, not a sequence of rows, where the destination is
                asked with DuckDB's SQL: they come in a tenth of the time.
        """
        chunks = self._chunks(table, columns, condition, keys, as_arrow)
        return self._rest(chunks) if self._ask(lambda: next(chunks)) else None

    def _present_rows(self, name: str, escaped: Callable[[str], str]) -> str:
        """The present rows of a change feed, in place of its table's name in SQL.

        The SQL takes two values: true, and true.
        """
        key, seen, number = escaped(self._key), escaped(SEEN_AT), escaped("_dataverse_number")
        newest = f"ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY {seen} DESC)"
        since = f"SELECT MAX({seen}) FROM {name} b WHERE {escaped(SNAPSHOT)} = %s"  # noqa: S608
        numbered = f"SELECT f.*, {newest} AS {number} FROM {name} f WHERE {seen} >= ({since})"  # noqa: S608
        return (
            f"(SELECT * FROM ({numbered}) n WHERE {number} = 1 "  # noqa: S608
            f"AND ({escaped(DELETED)} IS NULL OR {escaped(DELETED)} <> %s))"
        )

    def _rest(self, chunks: Generator[Any, None, None]) -> Iterator[Any]:
        try:
            while (chunk := self._ask(lambda: next(chunks, None))) is not None:
                yield chunk
        finally:
            with suppress(CancelledError):  # dlt's thread has left
                self._ask(chunks.close)

    def _chunks(
        self,
        table: str,
        columns: Sequence[str | None] | None,
        condition: Condition | None,
        keys: Sequence[str] | None,
        as_arrow: bool,
    ) -> Generator[Any, None, None]:
        """Whether there is an SQL client, then the chunks; iterated on dlt's thread only."""
        asked = (table, columns, condition, keys)
        if self._pipeline.destination.destination_type not in ONE_CONNECTION:
            yield from self._streamed(*asked, as_arrow)
            return
        with Spool() as spool:  # several tables are asked side by side
            streamed = self._streamed(*asked, as_arrow=True)
            available = next(streamed)
            for chunk in streamed:
                spool.add(chunk)
            yield available
            for chunk in spool:
                cells = (column.to_pylist() for column in chunk.columns)
                yield chunk if as_arrow else list(zip(*cells, strict=True))

    def _streamed(
        self,
        table: str,
        columns: Sequence[str | None] | None,
        condition: Condition | None,
        keys: Sequence[str] | None,
        as_arrow: bool,
    ) -> Generator[Any, None, None]:
        """As `_chunks`, with a connection that stays open between them."""
        naming = self._schema.naming
        if self._schema.name not in self._pipeline.schema_names:
            yield True  # the very first run
            return
        try:
            with sql_client(self._pipeline, self._schema.name) as client:
                yield True

                def escaped(column: str) -> str:
                    return str(client.escape_column_name(naming.normalize_path(column)))

                shown_as = naming.normalize_table_identifier(table)
                name = client.make_qualified_table_name(shown_as)
                if self._environment is not None:
                    own = own_rows(self._environment, escaped(ENVIRONMENT))
                    name = f"(SELECT * FROM {name} WHERE {own})"  # noqa: S608
                given: list[Any] = []
                if table == self._name and SEEN_AT in self.columns():
                    name, given = self._present_rows(name, escaped), [True, True]
                if columns is None:
                    sql = f"SELECT CASE WHEN EXISTS (SELECT 1 FROM {name} t) THEN 1 ELSE 0 END"  # noqa: S608
                else:
                    shown = ", ".join("NULL" if one is None else escaped(one) for one in columns)
                    sql = f"SELECT {shown} FROM {name} t"  # noqa: S608
                at_once = CELLS_AT_ONCE // len(columns) if columns else 1
                for some in _parts(keys):
                    conditions, values = [], [*given, *some]
                    if some:
                        marks = ", ".join(["%s"] * len(some))
                        conditions.append(f"{escaped(self._key)} IN ({marks})")
                    if condition is not None:
                        column, value = condition
                        conditions.append(f"{escaped(column)} {'= %s' if value else 'IS NULL'}")
                        values += [value] if value else []
                    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
                    if as_arrow and isinstance(client, DuckDbSqlClient):
                        yield from _tables(client, f"{sql}{where}", values, at_once)
                        continue
                    with client.execute_query(f"{sql}{where}", *values) as cursor:
                        while rows := cursor.fetchmany(at_once):
                            yield rows
        except DatabaseUndefinedRelation:
            return
        except SqlClientNotAvailable:
            yield False


def _tables(
    client: DuckDbSqlClient, sql: str, values: Sequence[Any], rows: int
) -> Iterator[pa.Table]:
    """What a query returns, in Arrow tables of at most so many rows.

    DuckDB's own call: dlt's cursor makes a copy of all rows, and DuckDB warns of it.

    Raises:
        DatabaseUndefinedRelation: there is no such table.
    """
    with client.execute_query(f"{sql} LIMIT 0", *values):  # dlt's errors, and views of files
        pass
    found = client.native_connection.sql(sql.replace("%s", "?"), params=list(values) or None)
    read = getattr(found, "to_arrow_reader", None) or found.fetch_arrow_reader
    for batch in read(rows):
        yield pa.Table.from_batches([batch])


def _parts(keys: Sequence[str] | None) -> Iterator[Sequence[str]]:
    """The keys in parts that fit into one question; one part without keys asks for all."""
    if keys is None:
        yield ()
        return
    for start in range(0, len(keys), KEYS_AT_ONCE):
        yield keys[start : start + KEYS_AT_ONCE]
