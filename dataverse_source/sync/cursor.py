"""Syncs a table by a cursor: reads the rows that are newer than the last run saw.

The cursor is modifiedon or versionnumber. Rows commit late: a row may become visible after others
that have a later modifiedon or a higher version number. So every read starts some time before the
last one (the lookback), and the merge into the destination removes repeated rows. A log's cursor
is createdon.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pyarrow.compute as pc

from dataverse_source.sync.context import READING_CHANGES, RowBatch, SyncSteps, TableRun
from dataverse_source.sync.full import read_all
from dataverse_source.sync.read.created_on import CREATED_ON
from dataverse_source.sync.read.query import MODIFIED_ON, literal, modified_filters
from dataverse_source.sync.read.table_reader import VERSION, VERSION_MARGIN
from dataverse_source.sync.read.workers import prefetch
from dataverse_source.sync.state import Checkpoint, TableState, Watermark

MOST_CHECKPOINTS = 40
"""Most checkpoints in a state, however long the lookback is and however often the table is read."""


LOG_LOOKBACK = timedelta(hours=4)
"""Least overlap of reads of a log: audit rows are written later than the changes that they tell of
(docs: "Auditing"), by minutes or hours when there is much to write."""

SHORT = timedelta(minutes=5)
"""A read of all of a log that takes no longer is not followed by another one in the same run."""


def sync_cursor(run: TableRun, state: TableState, column: str) -> SyncSteps:
    """All rows at first, then the newer ones.

    Args:
        run: the run of the table.
        state: of the table.
        column: modifiedon, versionnumber, or createdon for a log.
    """
    watermark = state.watermark or first_watermark(run, column)
    if not state.complete or state.watermark is None:
        state = yield from read_all(run, replace(state, complete=False, watermark=watermark))
        if column == CREATED_ON and state.complete and _is_fresh(run, watermark):
            return replace(state, more=False)  # what has come meanwhile comes with the next run
        # The next package reads what has changed meanwhile, and compares the table.
        return replace(state, more=True, compared=None)
    follows, state = state.more, replace(state, more=False)
    run.watch.doing(READING_CHANGES)
    first = watermark.modified_since if follows and column == CREATED_ON else None
    if first is None:
        filters, order = _newer(run, watermark, column)
    else:  # only what came while all rows were read; what is written late, the next run reads
        filters, order = [_created_since(first - SHORT)], None
    began, highest, has_rows = run.now(), 0, False
    for rows in prefetch(run.reader.batches(filters, order=order), run.workers):
        if not rows.num_rows:
            continue
        has_rows = True
        if column == VERSION:
            highest = max(highest, pc.max(rows[VERSION]).as_py() or 0)
        yield RowBatch(rows)
    if column == VERSION:
        lookback = timedelta(seconds=run.settings.lookback_seconds)
        checkpoints = next_checkpoints(watermark.checkpoints, began, highest, lookback)
        watermark = Watermark(checkpoints=checkpoints)
    elif first is None and (has_rows or watermark.modified_since is None):
        watermark = Watermark(modified_since=began)
    # Else the next read may start where this one did: a state that stays needs no load package.
    return replace(state, watermark=watermark)


def first_watermark(run: TableRun, column: str) -> Watermark:
    """The watermark before the first row is read."""
    began = run.now()
    if column in (MODIFIED_ON, CREATED_ON):
        return Watermark(modified_since=began)
    highest = run.reader.highest_version()
    before = began - timedelta(seconds=run.settings.lookback_seconds)
    low = max(highest - VERSION_MARGIN, 0)
    return Watermark(checkpoints=(Checkpoint(before, low), Checkpoint(began, highest)))


def _newer(run: TableRun, watermark: Watermark, column: str) -> tuple[list[str], str | None]:
    """Filters and order of a read.

    Rows by modifiedon come in the order of their keys. If one changes meanwhile, the next run
    reads it, because that run starts before this one began. Rows by version number come in its
    order, in which a changed row moves to the end.
    """
    lookback = timedelta(seconds=run.settings.lookback_seconds)
    if column == CREATED_ON:
        began = watermark.modified_since
        if began is None:
            return [], None
        return [_created_since(began - max(lookback, LOG_LOOKBACK))], None
    if column == MODIFIED_ON:
        since = watermark.modified_since
        return modified_filters(since and since - lookback, None), None
    start = start_version(watermark.checkpoints, lookback)
    return [f"{VERSION} gt {start}"], VERSION


def _created_since(moment: datetime) -> str:
    return f"{CREATED_ON} ge {literal(moment)}"


def _is_fresh(run: TableRun, watermark: Watermark) -> bool:
    """Whether a read of all rows began so recently that a second read is not worth a request."""
    began = watermark.modified_since
    return began is not None and run.now() - began <= SHORT


def start_version(checkpoints: tuple[Checkpoint, ...], lookback: timedelta) -> int:
    """The version number above which the next read starts: a lookback before the last read."""
    last = checkpoints[-1].time - lookback
    older = [one.version for one in checkpoints if one.time <= last]
    return older[-1] if older else checkpoints[0].version


def next_checkpoints(
    checkpoints: tuple[Checkpoint, ...], began: datetime, highest: int, lookback: timedelta
) -> tuple[Checkpoint, ...]:
    """The checkpoints for the next read: the last lookback's, the one before, and a new one.

    Args:
        checkpoints: those of the last read.
        began: when this read began.
        highest: the highest version number that it saw; 0 if it saw none.
        lookback: time that the next read starts before this one.
    """
    highest = max(highest, checkpoints[-1].version)
    if all(one.version == highest for one in checkpoints):
        return checkpoints
    old = [one for one in checkpoints if one.time <= began - lookback]
    recent = [one for one in checkpoints if one not in old]
    return _thinned((*old[-1:], *recent, Checkpoint(began, highest)))


def _thinned(checkpoints: tuple[Checkpoint, ...]) -> tuple[Checkpoint, ...]:
    """Drops checkpoints beyond `MOST_CHECKPOINTS`.

    A read that would start at a dropped checkpoint starts at the one before.
    """
    while len(checkpoints) > MOST_CHECKPOINTS:
        times = [one.time for one in checkpoints]
        gaps = [after - before for before, after in zip(times, times[2:], strict=False)]
        dropped = 1 + gaps.index(min(gaps))
        checkpoints = (*checkpoints[:dropped], *checkpoints[dropped + 1 :])
    return checkpoints
