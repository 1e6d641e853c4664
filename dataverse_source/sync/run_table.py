"""One run of one table: chooses its sync mode and outputs what the mode reads."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from typing import Any

from dataverse_source.config.log import logger
from dataverse_source.sync.changes import sync_changes
from dataverse_source.sync.context import READING_ROWS, RowBatch, SyncSteps, TableRun
from dataverse_source.sync.cursor import sync_cursor
from dataverse_source.sync.first_delta_link import NotTrackedError
from dataverse_source.sync.full import read_all
from dataverse_source.sync.landed import take_over
from dataverse_source.sync.plan import Plan, make_plan, without_tracking
from dataverse_source.sync.reconcile import is_due, reconcile
from dataverse_source.sync.seen_columns import NOT_KNOWN, is_same, kind
from dataverse_source.sync.state import TableState, TrackingRefusal, read_state, write_state
from dataverse_source.sync.watch import counted
from dataverse_source.sync.write.batches import large_batches
from dataverse_source.sync.write.items import TableWriter
from dataverse_source.sync.write.row_files import in_files
from dataverse_source.sync.written_rows import WrittenRows, known_columns


def table_items(run: TableRun, stored: dict[str, Any]) -> Iterator[Any]:
    """Items for dlt that bring the destination's table up to date.

    Args:
        run: the run of the table.
        stored: its state; changed when the last item has been taken.

    Raises:
        ConfigurationError: the settings ask for what the table does not allow.
        DataverseError: the table can't be read; ``stored`` has not changed.
    """
    plan, state = choose(run, read_state(stored))
    run, state = take_over(run, plan, state)
    try:
        state = yield from _write(run, plan, state)
    except NotTrackedError as refusal:  # comes before the first item
        reason = str(refusal)
        plan = without_tracking(run.reader.table, reason)
        logger.warning("%s: %s", run.name, plan)
        state = replace(state, tracking_refusal=TrackingRefusal(run.now(), reason))
        state = yield from _write(run, plan, state.restarted(plan.mode, run.columns))
    write_state(state, stored)


def range_items(run: TableRun, outputs: Iterator[RowBatch]) -> Iterator[Any]:
    """Items for dlt of a range of rows; they are merged, and the table's state does not change.

    Args:
        run: the run of the table.
        outputs: the rows of the range.
    """

    def steps() -> SyncSteps:
        yield from outputs
        return TableState()

    run.watch.doing(READING_ROWS)
    return TableWriter(run, "").items(counted(run, steps()))


def choose(run: TableRun, state: TableState) -> tuple[Plan, TableState]:
    """The sync mode of the table, and the state to continue from; logs what has changed.

    Raises:
        ConfigurationError: the settings ask for what the table does not allow.
    """
    plan = make_plan(
        run.reader.table, run.settings, state, run.now(), explicit=run.sync_is_explicit
    )
    before = state.hidden_columns
    hidden = before if run.hidden_columns is None else run.hidden_columns
    state = replace(state, hidden_columns=hidden, refused_columns=run.refused_columns)
    same = is_same(before, hidden)
    if run.hidden_columns and (before is None or not same):
        _log_hidden(run, run.hidden_columns)
    if state.mode == plan.mode and state.columns == run.columns and same:
        logger.info("%s: %s", run.name, plan)
        return plan, state
    if not state.mode and plan.fell_back:
        logger.warning("%s: %s", run.name, plan)
    elif not state.mode:
        logger.info("%s: %s", run.name, plan)
    elif state.mode != plan.mode:
        logger.warning("%s: %s All its rows are read again", run.name, plan)
    elif not same:
        logger.warning("%s: column security has changed; all its rows are read again", run.name)
    else:
        logger.warning(
            "%s: its columns, filter or environment have changed; all its rows are read again",
            run.name,
        )
    state = state.restarted(plan.mode, run.columns)
    if run.hidden_columns is None:  # what is hidden from the rows that are read now?
        state = replace(state, hidden_columns=NOT_KNOWN)
    return plan, state


def _log_hidden(run: TableRun, hidden: Mapping[str, str]) -> None:
    for access in sorted(set(map(kind, hidden.values()))):
        names = ", ".join(sorted(name for name, found in hidden.items() if kind(found) == access))
        logger.warning(
            "%s: column security: these columns are %s for the application user: %s. Give the user "
            "a column security profile that may read them, or leave the columns out "
            "(exclude_columns)",
            run.name,
            access,
            names,
        )


def _write(run: TableRun, plan: Plan, state: TableState) -> Generator[Any, None, TableState]:
    read = _sample(run, state) if run.is_sample and not state.complete else _sync(run, plan, state)
    steps = counted(run, read)
    steps = steps if run.is_sample else in_files(run, known_columns(run), large_batches(steps))
    return (yield from TableWriter(run, str(plan)).items(steps))


def _sample(run: TableRun, state: TableState) -> SyncSteps:
    """The first pages of a table that has not been loaded; the state stays as it was."""
    yield from read_all(run, replace(state.restarted("full", state.columns), complete=False))
    return state


def _sync(run: TableRun, plan: Plan, state: TableState) -> SyncSteps:
    with WrittenRows(run, state.newest) as written:
        state = yield from written.record(_sync_by_mode(run, plan, state))
        newest = written.newest
        if plan.mode == "full" or (newest and newest.key == run.missing_newest):
            newest = None
        state = replace(state, newest=newest)
        if not written.replaces and is_due(run, state):
            state = yield from reconcile(run, state, written)
    return state


def _sync_by_mode(run: TableRun, plan: Plan, state: TableState) -> SyncSteps:
    if plan.mode == "full":
        return (yield from _read_in_full(run, state))
    if plan.column is not None:
        return (yield from sync_cursor(run, state, plan.column))
    return (yield from sync_changes(run, state))


def _read_in_full(run: TableRun, state: TableState) -> SyncSteps:
    """All rows; if an earlier run read some of them, ``more`` asks for another full read."""
    begun_by = state.resume.begun_by if state.resume else run.run_id
    state = yield from read_all(run, replace(state, complete=False))
    if state.resume is not None:
        return replace(state, resume=replace(state.resume, begun_by=begun_by))
    return replace(state, more=begun_by != run.run_id)
