"""Keeps the history of a table: each version of a row that a run has seen, with its start and end.

The versions without an end are the table as it is now. dlt's strategy for such tables (scd2) ends
a version when another one of the same key comes. The key of a deleted row ends its version and
starts none. A digest of the row's contents tells versions apart, so a row that is read again
unchanged makes no new version, and tables without version numbers work too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from dlt.common.schema.typing import TColumnSchema

from dataverse_source.arrow.keys import concat, difference, no_keys
from dataverse_source.arrow.schema import MOMENT, TEXT
from dataverse_source.arrow.spool import Spool
from dataverse_source.errors import ConfigurationError
from dataverse_source.sync.abilities import UPSERT
from dataverse_source.sync.context import DeletedKeys, RowBatch, SyncSteps, TableRun
from dataverse_source.sync.drain import Drain
from dataverse_source.sync.read.table_reader import VERSION
from dataverse_source.sync.write.destination import VALID_TO
from dataverse_source.sync.write.environment import own_rows

VALID_FROM = "_dataverse_valid_from"
"""Column: when the load package began that brought this version of the row."""

ROW_VERSION = "_dataverse_row_version"
"""Column: digest of the row's contents, which tells versions apart."""

VERSION_ID = "_dataverse_version_id"
"""Column, only where versions are merged with `upsert`: the row's key and `VALID_FROM`."""

COLUMNS = (ROW_VERSION, VALID_FROM, VALID_TO)

STRATEGY = "scd2"
"""Dlt's strategy for histories; where only `upsert` is right, see `version_upserts`."""

_DIGEST_BYTES = 16


def check_history(run: TableRun) -> None:
    """Checks the settings of a table that has a history, or shall get one.

    Args:
        run: of the table.

    Raises:
        ConfigurationError: they contradict the history.
    """
    place = f"[sources.dataverse.table_settings.{run.name}]"
    if not run.settings.history:
        if VALID_TO in run.destination.columns():
            raise ConfigurationError(
                f"Table {run.name} holds a history, which would be lost without history = true",
                where=f"{place} history",
                remedy="Set history = true for it. To give up the history, drop the table first "
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
            f"Table {run.name} can't have history = true: it is elastic, and keys of two columns "
            "are not compared",
            where=f"{place} history",
            remedy="Remove history for this table.",
        )
    _check_destination(run)


def _check_destination(run: TableRun) -> None:
    abilities = run.abilities
    if abilities is None or run.merge_strategy == UPSERT:
        return
    if STRATEGY not in abilities.strategies(run.table_format):
        raise ConfigurationError(
            f"Table {run.name} can't have history = true at this destination: dlt does not offer "
            f"its strategy {STRATEGY} there and would append versions without ending the old ones",
            where=f"[sources.dataverse.table_settings.{run.name}] history",
            remedy="Load the table into a database, or in a bucket or folder set table_format = "
            "'delta' or 'iceberg'. Or remove history and set write = 'append': the change feed "
            "keeps every version too.",
        )


def begins(run: TableRun) -> bool:
    """Whether the destination's table has no history columns yet; it may hold plain rows."""
    return VALID_TO not in run.destination.columns()


def disposition(key: str, deleted: str, environment: str | None = None) -> dict[str, Any]:
    """The write disposition with which dlt merges versions.

    Args:
        key: the key column; the merge touches only keys that the package contains.
        deleted: column that marks the keys of deleted rows, which end a version and start none.
        environment: whose versions they are; None: all are of one.
    """
    own = "" if environment is None else f"{own_rows(environment)} AND "
    return {
        "disposition": "merge",
        "strategy": STRATEGY,
        "row_version_column_name": ROW_VERSION,
        "validity_column_names": [VALID_FROM, VALID_TO],
        "destination_scope": f"{own}{key} IN (SELECT {key} FROM {{staging_table}})",  # noqa: S608
        "source_filter": f"{deleted} IS NULL",
    }


def hints(*, first: bool, upserts: bool = False) -> dict[str, TColumnSchema]:
    """Hints for dlt of the columns that `versions` adds.

    Args:
        first: see `versions`; the table may already have rows without these columns.
        upserts: versions have keys, and are merged with `upsert`.
    """
    own: dict[str, TColumnSchema] = {
        VERSION_ID: {"name": VERSION_ID, "data_type": "text", "nullable": False}
    }
    return {
        ROW_VERSION: {"name": ROW_VERSION, "data_type": "text", "nullable": first},
        VALID_FROM: {"name": VALID_FROM, "data_type": "timestamp", "nullable": True},
        VALID_TO: {"name": VALID_TO, "data_type": "timestamp", "nullable": True},
        **(own if upserts else {}),
    }


def versions(rows: pa.Table, *, first: bool, began: datetime | None = None) -> pa.Table:
    """``rows`` with the columns of a history.

    Args:
        rows: with all other columns.
        first: the rows are not merged; so dlt does not set their start, and this does.
        began: when the load package began, for the first rows; None: now.
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
    """Digest of each row's contents.

    The order of columns does not count, nor do columns without a value; so a new column does not
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
    """``name:length:value;`` for each value, nothing for null: different rows, different texts."""
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
    """The output of ``steps`` with each key once: its newest row, or the key of a deleted row.

    A merge would start a version for every row of a key in one package. So merged rows are kept
    in a file until all have come. Rows that replace the table come once anyway.

    Args:
        steps: the sync of a table.
        key: name of the key column.
    """
    keys: list[pa.Array] = []
    numbers: list[pa.Array] = []
    deleted: list[pa.Array] = []
    with Spool() as spool:
        outputs = Drain(steps)
        for output in outputs:
            if isinstance(output, DeletedKeys):
                deleted.append(output.keys)
            elif output.replace:
                yield output
            else:
                keys.append(concat([output.table[key]]))
                numbers.append(_numbers(output.table))
                spool.add(output.table)
        ended = concat(deleted)
        kept = _kept(concat(keys), numbers, ended)
        for number, rows in enumerate(spool):
            newest_rows, kept = rows.filter(kept[: rows.num_rows]), kept[rows.num_rows :]
            if newest_rows.num_rows or number == 0:
                yield RowBatch(newest_rows)
    if len(ended):
        yield DeletedKeys(difference(ended, no_keys()))
    return outputs.result


def _numbers(rows: pa.Table) -> pa.Array:
    """Version numbers; 0 for rows without one."""
    if VERSION not in rows.column_names:
        return pa.array([0] * rows.num_rows, pa.int64())
    return pc.fill_null(rows[VERSION], 0).combine_chunks()


def _kept(keys: pa.Array, numbers: Sequence[pa.Array], deleted: pa.Array) -> pa.Array:
    """Which rows are the newest of their key: by version number, then by order of arrival."""
    kept = pc.invert(pc.is_in(keys, value_set=deleted))
    if pc.count_distinct(keys).as_py() == len(keys):
        return kept
    counts = pc.value_counts(keys)
    repeated = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    version = concat(numbers)
    newest_of: dict[Any, tuple[int, int]] = {}
    outdated = []
    for position in pc.indices_nonzero(pc.is_in(keys, value_set=repeated)).to_pylist():
        row_key, rank = keys[position].as_py(), (version[position].as_py(), position)
        before = newest_of.get(row_key)
        if before is not None:
            outdated.append(min(rank, before)[1])
        newest_of[row_key] = rank if before is None else max(rank, before)
    positions = pa.array(range(len(keys)), pa.int64())
    older = pc.is_in(positions, value_set=pa.array(outdated, pa.int64()))
    return pc.and_(kept, pc.invert(older))
