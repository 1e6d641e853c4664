"""The SQL that a run and the command line send to the destination: counts, names, newest load."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import dlt
from dlt.common.destination.exceptions import SqlClientNotAvailable
from dlt.common.normalizers.naming import NamingConvention
from dlt.common.schema import Schema
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.destinations.sql_client import SqlClientBase

from dataverse_source.loading.environment_check import environment_of
from dataverse_source.sync.write.columns import ENVIRONMENT
from dataverse_source.sync.write.connections import connected
from dataverse_source.sync.write.environment import own_rows
from dataverse_source.sync.write.open_tables import sql_client

Rows = Sequence[Sequence[Any]]

TABLES_A_COUNT = 100
"""Tables whose rows are counted by one query."""


@dataclass(frozen=True)
class _Opened:
    """What `one_client` has opened.

    Attributes:
        schema: the pipeline's default schema; None if it has loaded nothing yet.
        client: None if the destination has no SQL, or the pipeline has loaded nothing yet.
        storage: dlt's client for tables and columns; None if there is no such one.
    """

    schema: Schema | None
    client: SqlClientBase[Any] | None = None
    storage: SqlJobClientBase | None = None


_shared: ContextVar[_Opened | None] = ContextVar("shared", default=None)
"""Of `one_client`; each thread has its own."""


@dataclass(frozen=True)
class Query:
    """One SELECT on one table.

    Attributes:
        table: its name in the destination.
        columns: to select; none selects ``expression``.
        expression: as SQL.
        where: condition, as SQL with ``%s`` for each of ``values``, and with names of ``tables`` in
            braces.
        values: for the condition.
        tables: other tables that the condition asks.
    """

    table: str
    columns: tuple[str, ...] = ()
    expression: str = "COUNT(*)"
    where: str = ""
    values: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()


@contextmanager
def one_client(pipeline: dlt.Pipeline) -> Iterator[None]:
    """While it lasts, `client_of` returns one client, and `schema_of` one schema.

    To open a client, and to have dlt read the schema of many tables, takes longer than to ask. A
    destination without SQL has no client.

    Raises:
        Exception: the destination cannot be reached; each driver has errors of its own.
    """
    with ExitStack() as stack:
        opened = _Opened(schema_of(pipeline))
        storage = pipeline.destination_client() if opened.schema else None
        if isinstance(storage, SqlJobClientBase):
            stack.enter_context(connected(lambda: storage))
            opened = _Opened(opened.schema, storage.sql_client, storage)
        elif opened.schema is not None:
            with suppress(SqlClientNotAvailable):
                opened = _Opened(opened.schema, stack.enter_context(sql_client(pipeline)))
        before = _shared.set(opened)
        stack.callback(_shared.reset, before)
        yield


@contextmanager
def storage_of(pipeline: dlt.Pipeline) -> Iterator[SqlJobClientBase | None]:
    """Dlt's client for tables and columns, open; None if the destination has no such one."""
    shared = _shared.get()
    if shared is not None:
        yield shared.storage
        return
    with connected(lambda: pipeline.destination_client()) as client:
        yield client if isinstance(client, SqlJobClientBase) else None


@contextmanager
def client_of(pipeline: dlt.Pipeline) -> Iterator[SqlClientBase[Any]]:
    """The SQL client of the pipeline's default schema, open.

    Raises:
        SqlClientNotAvailable: the destination has none.
    """
    shared = _shared.get()
    if shared is not None and shared.client is not None:
        yield shared.client
        return
    with sql_client(pipeline) as client:
        yield client


def schema_of(pipeline: dlt.Pipeline) -> Schema | None:
    """The pipeline's default schema; None if it has loaded nothing yet."""
    shared = _shared.get()
    if shared is not None:
        return shared.schema
    return pipeline.default_schema if pipeline.default_schema_name else None


@dataclass(frozen=True)
class Names:
    """Names as the destination writes them in SQL.

    Attributes:
        client: that will run the SQL.
        naming: of the pipeline's schema.
    """

    client: SqlClientBase[Any]
    naming: NamingConvention

    def table(self, name: str) -> str:
        """A table's name, qualified and quoted."""
        return self.client.make_qualified_table_name(self.naming.normalize_table_identifier(name))

    def column(self, name: str) -> str:
        """A column's name, quoted."""
        return self.client.escape_column_name(self.naming.normalize_path(name))


@contextmanager
def names_of(pipeline: dlt.Pipeline) -> Iterator[Names]:
    """The names that a pipeline has given, with an open client for the SQL.

    Raises:
        SqlClientNotAvailable: the destination has none.
    """
    with client_of(pipeline) as client:
        schema = schema_of(pipeline) or pipeline.default_schema
        yield Names(client, schema.naming)


def select(pipeline: dlt.Pipeline, queries: Sequence[Query]) -> list[Rows | None]:
    """The rows of each query: none if its table is missing, None if there is no SQL client.

    Raises:
        Exception: the destination cannot be reached; each driver has errors of its own.
    """
    if not queries:
        return []
    try:
        with client_of(pipeline) as client:
            return [_rows(client, query) for query in queries]
    except SqlClientNotAvailable:
        return [None] * len(queries)


def row_counts(
    pipeline: dlt.Pipeline, tables: Sequence[str], where: str = ""
) -> dict[str, int | None]:
    """Rows by table: 0 if the table is missing, None if the destination has no SQL client.

    With `environment_column` only the environment's own rows count.

    Args:
        pipeline: whose destination is asked.
        tables: by name in the destination.
        where: condition, as SQL.
    """
    own = where_own(pipeline)
    known = schema_of(pipeline)
    marked = {
        name
        for name in tables
        if own and known and ENVIRONMENT in known.tables.get(name, {}).get("columns", {})
    }
    counts: dict[str, int | None] = {}
    for some, condition in (
        ([one for one in tables if one in marked], " AND ".join(filter(None, (own, where)))),
        ([one for one in tables if one not in marked], where),
    ):
        for start in range(0, len(some), TABLES_A_COUNT):
            asked = some[start : start + TABLES_A_COUNT]
            together = _counted_together(pipeline, asked, condition)
            counts |= _counted_each(pipeline, asked, condition) if together is None else together
    return counts


def where_own(pipeline: dlt.Pipeline) -> str:
    """The SQL condition of the environment's own rows; empty without `environment_column`."""
    schema = schema_of(pipeline)
    environment = environment_of(dict(pipeline.state), schema.name) if schema else None
    return "" if environment is None else own_rows(environment)


def _counted_together(
    pipeline: dlt.Pipeline, tables: Sequence[str], where: str
) -> dict[str, int | None] | None:
    """Rows by table, from one query; None if it is refused, as it is where a table is missing."""
    try:
        with client_of(pipeline) as client:
            parts = [
                f"SELECT {number} AS place, {Query.expression} AS found "  # noqa: S608
                f"FROM {client.make_qualified_table_name(table)}{where and f' WHERE {where}'}"
                for number, table in enumerate(tables)
            ]
            found = client.execute_sql(" UNION ALL ".join(parts)) or []
            return {tables[int(place)]: int(count) for place, count in found}
    except SqlClientNotAvailable:
        return dict.fromkeys(tables)
    except Exception:  # each driver has errors of its own: asked one by one, it is told which
        return None


def _counted_each(
    pipeline: dlt.Pipeline, tables: Sequence[str], where: str
) -> dict[str, int | None]:
    found = select(pipeline, [Query(table, where=where) for table in tables])
    counts = (None if rows is None else int(rows[0][0]) if rows else 0 for rows in found)
    return dict(zip(tables, counts, strict=True))


def newest_load(pipeline: dlt.Pipeline) -> str | None:
    """The id of the newest load package in the destination; None if there is none."""
    schema = schema_of(pipeline)
    if schema is None:
        return None
    query = Query(
        schema.loads_table_name,
        expression="MAX(load_id)",
        where="schema_name = %s AND status = 0",
        values=(schema.name,),
    )
    (found,) = select(pipeline, [query])
    return str(found[0][0]) if found and found[0][0] is not None else None


def _rows(client: SqlClientBase[Any], query: Query) -> Rows:
    selected = ", ".join(map(client.escape_column_name, query.columns)) or query.expression
    tables = {name: client.make_qualified_table_name(name) for name in query.tables}
    where = f" WHERE {query.where.format(**tables)}" if query.where else ""
    table = client.make_qualified_table_name(query.table)
    try:
        found = client.execute_sql(f"SELECT {selected} FROM {table}{where}", *query.values)  # noqa: S608
    except DatabaseUndefinedRelation:
        return []
    return found or []
