"""Reads the history of runs from the destination."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Any, Literal

import dlt
from dlt.common.destination.exceptions import SqlClientNotAvailable
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from dataverse_source.loading.catalog.history_tables import HISTORY, RUN_TABLES, RUNS
from dataverse_source.loading.destination_queries import Names, names_of, where_own

Row = dict[str, Any]

_CONDITIONS: dict[str, tuple[str, str, list[str]]] = {
    "": ("status", "IS NOT NULL", []),
    "ok": ("status", "= %s", ["ok"]),
    "changed": ("schema_changes", "IS NOT NULL", []),
}
"""Column, condition and its values, by what is asked for."""


def last_runs(pipeline: dlt.Pipeline, most: int) -> list[Row]:
    """The last runs of the pipeline, the newest first; none if there is no history."""
    return _newest(pipeline, RUNS, "pipeline", pipeline.pipeline_name, most)


def last_runs_of(pipeline: dlt.Pipeline, name: str, most: int) -> list[Row]:
    """The last runs of a table, by its name in the destination; the newest first."""
    return _newest(pipeline, RUN_TABLES, "table", name, most)


def table_runs_since(pipeline: dlt.Pipeline, begin: datetime) -> list[Row]:
    """The tables of all runs that started at ``begin`` or later, the oldest first."""
    own = _and_own(pipeline)

    def sql(names: Names) -> str:
        started = names.column("started_at")
        shown = ", ".join(map(names.column, HISTORY[RUN_TABLES][1].names))
        return (
            f"SELECT {shown} FROM {names.table(RUN_TABLES)} "  # noqa: S608
            f"WHERE {started} >= %s{own} ORDER BY {started}"
        )

    return _rows(pipeline, RUN_TABLES, sql, [begin])


def last_of_each(
    pipeline: dlt.Pipeline, condition: Literal["", "ok", "changed"] = ""
) -> dict[str, Row]:
    """The last row of each table, by its name in the destination.

    Args:
        pipeline: whose destination is asked.
        condition: ``ok``: the last run that succeeded; ``changed``: the last one that found
            changes of the schema; empty: the last run.
    """
    asked, holds, values = _CONDITIONS[condition]
    own = _and_own(pipeline)

    def sql(names: Names) -> str:
        column, table = names.column, names.table(RUN_TABLES)
        name, started = column("table"), column("started_at")
        newest = (
            f"SELECT {name}, MAX({started}) AS newest FROM {table} "  # noqa: S608
            f"WHERE {column(asked)} {holds}{own} GROUP BY {name}"
        )
        shown = ", ".join(f"t.{column(one)}" for one in HISTORY[RUN_TABLES][1].names)
        return (
            f"SELECT {shown} FROM {table} AS t JOIN ({newest}) AS n "  # noqa: S608
            f"ON t.{name} = n.{name} AND t.{started} = n.newest "
            f"WHERE t.{column(asked)} {holds}{own}"
        )

    found = _rows(pipeline, RUN_TABLES, sql, [*values, *values])
    return {row["table"]: row for row in found}


def _newest(pipeline: dlt.Pipeline, name: str, column: str, value: str, most: int) -> list[Row]:
    """The newest rows of ``name`` where ``column`` is ``value``."""
    own = _and_own(pipeline)

    def sql(names: Names) -> str:
        shown = ", ".join(map(names.column, HISTORY[name][1].names))
        return (
            f"SELECT {shown} FROM {names.table(name)} "  # noqa: S608
            f"WHERE {names.column(column)} = %s{own} ORDER BY {names.column('started_at')} DESC"
        )

    return _rows(pipeline, name, sql, [value], most)


def _and_own(pipeline: dlt.Pipeline) -> str:
    """The rest of a condition: of this environment, where a dataset has several."""
    own = where_own(pipeline)
    return own and f" AND {own}"


def _rows(
    pipeline: dlt.Pipeline,
    name: str,
    sql: Callable[[Names], str],
    values: Sequence[Any],
    most: int | None = None,
) -> list[Row]:
    """The rows; none if the destination has no SQL, or no history yet."""
    try:
        with names_of(pipeline) as names, names.client.execute_query(sql(names), *values) as cursor:
            found = cursor.fetchall() if most is None else cursor.fetchmany(most)
    except (SqlClientNotAvailable, DatabaseUndefinedRelation):
        return []
    columns = HISTORY[name][1].names
    return [dict(zip(columns, map(_plain, row), strict=True)) for row in found]


def _plain(value: Any) -> Any:
    """Times in UTC, whatever the driver returns."""
    if isinstance(value, datetime):
        return (
            value.astimezone(timezone.utc) if value.tzinfo else value.replace(tzinfo=timezone.utc)
        )
    return value
