"""Compares the destination's keys with Dataverse's to find deleted and missing rows.

It is for tables whose deletes Dataverse does not report, and for long reads that did not replace
the table. It asks the destination first, so that a row created since does not look deleted.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pyarrow as pa

from dataverse_source.arrow.keys import difference
from dataverse_source.config.log import logger
from dataverse_source.sync.context import DeletedKeys, SyncSteps, TableRun, read_again
from dataverse_source.sync.state import TableState

FEW = 500
"""Up to this many suspected keys are read again to confirm that they are deleted, or missing."""


def is_due(run: TableRun, state: TableState, default_hours: float | None) -> bool:
    """Whether this run has to compare the keys.

    Args:
        run: the run of the table.
        state: tells when they were last compared.
        default_hours: interval if the settings have none; None: never.
    """
    hours = run.settings.sweep_interval
    hours = default_hours if hours is None else hours
    if state.compared is None:
        return state.complete
    return hours is not None and run.now() - state.compared >= timedelta(hours=hours)


def sweep(
    run: TableRun, state: TableState, *, seen: pa.Array, there: pa.Array | None = None
) -> SyncSteps:
    """Compares keys; outputs the deleted ones and the rows that the destination lacks.

    Args:
        run: the run of the table.
        state: of the table.
        seen: keys of the rows that this run has output and that are not loaded yet.
        there: Dataverse's keys, if they have been read already.
    """
    began = run.now()
    known = run.destination.keys()
    if known is None:
        logger.warning(
            "%s: deleted rows are not found, because this destination cannot return its keys",
            run.name,
        )
        return replace(state, compared=began)
    there = run.reader.keys() if there is None else there
    gone = difference(difference(known, there), run.destination.recorded())
    if 0 < len(gone) <= FEW:
        gone = difference(gone, (yield from read_again(run, gone)))
    missing = difference(difference(there, known), seen)
    if 0 < len(missing) <= FEW:
        yield from read_again(run, missing)
    if len(gone):
        yield DeletedKeys(gone)
    return replace(state, compared=began)
