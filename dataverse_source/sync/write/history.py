"""Keeps the history of a table: each version of a row that a run has seen, from when to when.

The rows without an end are the table as it is now. dlt's strategy for such tables (scd2) ends a
row when another version of it comes; here also when its key comes as one of a row that is gone,
which opens nothing. Whether a row has changed is told by its contents, so one that is read again
is no new version, and tables without version numbers need nothing else.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from dlt.common.schema.typing import TColumnSchema

from dataverse_source.arrow.schema import MOMENT, TEXT
from dataverse_source.errors import ConfigurationError
from dataverse_source.sync.context import DeletedKeys, RowBatch, SyncSteps, TableRun, without
from dataverse_source.sync.read.table_reader import VERSION, joined
from dataverse_source.sync.state import TableState
from dataverse_source.sync.write.destination import VALID_TO, merge_strategies

VALID_FROM = "_dataverse_valid_from"
"""When the load began that brought this version of the row."""

ROW_VERSION = "_dataverse_row_version"
"""Column that tells versions apart: a digest of the row's contents."""

COLUMNS = (ROW_VERSION, VALID_FROM, VALID_TO)

STRATEGY = "scd2"

_DIGEST_BYTES = 16


def check_history(run: TableRun) -> None:
    """Refuses settings that contradict the history of a table, kept or asked for.

    Raises:
        ConfigurationError: before anything is read.
    """
    place = f"[sources.dataverse.table_settings.{run.name}]"
    if not run.settings.history:
        if VALID_TO in run.destination.columns():
            raise ConfigurationError(
                f"Table {run.name} holds a history, which would be lost without history = true",
                where=f"{place} history",
                remedy="Set history = true for it. To give the history up, drop the table first "
                "(dlt's refresh = 'drop_resources').",
            )
        return
    if run.settings.deletes == "keep":
        raise ConfigurationError(
            f"Table {run.name} can't have both history = true and deletes = 'keep': its history "
            f"keeps deleted rows anyway, with their end in {VALID_TO}",
            where=f"{place} deletes",
            remedy="Set deletes = 'remove' for this table.",
        )
    if len(run.reader.table.key_columns) > 1:
        raise ConfigurationError(
            f"Table {run.name} can't have history = true: it is elastic, and the keys of such "
            "tables, which have two columns, are not compared",
            where=f"{place} history",
            remedy="Leave history out for this table.",
        )
    _check_destination(run)


def _check_destination(run: TableRun) -> None:
    strategies = merge_strategies()
    if strategies is not None and STRATEGY not in strategies:
        raise ConfigurationError(
            f"Table {run.name} can't have history = true at this destination: dlt does not offer "
            f"its strategy {STRATEGY} there, and would append all versions without an end",
            where=f"[sources.dataverse.table_settings.{run.name}] history",
            remedy="Load the table into a database, or leave history out.",
        )


def begins(run: TableRun) -> bool:
    """Whether no version of any row is loaded yet; rows without a history may be."""
    return VALID_TO not in run.destination.columns()


def disposition(key: str, deleted: str) -> dict[str, Any]:
    """How dlt merges versions.

    Args:
        key: the key column; only rows whose keys come are looked at.
        deleted: column that marks keys of rows that are gone; they end a row and open none.
    """
    return {
        "disposition": "merge",
        "strategy": STRATEGY,
        "row_version_column_name": ROW_VERSION,
        "validity_column_names": [VALID_FROM, VALID_TO],
        "destination_scope": f"{key} IN (SELECT {key} FROM {{staging_table}})",  # noqa: S608
        "source_filter": f"{deleted} IS NULL",
    }


def hints(*, first: bool) -> dict[str, TColumnSchema]:
    """Hints for dlt of the columns that `versions` adds.

    Args:
        first: see `versions`; the columns may come to a table that has rows without them.
    """
    return {
        ROW_VERSION: {"name": ROW_VERSION, "data_type": "text", "nullable": first},
        VALID_FROM: {"name": VALID_FROM, "data_type": "timestamp", "nullable": True},
        VALID_TO: {"name": VALID_TO, "data_type": "timestamp", "nullable": True},
    }


def versions(rows: pa.Table, *, first: bool, began: datetime | None = None) -> pa.Table:
    """``rows`` with the columns of a history.

    Args:
        rows: as they are now, with all other columns.
        first: they are loaded as they are, and not merged by dlt, which fills in the times.
        began: when the load began, for the first rows; None: now.
    """
    count = rows.num_rows
    start = pa.nulls(count, MOMENT)
    if first:
        start = pa.array([began or datetime.now(timezone.utc)] * count, MOMENT)
    columns = (row_versions(rows), start, pa.nulls(count, MOMENT))
    for name, column in zip(COLUMNS, columns, strict=True):
        rows = rows.append_column(
            pa.field(name, column.type, nullable=first or name != ROW_VERSION), column
        )
    return rows


def row_versions(rows: pa.Table) -> pa.Array:
    """A digest of each row's contents.

    Neither the order of columns nor those without a value count, so that a new column does not
    make a new version of every row.
    """
    if not rows.num_columns:
        return pa.array([], TEXT)
    cells = [_cells(name, rows[name]) for name in sorted(rows.column_names)]
    texts = pc.binary_join_element_wise(*cells, pa.scalar(b""))
    digests = [
        hashlib.blake2b(text, digest_size=_DIGEST_BYTES).hexdigest() for text in texts.to_pylist()
    ]
    return pa.array(digests, TEXT)


def _cells(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """``name:length:value;`` for each value, nothing for null; no two rows give the same text."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.int64())
    elif pa.types.is_date32(kind):
        column = column.cast(pa.int32())
    if not (pa.types.is_string(column.type) or pa.types.is_binary(column.type)):
        column = column.cast(TEXT)
    value = column.cast(pa.binary())
    length = pc.binary_length(value).cast(TEXT).cast(pa.binary())
    label, colon, end = (pa.scalar(one, pa.binary()) for one in (name.encode(), b":", b";"))
    whole = pc.binary_join_element_wise(label, length, value, colon)
    return pc.fill_null(pc.binary_join_element_wise(whole, end, pa.scalar(b"")), b"")


def newest(steps: SyncSteps, key: str) -> SyncSteps:
    """The output of ``steps`` with each key once: in its newest row, or as one that is gone.

    A merge would open all rows of a key that come in one package. So they are put aside until
    all have come, but for those that are not merged: of these each comes once.

    Args:
        steps: a run of a table.
        key: name of the key column.
    """
    keys: list[pa.Array] = []
    numbers: list[pa.Array] = []
    gone: list[pa.Array] = []
    with tempfile.TemporaryFile() as store:
        while True:
            try:
                output = next(steps)
            except StopIteration as end:
                state: TableState = end.value
                break
            if isinstance(output, DeletedKeys):
                gone.append(output.keys)
            elif output.replace:
                yield output
            else:
                rows = output.table
                keys.append(joined([rows[key]]))
                numbers.append(_numbers(rows))
                with pa.ipc.new_stream(store, rows.schema) as writer:
                    writer.write_table(rows)
        store.seek(0)
        ended = joined(gone)
        kept = _kept(joined(keys), numbers, ended)
        for number, chunk in enumerate(keys):
            with pa.ipc.open_stream(store) as stream:
                rows = stream.read_all()
            rows, kept = rows.filter(kept[: len(chunk)]), kept[len(chunk) :]
            if rows.num_rows or number == 0:
                yield RowBatch(rows)
    if len(ended):
        yield DeletedKeys(without(ended, pa.array([], ended.type)))
    return state


def _numbers(rows: pa.Table) -> pa.Array:
    """Version numbers, 0 where there are none."""
    if VERSION not in rows.column_names:
        return pa.array([0] * rows.num_rows, pa.int64())
    return pc.fill_null(rows[VERSION], 0).combine_chunks()


def _kept(keys: pa.Array, numbers: Sequence[pa.Array], gone: pa.Array) -> pa.Array:
    """Which rows are the newest of their key: by version number, then by when they came."""
    kept = pc.invert(pc.is_in(keys, value_set=gone))
    if pc.count_distinct(keys).as_py() == len(keys):
        return kept
    counts = pc.value_counts(keys)
    repeated = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    version = joined(numbers)
    newest_of: dict[Any, tuple[int, int]] = {}
    outdated = []
    for position in pc.indices_nonzero(pc.is_in(keys, value_set=repeated)).to_pylist():
        row_key, mark = keys[position].as_py(), (version[position].as_py(), position)
        before = newest_of.get(row_key)
        if before is not None:
            outdated.append(min(mark, before)[1])
        newest_of[row_key] = mark if before is None else max(mark, before)
    positions = pa.array(range(len(keys)), pa.int64())
    older = pc.is_in(positions, value_set=pa.array(outdated, pa.int64()))
    return pc.and_(kept, pc.invert(older))
