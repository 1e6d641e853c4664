"""Finds deleted rows by their keys: those that are loaded, without those that Dataverse has.

It is for tables whose deletes nobody reports, and after long reads that did not replace the
table. The keys that are loaded are taken first: a row created since can't look deleted.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pyarrow as pa

from dataverse_source.config.log import logger
from dataverse_source.sync.context import DeletedKeys, SyncSteps, TableRun, read_again, without
from dataverse_source.sync.state import TableState, moment

FEW = 500
"""Keys that are asked for one by one before a row is taken to be gone, or for missing."""


def is_due(run: TableRun, state: TableState, default_hours: float | None) -> bool:
    """Whether the keys are to be compared in this run.

    Args:
        run: of the table.
        state: when it was last done.
        default_hours: the interval where the settings have none; None: never.
    """
    hours = run.settings.sweep_interval
    hours = default_hours if hours is None else hours
    swept = moment(state.swept)
    if swept is None:
        return state.complete
    return hours is not None and run.now() - swept >= timedelta(hours=hours)


def sweep(
    run: TableRun, state: TableState, *, seen: pa.Array, there: pa.Array | None = None
) -> SyncSteps:
    """Compares keys; gives those that are gone, and rows that are missing without a reason.

    Args:
        run: of the table.
        state: of the table.
        seen: keys of rows that this run has given, and that are not loaded yet.
        there: the keys that Dataverse has, where they have been read already.
    """
    began = run.now()
    known = run.destination.keys()
    if known is None:
        logger.warning(
            "%s: deleted rows can't be found, as this destination can't be asked for its keys",
            run.name,
        )
        return replace(state, swept=began.isoformat())
    there = run.reader.keys() if there is None else there
    gone = without(without(known, there), run.destination.recorded())
    if 0 < len(gone) <= FEW:
        gone = without(gone, (yield from read_again(run, gone)))
    missing = without(without(there, known), seen)
    if 0 < len(missing) <= FEW:
        yield from read_again(run, missing)
    if len(gone):
        yield DeletedKeys(gone)
    return replace(state, swept=began.isoformat())
