"""One run of one table: chooses the way to keep it in step, and goes it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Any

from dataverse_source.config.log import logger
from dataverse_source.loading.progress import watched
from dataverse_source.sync.changes import NotTrackedError, keep_by_changes
from dataverse_source.sync.context import RowBatch, SyncSteps, TableRun
from dataverse_source.sync.cursor import keep_by_cursor
from dataverse_source.sync.full import read_all
from dataverse_source.sync.plan import Plan, make_plan, without_tracking
from dataverse_source.sync.state import TableState, read_state, write_state
from dataverse_source.sync.write.batches import gathered
from dataverse_source.sync.write.items import TableWriter


def table_items(run: TableRun, stored: dict[str, Any]) -> Iterator[Any]:
    """Items for dlt that bring the destination's table in step.

    Args:
        run: of the table.
        stored: its state; changed when the last item has been taken.

    Raises:
        ConfigurationError: the settings ask for what the table does not allow.
        DataverseError: the table can't be read; ``stored`` is as before.
    """
    return watched(run.name, run.reader.client, _items(run, stored))


def _items(run: TableRun, stored: dict[str, Any]) -> Iterator[Any]:
    plan, state = _choose(run, read_state(stored))
    try:
        state = yield from _written(run, plan, state)
    except NotTrackedError as refusal:  # comes before the first item
        reason = str(refusal)
        plan = without_tracking(run.reader.table, reason)
        logger.warning("%s: %s", run.name, plan)
        state = replace(state, refused=run.now().isoformat(), refusal=reason)
        state = state.begun_anew(plan.mode, run.columns)
        state = yield from _written(run, plan, state)
    write_state(state, stored)


def range_items(run: TableRun, outputs: Iterator[RowBatch]) -> Iterator[Any]:
    """Items for dlt of a range of rows; they are merged, and the table's state is not touched.

    Args:
        run: of the table.
        outputs: the rows of the range.
    """

    def steps() -> SyncSteps:
        yield from outputs
        return TableState()

    items = TableWriter(run, "").items(steps())
    return watched(run.name, run.reader.client, items)


def _choose(run: TableRun, state: TableState) -> tuple[Plan, TableState]:
    """How the table is kept in step, and the state to go on from."""
    plan = make_plan(run.reader.table, run.settings, state, run.now())
    if state.mode == plan.mode and state.columns == run.columns:
        logger.info("%s: %s", run.name, plan)
        return plan, state
    if not state.mode and plan.fell_back:
        logger.warning("%s: %s", run.name, plan)
    elif not state.mode:
        logger.info("%s: %s", run.name, plan)
    elif state.mode != plan.mode:
        logger.warning("%s: %s All its rows are read again", run.name, plan)
    else:
        logger.warning(
            "%s: its columns, filter or environment have changed; all its rows are read again",
            run.name,
        )
    return plan, state.begun_anew(plan.mode, run.columns)


def _written(run: TableRun, plan: Plan, state: TableState) -> Generator[Any, None, TableState]:
    steps = gathered(_keep_in_step(run, plan, state))
    return (yield from TableWriter(run, str(plan)).items(steps))


def _keep_in_step(run: TableRun, plan: Plan, state: TableState) -> SyncSteps:
    if plan.mode == "full":
        return (yield from _read_in_full(run, state))
    if plan.column is not None:
        return (yield from keep_by_cursor(run, state, plan.column))
    return (yield from keep_by_changes(run, state))


def _read_in_full(run: TableRun, state: TableState) -> SyncSteps:
    """All rows, and nothing after them: so those that an earlier run has read are read again."""
    if state.link is None and not state.parts:
        state = replace(state, begun_by=run.run_id)
    state = yield from read_all(run, replace(state, complete=False))
    if not state.complete:
        return replace(state, more=True)
    return replace(state, more=state.begun_by != run.run_id, begun_by=None)
