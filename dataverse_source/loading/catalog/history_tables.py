"""The tables with the history of runs, for users' own SQL, dashboards and alerts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dlt
import pyarrow as pa

from dataverse_source.arrow.schema import INTEGER, MOMENT, TEXT
from dataverse_source.sync.write.columns import ENVIRONMENT

RUNS = "_dataverse_runs"
RUN_TABLES = "_dataverse_run_tables"

NUMBER = pa.float64()

_COUNTS = [
    ("inserted", INTEGER),
    ("updated", INTEGER),
    ("unchanged", INTEGER),
    ("deleted", INTEGER),
]

HISTORY: dict[str, tuple[str, pa.Schema]] = {
    RUNS: (
        "One row for each run.",
        pa.schema(
            [
                ("run_id", TEXT),
                ("pipeline", TEXT),
                ("environment", TEXT),
                ("organization_id", TEXT),
                ("started_at", MOMENT),
                ("finished_at", MOMENT),
                ("status", TEXT),
                ("tables", INTEGER),
                ("failed", INTEGER),
                ("rows_read", INTEGER),
                *_COUNTS,
                ("seconds", NUMBER),
                ("requests", INTEGER),
                ("retries", INTEGER),
                ("throttled", INTEGER),
                ("seconds_waited", NUMBER),
                ("error", TEXT),
            ]
        ),
    ),
    RUN_TABLES: (
        "One row for each table of each run.",
        pa.schema(
            [
                ("run_id", TEXT),
                ("table", TEXT),
                ("logical_name", TEXT),
                ("started_at", MOMENT),
                ("finished_at", MOMENT),
                ("status", TEXT),
                ("mode", TEXT),
                ("rows_read", INTEGER),
                *_COUNTS,
                ("rows_now", INTEGER),
                ("seconds", NUMBER),
                ("requests", INTEGER),
                ("seconds_waited", NUMBER),
                ("token_given_at", MOMENT),
                ("schema_changes", TEXT),
                ("error", TEXT),
            ]
        ),
    ),
}
"""Description and columns of each, by name."""


def empty_history(environment: str | None) -> Iterator[Any]:
    """Items without rows that have dlt make the tables, or add columns that are missing.

    Call it on dlt's own thread, while a source is read.

    Args:
        environment: value of the column of environments; None: the tables have none.
    """
    schema = dlt.current.source_schema()
    naming = schema.naming
    for name, (description, own) in HISTORY.items():
        columns = own if environment is None else own.append(pa.field(ENVIRONMENT, TEXT))
        known = schema.tables.get(naming.normalize_table_identifier(name), {}).get("columns", {})
        if all(naming.normalize_path(column) in known for column in columns.names):
            continue
        hints = dlt.mark.make_hints(
            table_name=name,
            write_disposition="append",
            additional_table_hints={"description": description},
        )
        yield dlt.mark.with_hints(columns.empty_table(), hints, create_table_variant=True)
