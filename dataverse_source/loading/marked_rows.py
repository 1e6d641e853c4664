"""Removes deleted rows from Iceberg tables: dlt's upsert writes their marks there, as rows."""

from __future__ import annotations

import dlt
from dlt.common.destination.client import SupportsOpenTables

from dataverse_source.loading.destination_queries import schema_of
from dataverse_source.sync.write.columns import DELETED
from dataverse_source.sync.write.open_tables import has_marks, open_table


def remove_marked_rows(pipeline: dlt.Pipeline) -> None:
    """Removes the rows that are marked as deleted, also those of a run that was killed.

    Raises:
        Exception: the catalog or the bucket cannot be reached; each has errors of its own.
    """
    schema = schema_of(pipeline)
    tables = [
        str(table["name"])
        for table in (schema.data_tables() if schema else ())
        if table.get("table_format") == "iceberg" and has_marks(table)
    ]
    if not tables:
        return
    from pyiceberg.expressions import EqualTo

    marked = EqualTo(DELETED, True)
    with pipeline.destination_client() as client:
        for name in tables:
            found = open_table(client, name) if isinstance(client, SupportsOpenTables) else None
            if found is not None and found[1].scan(row_filter=marked).count():
                found[1].delete(marked)
