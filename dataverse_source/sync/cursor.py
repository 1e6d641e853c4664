"""Reads the rows modified since the last run, by modifiedon.

The range is put to Dataverse as a filter, with a lookback (rows commit late) and a closed
start (many rows share a second). dlt's incremental keeps the cursor in the pipeline's state.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pyarrow as pa
import pyarrow.compute as pc
from dlt.extract.incremental import Incremental
from dlt.extract.state import get_current_pipe

from dataverse_source.query import MODIFIED_ON, modified_filters
from dataverse_source.sync.reader import TableReader


def modified_cursor(lookback_seconds: float) -> Incremental[datetime]:
    """The cursor over modifiedon of the resource that is being extracted, kept in its state.

    The empty ``primary_key`` switches dlt's own removal of duplicates off: it keeps a hash
    for every row of the last second in the state, and the merge removes them anyway.
    """
    cursor = Incremental[datetime](
        MODIFIED_ON,
        primary_key=(),
        lag=lookback_seconds,
        on_cursor_value_missing="include",
    )
    return cursor.bind(get_current_pipe())


def is_first_read(cursor: Incremental[datetime]) -> bool:
    """Whether no run before has moved the cursor, and no range was set: all rows are read."""
    return cursor.start_value is None and cursor.end_value is None


def read_since(reader: TableReader, cursor: Incremental[datetime]) -> Iterator[pa.Table]:
    """Pages of the rows modified in the cursor's range; moves the cursor after the last page.

    Rows come in the order of their primary key, so each comes once, and one that is changed
    while the pages are read may come in its old state. Therefore the cursor never moves past
    the moment (by Dataverse's clock) at which the read began: the next run reads the change.
    That also keeps a modifiedon that lies in the future, which imports can write, from hiding
    every later change. dlt's own filter of rows is off (``advance(None)``), as Dataverse has
    applied the range already.
    """
    cursor.advance(None)  # type: ignore[arg-type]  # documented, missing in the annotation
    start, end = cursor.start_value, cursor.end_value
    began = reader.client.server_time or datetime.now(timezone.utc)
    newest: datetime | None = None
    for rows in reader.batches(modified_filters(start, end)):
        newest = _later(newest, pc.max(rows.column(MODIFIED_ON)).as_py())
        yield rows
    if end is None and newest is not None:
        reached = min(newest, began)
        if start is None or reached > start + timedelta(seconds=cursor.lag or 0):
            cursor.advance(reached)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((moment for moment in (one, other) if moment is not None), default=None)
