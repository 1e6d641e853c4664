"""Reads the history of runs from the destination."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Any, Literal

import dlt
from dlt.common.destination.exceptions import SqlClientNotAvailable
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from dataverse_source.loading.catalog.history_tables import HISTORY, RUN_TABLES, RUNS

Row = dict[str, Any]

_Build = Callable[[Callable[[str], str], Callable[[str], str]], tuple[str, Sequence[Any]]]
"""Makes SQL and its values, given functions that write names of tables and of columns."""


def last_runs(pipeline: dlt.Pipeline, most: int) -> list[Row]:
    """The last runs of the pipeline, the newest first; none if there is no history."""

    def build(
        table: Callable[[str], str], column: Callable[[str], str]
    ) -> tuple[str, Sequence[Any]]:
        started = column("started_at")
        where = f"{column('pipeline')} = %s"
        return _select(RUNS, table, column, where, f"{started} DESC"), [pipeline.pipeline_name]

    return _rows(pipeline, RUNS, build, most)


def last_runs_of(pipeline: dlt.Pipeline, name: str, most: int) -> list[Row]:
    """The last runs of a table, by its name in the destination; the newest first."""

    def build(
        table: Callable[[str], str], column: Callable[[str], str]
    ) -> tuple[str, Sequence[Any]]:
        started = column("started_at")
        where = f"{column('table')} = %s"
        return _select(RUN_TABLES, table, column, where, f"{started} DESC"), [name]

    return _rows(pipeline, RUN_TABLES, build, most)


def last_of_each(
    pipeline: dlt.Pipeline, condition: Literal["", "ok", "changed"] = ""
) -> dict[str, Row]:
    """The last row of each table, by its name in the destination.

    Args:
        pipeline: whose destination is asked.
        condition: ``ok``: the last run that succeeded; ``changed``: the last one that found
            changes of the schema; empty: the last run.
    """

    def build(
        table: Callable[[str], str], column: Callable[[str], str]
    ) -> tuple[str, Sequence[Any]]:
        which, values = {
            "": ("{} IS NOT NULL", []),
            "ok": ("{} = %s", ["ok"]),
            "changed": ("{} IS NOT NULL", []),
        }[condition]
        asked = column("schema_changes" if condition == "changed" else "status")
        name, started = column("table"), column("started_at")
        newest = (
            f"SELECT {name}, MAX({started}) AS newest FROM {table(RUN_TABLES)} "  # noqa: S608
            f"WHERE {which.format(asked)} GROUP BY {name}"
        )
        shown = ", ".join(f"t.{column(one)}" for one in HISTORY[RUN_TABLES][1].names)
        sql = (
            f"SELECT {shown} FROM {table(RUN_TABLES)} AS t JOIN ({newest}) AS n "  # noqa: S608
            f"ON t.{name} = n.{name} AND t.{started} = n.newest "
            f"WHERE {which.format(f't.{asked}')}"
        )
        return sql, [*values, *values]

    return {row["table"]: row for row in _rows(pipeline, RUN_TABLES, build)}


def _select(
    name: str,
    table: Callable[[str], str],
    column: Callable[[str], str],
    where: str,
    order: str,
) -> str:
    shown = ", ".join(map(column, HISTORY[name][1].names))
    return f"SELECT {shown} FROM {table(name)} WHERE {where} ORDER BY {order}"  # noqa: S608


def _rows(pipeline: dlt.Pipeline, name: str, build: _Build, most: int | None = None) -> list[Row]:
    """The rows; none if the destination has no SQL, or no history yet."""
    naming = pipeline.default_schema.naming
    try:
        with pipeline.sql_client() as client:
            sql, values = build(
                lambda one: client.make_qualified_table_name(
                    naming.normalize_table_identifier(one)
                ),
                lambda one: client.escape_column_name(naming.normalize_identifier(one)),
            )
            with client.execute_query(sql, *values) as cursor:
                found = cursor.fetchall() if most is None else cursor.fetchmany(most)
    except (SqlClientNotAvailable, DatabaseUndefinedRelation):
        return []
    names = HISTORY[name][1].names
    return [dict(zip(names, map(_plain, row), strict=True)) for row in found]


def _plain(value: Any) -> Any:
    """Times in UTC, whatever the driver returns."""
    if isinstance(value, datetime):
        return (
            value.astimezone(timezone.utc) if value.tzinfo else value.replace(tzinfo=timezone.utc)
        )
    return value
