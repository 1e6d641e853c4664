"""Checks before a row is read that the destination can hold a table."""

from __future__ import annotations

from dataverse_source.errors import ConfigurationError
from dataverse_source.loading.row_sizes import too_large
from dataverse_source.sync.context import TableRun
from dataverse_source.sync.write.fitting import loaded_hints

MOST_COLUMNS = {
    "bigquery": 10_000,
    "mysql": 1017,
    "postgres": 1600,
    "redshift": 1600,
    "fabric": 1024,
    "sqlite": 2000,
    "tsql": 1024,
}
"""Columns a table, by sqlglot's name of the SQL: BigQuery "Quotas and limits", MySQL "Limits on
Table Column Count" (InnoDB), PostgreSQL "Limits", Redshift "Usage notes" of CREATE TABLE, Fabric
"Limitations" of tables in a warehouse, SQLite "Limits", SQL Server "Maximum capacity
specifications"."""

ADDED = 4
"""Columns that this package and dlt may add to a table, histories and change feeds included."""

WITHOUT_EARLY_DATES = frozenset({"clickhouse"})
"""Its type Date begins in 1970, and what is earlier becomes another day (ClickHouse: "Date")."""


def check_limits(run: TableRun) -> None:
    """Checks the columns, the size of a row, and types that would be changed in silence.

    Raises:
        ConfigurationError: the destination can't hold the table; names the setting that helps.
    """
    if run.abilities is None:
        return
    place, dialect = run.abilities.destination, run.abilities.dialect or ""
    hints = loaded_hints(
        run.reader.schema.hints | run.labels.hints, run.column_hints, run.abilities
    )
    most = MOST_COLUMNS.get(dialect)
    added = ADDED + (run.environment is not None)
    if most is not None and len(hints) + added > most:
        raise ConfigurationError(
            f"Table {run.name} has {len(hints):,} columns, and {place} takes {most:,} a table, of "
            f"which up to {added} are added",
            where=f"[sources.dataverse.table_settings.{run.name}]",
            remedy="Name the columns to load in select, or leave some out with exclude_columns.",
        )
    large = too_large(hints.values(), dialect)
    if large is not None:
        raise ConfigurationError(
            f"Table {run.name} has {large.bytes:,} bytes a row, and {place} takes {large.most:,}"
            f"{large.why}",
            where=f"[sources.dataverse.table_settings.{run.name}]",
            remedy=large.first_remedy + "Name the columns to load in select, or leave some out "
            "with exclude_columns.",
        )
    dates = [name for name, hint in hints.items() if hint.get("data_type") == "date"]
    if dates and dialect in WITHOUT_EARLY_DATES:
        listed = ", ".join(f'"{name}"' for name in dates)
        raise ConfigurationError(
            f"Table {run.name} has dates, and {place} turns those before 1970 into other days: "
            f"{listed}",
            where=f"[sources.dataverse.table_settings.{run.name}]",
            remedy=f"Leave them out: exclude_columns = [{listed}]. Or load them as text, with "
            "apply_hints(columns=...) of the resource.",
        )
