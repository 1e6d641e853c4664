"""A first read whose rows were read before, in parts, by other processes.

The plan of such a read takes the delta link or the cursor before the first part is read, so what
changes meanwhile comes with the ordinary run that follows. Rows that are newer than the plan may be
left out of the parts: that run brings them.
"""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from dataverse_source.errors import ConfigurationError
from dataverse_source.sync.changes import is_too_old
from dataverse_source.sync.context import READING_KEYS, TableRun
from dataverse_source.sync.cursor import first_watermark
from dataverse_source.sync.first_delta_link import NotTrackedError, with_first_delta_link
from dataverse_source.sync.plan import Plan, without_tracking
from dataverse_source.sync.read.created_on import CREATED_ON, CreatedOnCounts
from dataverse_source.sync.read.table_reader import VERSION
from dataverse_source.sync.seen_columns import NOT_KNOWN, is_same
from dataverse_source.sync.state import TableState, TrackingRefusal

PLAN_AGAIN = "Plan the load again; parts that were read for this plan are of no use any more."


def whole_because(run: TableRun, plan: Plan) -> str | None:
    """Why a table cannot be read in parts; None if it can."""
    schema = run.reader.schema.arrow
    if plan.mode == "full":
        return f"all its rows are read in every run: {plan.reason}"
    if len(run.reader.schema.key) > 1:
        return "its key has several columns"
    if CREATED_ON not in schema.names or not pa.types.is_timestamp(schema.field(CREATED_ON).type):
        return f"it has no {CREATED_ON}, by which rows are divided"
    if VERSION not in schema.names:
        return f"it has no {VERSION}, which tells rows that are created again meanwhile"
    return None


def is_loaded(run: TableRun, plan: Plan, state: TableState) -> bool:
    """Whether the next ordinary run reads only what has changed.

    Args:
        run: the run of the table.
        plan: its sync mode.
        state: as it was chosen for the plan.
    """
    if plan.mode == "full" or not state.complete:
        return False
    return not (plan.mode == "changes" and is_too_old(run, state))


def begin(
    run: TableRun, plan: Plan, state: TableState, counts: CreatedOnCounts
) -> tuple[Plan, TableState]:
    """Takes the delta link or the cursor, and counts the rows, before any part is read.

    Returns:
        The plan, which is another one if Dataverse does not track the table's changes, and the
        state for the parts.

    Raises:
        DataverseError: the table can't be read.
    """
    state = replace(state.restarted(plan.mode, run.columns), landed="")
    if plan.mode == "changes":
        try:
            return plan, with_first_delta_link(run, state, counts)
        except NotTrackedError as refusal:
            reason = str(refusal)
            plan = without_tracking(run.reader.table, reason)
            state = replace(state, tracking_refusal=TrackingRefusal(run.now(), reason))
            state = state.restarted(plan.mode, run.columns)
    if plan.column is not None:
        state = replace(state, watermark=first_watermark(run, plan.column))
        run.watch.doing(READING_KEYS)
        for rows in run.reader.keys(CREATED_ON):
            run.watch.page(rows.num_rows)
            counts.add(rows)
    return plan, state


def take_over(run: TableRun, plan: Plan, state: TableState) -> tuple[TableRun, TableState]:
    """The run and the state to continue from, if the table's rows have been read in parts.

    Parts are used once. Later load packages, and runs of a table that is loaded, are ordinary ones.

    Raises:
        ConfigurationError: the parts do not fit to the table as it is now.
    """
    landed = run.landed
    if landed is None:
        return run, state
    if state.complete or state.landed == landed.plan:
        return replace(run, landed=None), state
    before = landed.state
    if before.columns != run.columns:
        raise _changed(run, "its columns, filter or environment have changed since the plan")
    if before.mode != plan.mode:
        raise _changed(
            run,
            f"the plan was to sync it by {before.mode}, and now it is {plan.mode}: {plan.reason}",
        )
    hidden = state.hidden_columns
    if hidden != NOT_KNOWN and not is_same(before.hidden_columns, hidden):
        raise _changed(run, "column security has changed since the plan")
    return run, replace(before, landed=landed.plan, refused_columns=run.refused_columns)


def _changed(run: TableRun, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"The parts of {run.name} cannot be loaded: {why}", where=run.name, remedy=PLAN_AGAIN
    )
