"""The table of files: its columns, and dlt's hints of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract.hints import TResourceHints

from dataverse_source.arrow.schema import MOMENT, TEXT, hints_of
from dataverse_source.sync.abilities import DELETE_INSERT, merge_by
from dataverse_source.sync.write.columns import DELETED

FILES = "_dataverse_files"
"""Name of the table."""

STORED, FAILED, GONE = "stored", "failed", "deleted"
"""What ``status`` says: the bytes are in the place; they could not be read; the file is gone."""

SCHEMA = pa.schema(
    [
        pa.field("table", TEXT, nullable=False),
        pa.field("key", TEXT, nullable=False),
        pa.field("column", TEXT, nullable=False),
        pa.field("status", TEXT),
        pa.field("name", TEXT),
        pa.field("size", pa.int64()),
        pa.field("mime_type", TEXT),
        pa.field("sha256", TEXT),
        pa.field("url", TEXT),
        pa.field("version", TEXT),
        pa.field("error", TEXT),
        pa.field("loaded_at", MOMENT),
        pa.field(DELETED, pa.bool_()),
    ]
)


def as_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows of the table; columns that they lack are null."""
    return pa.Table.from_pylist([dict(row) for row in rows], schema=SCHEMA)


def hints(strategy: str, table_format: str | None) -> TResourceHints:
    """Dlt's hints of the table."""
    columns = hints_of(SCHEMA)
    columns[DELETED]["hard_delete"] = True
    if strategy == DELETE_INSERT:  # the last of several rows of one file is right
        columns["loaded_at"]["dedup_sort"] = "desc"
    return dlt.mark.make_hints(
        table_name=FILES,
        columns=columns,
        primary_key=["table", "key", "column"],
        write_disposition=merge_by(strategy),  # type: ignore[arg-type]
        table_format=table_format,  # type: ignore[arg-type]
        additional_table_hints={"description": "Files of rows, and where their bytes are."},
    )
