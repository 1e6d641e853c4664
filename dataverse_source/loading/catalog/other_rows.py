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
from dataverse_source.sync.write.columns import ENVIRONMENT


def with_rows_of_others(
    pipeline: dlt.Pipeline,
    tables: Sequence[CatalogTable],
    own: Collection[str],
    environment: str | None = None,
    where: str = "",
) -> list[CatalogTable]:
    """The catalog tables with the loaded rows that are of other tables.

    Args:
        pipeline: that loads the catalog; call it on dlt's own thread.
        tables: of this pipeline.
        own: names of the tables that it loads, or has loaded.
        environment: value of the column of environments; None: the tables have none.
        where: condition of the rows that are kept, as SQL.
    """
    queries = [Query(one.name, tuple(one.rows.column_names), where=where) for one in tables]
    try:
        loaded = select(pipeline, queries)
    except Exception as error:  # each destination's driver has errors of its own
        logger.info("What other pipelines wrote into the catalog is not found: %s", error)
        return list(tables)
    found = []
    for table, rows in zip(tables, loaded, strict=True):
        names = table.rows.column_names
        others = [
            row
            for row in rows or ()
            if row[names.index("table")] not in own
            or (environment is not None and row[names.index(ENVIRONMENT)] != environment)
        ]
        kept, _ = typed(others, table.rows.schema)
        found.append(replace(table, rows=pa.concat_tables([table.rows, kept])))
    return found
