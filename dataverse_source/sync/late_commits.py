"""Reads again what changed around a delta link, because rows may be committed late.

A transaction takes its version number when it begins to write; its rows are visible when it
commits. The docs do not say whether a delta link that is returned in between leaves room for
them. So once a lookback has passed, one more read by modifiedon covers the time around the link.
A table without changes costs no extra request.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from datetime import timedelta

import pyarrow as pa

from dataverse_source.arrow.keys import concat, no_keys
from dataverse_source.sync.context import Output, RowBatch, TableRun
from dataverse_source.sync.read.query import MODIFIED_ON, modified_filters
from dataverse_source.sync.read.stored_links import delta_link_version
from dataverse_source.sync.read.table_reader import VERSION, VERSION_MARGIN
from dataverse_source.sync.state import DeltaLink, TableState

SECOND = timedelta(seconds=1)


def read_late(
    run: TableRun, state: TableState
) -> Generator[Output, None, tuple[TableState, pa.Array]]:
    """Outputs the rows that changed shortly before the delta link was given, if that is due.

    Args:
        run: the run of the table.
        state: with the delta link that this run has followed.

    Returns:
        The new state, and the keys of the rows.
    """
    lookback = timedelta(seconds=run.settings.lookback_seconds)
    delta = state.delta
    if delta is None or delta.settle_from is None or not lookback:
        return state, no_keys()
    if run.now() - delta.settle_from < lookback:
        return state, no_keys()
    settled_until = run.now() - lookback
    keys = []
    filters = _filters(run, delta, lookback)
    if filters:
        for rows in run.reader.batches(filters):
            keys.append(rows[run.reader.key])
            if rows.num_rows:
                yield RowBatch(rows)
    is_open = delta.given is not None and delta.given > settled_until
    delta = replace(delta, settle_from=delta.given if is_open else None)
    return replace(state, delta=delta), concat(keys)


def _filters(run: TableRun, delta: DeltaLink, lookback: timedelta) -> list[str]:
    """Filters of the rows written before the delta link was given; none if they can't be told."""
    if run.reader.table.has(MODIFIED_ON) and delta.settle_from and delta.given:
        return modified_filters(delta.settle_from - lookback, delta.given + SECOND)
    version = delta_link_version(delta.link)
    if version is None:
        return []
    low = max(version - VERSION_MARGIN, 0)
    return [f"{VERSION} gt {low}", f"{VERSION} le {version}"]
