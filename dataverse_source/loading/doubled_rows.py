"""Finds rows that two pipelines have merged into one table at the same time.

Each deletes the loaded row and inserts its own. A transaction of most databases does not see what
another one has inserted meanwhile, so a row that both have read is there twice. Both look after
they have loaded, so the one that ends last finds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import dlt
from dlt.common.destination.exceptions import SqlClientNotAvailable
from dlt.common.schema.typing import TTableSchema
from dlt.common.schema.utils import get_columns_names_with_prop

from dataverse_source.errors import PipelineError
from dataverse_source.loading.destination_memory import read_again_next_time
from dataverse_source.loading.destination_queries import client_of, schema_of
from dataverse_source.sync.write.history import VALID_FROM


def check_doubled_rows(pipeline: dlt.Pipeline, tables: Sequence[str]) -> None:
    """Checks tables after others have loaded at the same time; the next run reads them in full.

    Args:
        pipeline: after its run.
        tables: that it has loaded, by name in the destination.

    Raises:
        PipelineError: a table has rows with the same key.
    """
    doubled = dict(_doubled(pipeline, tables))
    if not doubled:
        return
    reasons = {name: f"{count:,} of its rows were there twice" for name, count in doubled.items()}
    read_again_next_time(pipeline, reasons)
    counts = ", ".join(f"{count:,} rows of {name}" for name, count in doubled.items())
    raise PipelineError(
        f"Another pipeline has loaded at the same time, and {counts} are there twice",
        where=f"dataset {pipeline.dataset_name}",
        remedy="Run again: these rows are then loaded once. Have the scheduler run pipelines that "
        "load the same rows one after the other.",
    )


def _doubled(pipeline: dlt.Pipeline, tables: Sequence[str]) -> Iterator[tuple[str, int]]:
    schema = schema_of(pipeline)
    keys = {name: _key(schema.tables[name]) for name in tables if schema and name in schema.tables}
    try:
        with client_of(pipeline) as client:
            for name, key in keys.items():
                columns = ", ".join(map(client.escape_column_name, key))
                if not columns:
                    continue
                twice = (
                    f"SELECT {columns} FROM {client.make_qualified_table_name(name)} "  # noqa: S608
                    f"GROUP BY {columns} HAVING COUNT(*) > 1"
                )
                found = client.execute_sql(f"SELECT COUNT(*) FROM ({twice}) d") or []  # noqa: S608
                if found and found[0][0]:
                    yield name, int(found[0][0])
    except SqlClientNotAvailable:
        return


def _key(table: TTableSchema) -> list[str]:
    """What tells rows or versions of rows apart; nothing where each run appends."""
    key = get_columns_names_with_prop(table, "primary_key")
    if not key or table.get("write_disposition") == "append":
        return []
    return [*key, VALID_FROM] if VALID_FROM in table["columns"] else key
