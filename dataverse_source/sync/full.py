"""Reads all rows of a table, in one load package or in several."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa

from dataverse_source.sync.abilities import UPSERT
from dataverse_source.sync.context import (
    READING_ROWS,
    Landed,
    RowBatch,
    SyncSteps,
    TableRun,
)
from dataverse_source.sync.drain import Drain
from dataverse_source.sync.read.query_reader import QueryReader
from dataverse_source.sync.read.whole_table import Remainder, read_rows
from dataverse_source.sync.read.workers import prefetch
from dataverse_source.sync.state import TableState
from dataverse_source.sync.write.files_of_rows import file_place
from dataverse_source.sync.write.history import begins
from dataverse_source.sync.written_rows import known_columns

LEAST_ROWS = 250_000
"""Rows of a file that is loaded as it is; smaller ones are joined. Measured in DuckDB, which fills
row groups of 122,880: four files of 50,000 rows took 5.3 CPU s one after the other, 2.8 as one."""


def read_all(run: TableRun, state: TableState) -> SyncSteps:
    """All rows, or the next ``max_rows_per_load`` of them.

    Rows read in one package replace the destination's table: that removes deleted rows and needs
    no merge. Rows of several packages are merged, so that the table is never empty for long; a
    comparison with the destination then finds the deleted rows. A history is never replaced, nor
    is a log, whose older rows Dataverse may have purged.
    """
    limit = run.settings.max_rows_per_load
    if len(run.reader.table.key_columns) > 1 or run.landed is not None:
        limit = None  # keys of two columns cannot be compared after the last package
    if run.settings.history:
        merges = not begins(run)
    else:
        kept = run.settings.deletes == "keep" or run.reader.table.is_log
        split = limit is not None or kept
        merges = split and run.destination.has_rows()
    if run.environment and run.merge_strategy == UPSERT:  # dlt could only replace the whole table
        merges = True
    replaces = state.resume is None and not merges
    began = run.now()
    run.watch.doing(READING_ROWS)
    if isinstance(run.reader, QueryReader):
        for rows in run.reader.rows_of_query(run.workers):
            yield RowBatch(rows, replace=True)
        return replace(state, complete=True, compared=began, proof=None)
    if run.landed is None:
        batches = Drain(read_rows(run.reader, run.workers, state.resume, limit, replaces=replaces))
        for rows in batches:
            yield RowBatch(rows, replace=replaces)
        left = batches.result
    else:
        yield from _landed_rows(run, run.landed, replaces=replaces)
        left = Remainder(parallel=True)
    if left.resume is not None:
        return replace(state, resume=left.resume, more=True)
    more = state.resume is not None or left.parallel
    compared = began if replaces else None
    return replace(state, complete=True, resume=None, more=more, compared=compared, proof=None)


def _landed_rows(run: TableRun, landed: Landed, *, replaces: bool) -> Iterator[RowBatch]:
    """The rows that were read in parts, in at least one batch."""
    read_any = False
    as_they_are = replaces and file_place(run) is not None
    for rows in landed.rows():
        read_any = True
        if isinstance(rows, pa.Table):
            yield RowBatch(rows, replace=replaces)
        elif as_they_are and rows.rows >= LEAST_ROWS:
            yield RowBatch(pa.concat_tables(rows.tables(known_columns(run))), replaces, rows)
        else:
            for some in prefetch(rows.tables(), run.workers):
                yield RowBatch(some, replace=replaces)
    if not read_any:
        yield RowBatch(run.reader.schema.arrow.empty_table(), replace=replaces)
