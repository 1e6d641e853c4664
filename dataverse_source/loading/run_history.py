"""Appends what a run did to the history of runs in the destination.

One INSERT a table: a load package of dlt's would take longer than a run without changes.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import dlt

from dataverse_source.config.log import logger
from dataverse_source.errors import DataverseError
from dataverse_source.loading.catalog.history_tables import HISTORY, RUN_TABLES, RUNS
from dataverse_source.loading.destination_queries import names_of
from dataverse_source.loading.environment_check import COLUMN
from dataverse_source.loading.report import CHANGES, LoadReport, TableReport, add_up
from dataverse_source.sync.write.columns import ENVIRONMENT

VALUES_AT_ONCE = 1_000
"""Values in one statement: some databases take at most 2,100."""

Row = Mapping[str, Any]


def append_run(
    pipeline: dlt.Pipeline,
    report: LoadReport,
    started: datetime,
    finished: datetime,
    error: DataverseError | None,
    environment: Mapping[str, Any],
    *,
    interrupted: bool = False,
) -> None:
    """Writes a run to the history; a destination without SQL has none.

    Args:
        pipeline: that ran.
        report: what it did.
        started: when it began.
        finished: when it ended.
        error: that it ended with.
        environment: what the source's state says of it, see `environment_check`.
        interrupted: a signal ended it.
    """
    run_id = secrets.token_hex(8)
    failed = sum(one.error is not None for one in report.tables)
    run: dict[str, Any] = {
        "run_id": run_id,
        "pipeline": pipeline.pipeline_name,
        "environment": environment.get("address"),
        "organization_id": environment.get("organization_id"),
        "started_at": started,
        "finished_at": finished,
        "status": "interrupted" if interrupted else _status(report, error),
        "tables": len(report.tables),
        "failed": failed,
        **{word: add_up(report.tables, word) for word in ("rows_read", *CHANGES)},
        "seconds": report.seconds,
        "requests": report.counters.requests,
        "retries": report.counters.retries,
        "throttled": report.counters.throttled,
        "seconds_waited": report.counters.seconds_waited,
        "error": None if error is None else error.what,
    }
    tables = [_of_table(one, run_id, started, finished, error) for one in report.tables]
    try:
        with names_of(pipeline) as names:
            for name, rows in ((RUNS, [run]), (RUN_TABLES, tables)):
                columns = HISTORY[name][1].names
                if environment.get(COLUMN) is not None:
                    columns = [*columns, ENVIRONMENT]
                    rows = [{**row, ENVIRONMENT: environment[COLUMN]} for row in rows]
                shown = ", ".join(map(names.column, columns))
                for sql, values in _statements(columns, rows):
                    insert = f"INSERT INTO {names.table(name)} ({shown}) VALUES {sql}"  # noqa: S608
                    names.client.execute_sql(insert, *values)
    except Exception as problem:  # each destination's driver has errors of its own
        logger.info("The run is not in the history: %s", problem)


def _status(report: LoadReport, error: DataverseError | None) -> str:
    if error is None:
        return "ok"
    return "partial" if any(one.error is None for one in report.tables) else "failed"


def _of_table(
    one: TableReport,
    run_id: str,
    started: datetime,
    finished: datetime,
    error: DataverseError | None,
) -> Row:
    """The row of a table; where the whole run failed, no table of it is loaded."""
    ended_early = error is not None and error.report is not None and not error.report.is_loaded
    problem = one.error or (error.what if error is not None and ended_early else None)
    return {
        "run_id": run_id,
        "table": one.name,
        "logical_name": one.logical_name,
        "started_at": started,
        "finished_at": finished,
        "status": "ok" if problem is None else "failed",
        "mode": one.mode,
        "rows_read": one.rows_read,
        "inserted": one.inserted,
        "updated": one.updated,
        "unchanged": one.unchanged,
        "deleted": one.deleted,
        "rows_now": one.rows_now,
        "seconds": one.seconds,
        "requests": one.requests,
        "seconds_waited": one.seconds_waited,
        "token_given_at": one.token_given_at,
        "schema_changes": "; ".join(one.schema_changes) or None,
        "error": problem,
    }


def _statements(columns: Sequence[str], rows: Sequence[Row]) -> Iterator[tuple[str, list[Any]]]:
    """The values of INSERT statements; null is written out, as some drivers need a type for it."""
    at_once = max(VALUES_AT_ONCE // len(columns), 1)
    for start in range(0, len(rows), at_once):
        texts, values = [], []
        for row in rows[start : start + at_once]:
            texts.append(", ".join("NULL" if row[column] is None else "%s" for column in columns))
            values += [row[column] for column in columns if row[column] is not None]
        yield ", ".join(f"({text})" for text in texts), values
