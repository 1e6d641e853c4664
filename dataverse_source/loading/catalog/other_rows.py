"""Keeps what other pipelines have written into the catalog tables of the same dataset."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import dlt
import pyarrow as pa

from dataverse_source.arrow.cells import typed
from dataverse_source.config.log import logger
from dataverse_source.loading.catalog.tables import CatalogTable
from dataverse_source.loading.destination_queries import Query, select


def with_rows_of_others(
    pipeline: dlt.Pipeline, tables: Sequence[CatalogTable], own: Collection[str]
) -> list[CatalogTable]:
    """The catalog tables with the loaded rows that are of other tables.

    Args:
        pipeline: that loads the catalog; call it on dlt's own thread.
        tables: of this pipeline.
        own: names of the tables that it loads, or has loaded.
    """
    queries = [Query(one.name, tuple(one.rows.column_names)) for one in tables]
    try:
        loaded = select(pipeline, queries)
    except Exception as error:  # each destination's driver has errors of its own
        logger.info("What other pipelines wrote into the catalog is not found: %s", error)
        return list(tables)
    found = []
    for table, rows in zip(tables, loaded, strict=True):
        place = table.rows.column_names.index("table")
        others = [row for row in rows or () if row[place] not in own]
        kept, _ = typed(others, table.rows.schema)
        found.append(replace(table, rows=pa.concat_tables([table.rows, kept])))
    return found
