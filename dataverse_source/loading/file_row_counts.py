"""Counts the rows of files by the table that they belong to.

If somebody drops or empties the table of files, no change in Dataverse brings its rows back. So
they are counted after each run, and a table whose files are not as many any more is read again.
"""

from __future__ import annotations

from collections.abc import Mapping

import dlt
from dlt.common.destination.exceptions import SqlClientNotAvailable
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from dataverse_source.config.log import logger
from dataverse_source.loading.destination_queries import names_of, schema_of, where_own
from dataverse_source.sync.write.file_table import FILES


def file_rows(pipeline: dlt.Pipeline) -> dict[str, int] | None:
    """Rows of files by table, as the destination calls it; None if they cannot be counted."""
    schema = schema_of(pipeline)
    if schema is None or schema.naming.normalize_table_identifier(FILES) not in schema.tables:
        return {}
    own = where_own(pipeline)
    try:
        with names_of(pipeline) as names:
            of = names.column("table")
            where = f" WHERE {own}" if own else ""
            sql = f"SELECT {of}, COUNT(*) FROM {names.table(FILES)}{where} GROUP BY {of}"  # noqa: S608
            found = names.client.execute_sql(sql) or []
            name = names.naming.normalize_table_identifier
            return {name(str(table)): int(count) for table, count in found}
    except DatabaseUndefinedRelation:
        return {}
    except SqlClientNotAvailable:
        return None
    except Exception as error:  # each destination's driver has errors of its own
        logger.warning("The rows of %s cannot be counted: %s", FILES, error)
        return None


def lost_files(before: Mapping[str, int] | None, now: Mapping[str, int] | None) -> dict[str, str]:
    """Why tables have to be read again: their files are not as many as a run has left.

    Args:
        before: what the last run has left, by table; None if that is unknown.
        now: what is there.
    """
    if before is None or now is None:
        return {}
    return {
        table: f"{FILES} has {now.get(table, 0):,} rows of it instead of {count:,}"
        for table, count in before.items()
        if now.get(table, 0) != count
    }
