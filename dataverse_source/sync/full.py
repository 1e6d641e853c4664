"""Reads all rows of a table, whole or as one of several load packages."""

from __future__ import annotations

from dataclasses import replace

from dataverse_source.sync.context import RowBatch, SyncSteps, TableRun
from dataverse_source.sync.read.created_on import to_states
from dataverse_source.sync.read.table_reader import joined
from dataverse_source.sync.read.whole_table import Remainder, read_rows
from dataverse_source.sync.state import TableState
from dataverse_source.sync.sweep import sweep
from dataverse_source.sync.write.history import begins


def read_all(run: TableRun, state: TableState) -> SyncSteps:
    """All rows, or the next ``max_rows_per_load`` of them.

    Read in one package they replace the table: nothing that is gone stays, and no merge has to
    be paid for. Otherwise they are merged into it, so that it is never without its rows for
    long, and what is gone is found by the keys in the end. A history is never replaced.
    """
    limit = run.settings.max_rows_per_load
    if len(run.reader.table.key_columns) > 1:
        limit = None  # its keys can't be compared in the end
    split = limit is not None or run.settings.deletes == "keep"
    stays = not begins(run) if run.settings.history else split and run.destination.has_rows()
    in_place = state.link is None and not state.parts and not stays
    began, keys = run.now(), []
    rows_ = read_rows(run, state, limit, replaces=in_place)
    while True:
        try:
            rows = next(rows_)
        except StopIteration as end:
            left: Remainder = end.value
            break
        yield RowBatch(rows, replace=in_place)
        if not in_place:
            keys.append(rows[run.reader.key])
    if not left.nothing:
        parts = to_states(left.intervals)
        return replace(state, link=left.link, parts=parts, more=True)
    goes_on = state.link is not None or bool(state.parts) or left.side_by_side
    done = replace(state, complete=True, link=None, parts=(), more=goes_on)
    if in_place:
        return replace(done, swept=began.isoformat())
    # Rows that were made anew meanwhile may have escaped a read side by side.
    there = joined(keys) if left.from_start and not left.side_by_side else None
    return (yield from sweep(run, done, seen=joined(keys), there=there))
