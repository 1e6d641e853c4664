"""Reads once more what changed around a delta link: rows may have been committed late.

A transaction takes its version number when it begins to write, and its rows are seen when it
commits. Nobody tells whether a delta link that was given meanwhile leaves room for them. So the
changes of that time are read once more by modifiedon, when a lookback has passed: one request
for a link that has moved, none where nothing changes.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from datetime import timedelta

import pyarrow as pa

from dataverse_source.sync.context import Output, RowBatch, TableRun
from dataverse_source.sync.read.query import MODIFIED_ON, modified_filters
from dataverse_source.sync.read.stored_links import token_version
from dataverse_source.sync.read.table_reader import VERSION, VERSION_MARGIN, joined
from dataverse_source.sync.state import TableState, moment

SECOND = timedelta(seconds=1)


def read_late(
    run: TableRun, state: TableState
) -> Generator[Output, None, tuple[TableState, pa.Array]]:
    """Gives rows that were changed shortly before the delta link was given, when that is due.

    Args:
        run: of the table.
        state: with the delta link that this run has followed.

    Returns:
        The state, and the keys of the rows.
    """
    lookback = timedelta(seconds=run.settings.lookback_seconds)
    since, given = moment(state.unsettled), moment(state.token_time)
    if since is None or not lookback or run.now() - since < lookback:
        return state, joined([])
    settled = run.now() - lookback
    keys = []
    filters = _between(run, state, lookback)
    if filters:
        for rows in run.reader.batches(filters):
            keys.append(rows[run.reader.key])
            if rows.num_rows:
                yield RowBatch(rows)
    open_still = given is not None and given > settled
    return replace(state, unsettled=state.token_time if open_still else None), joined(keys)


def _between(run: TableRun, state: TableState, lookback: timedelta) -> list[str]:
    """Filters of the rows that may have come late; none where they can't be told.

    They began to be written before the delta link was given.
    """
    table, since, given = run.reader.table, moment(state.unsettled), moment(state.token_time)
    if table.has(MODIFIED_ON) and since is not None and given is not None:
        return modified_filters(since - lookback, given + SECOND)
    version = token_version(str(state.token))
    if version is None:
        return []
    low = max(version - VERSION_MARGIN, 0)
    return [f"{VERSION} gt {low}", f"{VERSION} le {version}"]
