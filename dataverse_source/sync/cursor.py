"""Reads the rows that are newer than the last run saw, by modifiedon or by versionnumber.

Rows commit late: a row may become visible after others that have a later modifiedon or a
higher version number. So every read starts some time before the last one (lookback), and the
merge into the destination removes what comes twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pyarrow.compute as pc
from dlt.extract.incremental import Incremental

from dataverse_source.sync.context import RowBatch, SyncSteps, TableRun
from dataverse_source.sync.full import read_all
from dataverse_source.sync.read.query import MODIFIED_ON, modified_filters
from dataverse_source.sync.read.table_reader import VERSION, VERSION_MARGIN, joined
from dataverse_source.sync.read.workers import ahead
from dataverse_source.sync.state import TableState, moment
from dataverse_source.sync.sweep import is_due, sweep

SWEEP_HOURS = 24.0
"""How often keys are compared unless ``sweep_interval`` says otherwise."""

MOST_MARKS = 40
"""Marks that are remembered, however long the lookback is and however often a table is read."""


def keep_by_cursor(run: TableRun, state: TableState, column: str) -> SyncSteps:
    """All rows at first, then those that are newer, and now and then a comparison of keys.

    Args:
        run: of the table.
        state: of the table.
        column: modifiedon or versionnumber.
    """
    if not state.complete:
        if state.since is None and not state.versions:
            state = _begun(run, state, column)
        return (yield from read_all(run, state))
    state = replace(state, more=False)
    keys = []
    filters, order = _newer(run, state, column)
    began, highest = run.now(), 0
    for rows in ahead(run.reader.batches(filters, order=order), run.crew):
        keys.append(rows[run.reader.key])
        if column == VERSION and rows.num_rows:
            highest = max(highest, pc.max(rows[VERSION]).as_py() or 0)
        if rows.num_rows:
            yield RowBatch(rows)
    if column == VERSION:
        lookback = timedelta(seconds=run.settings.lookback_seconds)
        state = replace(state, versions=_marks(state, began, highest, lookback))
    else:
        state = replace(state, since=began.isoformat())
    if is_due(run, state, SWEEP_HOURS):
        state = yield from sweep(run, state, seen=joined(keys))
    return state


def read_range(run: TableRun, cursor: Incremental[datetime]) -> Iterator[RowBatch]:
    """Rows modified in a range that the user has put on the resource.

    It is for backfills, piece by piece, by an external scheduler; the table's own state is not
    touched. dlt's filter of rows is off (``advance(None)``), as Dataverse has applied the range.
    """
    cursor.advance(None)  # type: ignore[arg-type]  # documented, missing in the annotation
    began = run.now()
    for rows in run.reader.batches(modified_filters(cursor.start_value, cursor.end_value)):
        yield RowBatch(rows)
    if cursor.end_value is None:
        cursor.advance(began)


def _begun(run: TableRun, state: TableState, column: str) -> TableState:
    """Marks the moment before the first row is read."""
    began = run.now()
    if column == MODIFIED_ON:
        return replace(state, since=began.isoformat())
    highest = run.reader.highest_version()
    before = began - timedelta(seconds=run.settings.lookback_seconds)
    low = max(highest - VERSION_MARGIN, 0)
    return replace(state, versions=((before.isoformat(), low), (began.isoformat(), highest)))


def _newer(run: TableRun, state: TableState, column: str) -> tuple[list[str], str | None]:
    """Filters and order of a read.

    Rows by modifiedon come in the order of their keys: one that is changed meanwhile is read
    by the next run, which starts before the moment at which this one began. Rows by version
    number come in its order, in which a changed row moves to the end.
    """
    lookback = timedelta(seconds=run.settings.lookback_seconds)
    if column == MODIFIED_ON:
        since = moment(state.since)
        start = None if since is None else since - lookback
        return modified_filters(start, None), None
    last = datetime.fromisoformat(state.versions[-1][0]) - lookback
    low = state.versions[0][1]
    for when, version in state.versions:
        if datetime.fromisoformat(when) <= last:
            low = version
    return [f"{VERSION} gt {low}"], VERSION


def _marks(
    state: TableState, began: datetime, highest: int, lookback: timedelta
) -> tuple[tuple[str, int], ...]:
    """The marks for the next read: the last ones that lie a lookback apart, and this one."""
    highest = max(highest, state.versions[-1][1])
    if all(version == highest for _, version in state.versions):
        return state.versions
    old = [mark for mark in state.versions if datetime.fromisoformat(mark[0]) <= began - lookback]
    recent = [mark for mark in state.versions if mark not in old]
    return _thinned((*old[-1:], *recent, (began.isoformat(), highest)))


def _thinned(marks: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
    """At most `MOST_MARKS`; where one is left out, a read starts at the one before."""
    while len(marks) > MOST_MARKS:
        times = [datetime.fromisoformat(when) for when, _ in marks]
        gaps = [after - before for before, after in zip(times, times[2:], strict=False)]
        left_out = 1 + gaps.index(min(gaps))
        marks = (*marks[:left_out], *marks[left_out + 1 :])
    return marks
