"""The first delta link of a table, and the state with a new one.

The link stands at the end of a chain of pages with all keys. See `dataverse_source.sync.changes`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from dataverse_source.config.log import logger
from dataverse_source.errors import AccessDeniedError, ProtocolError, ResponseError
from dataverse_source.sync.context import READING_KEYS, TableRun
from dataverse_source.sync.first_links import LinkWalk
from dataverse_source.sync.read.created_on import CreatedOnCounts
from dataverse_source.sync.read.stored_links import selected, shorten
from dataverse_source.sync.read.table_reader import VERSION
from dataverse_source.sync.state import DeltaLink, TableState
from dataverse_source.sync.written_rows import version_column

NOT_TRACKED = frozenset({"0x80072491", "0x80072492"})
"""ChangeTrackingNotEnabledForEntity, and the same for the ends of an intersect table."""


class NotTrackedError(Exception):
    """Dataverse does not track the table's changes for this user; the text says why."""


def begin_first_link(run: TableRun, state: TableState) -> TableState:
    """The state with the first delta link, or without it if the rows need not wait for it.

    Raises:
        NotTrackedError: Dataverse does not track the table's changes.
    """
    run.watch.doing(READING_KEYS)
    walk = _walk(run)
    if walk.is_done or not finds_all_changes(run):
        return with_awaited_link(run, state)
    walk.go_on()
    return state


def with_link_of_walk(run: TableRun, state: TableState) -> TableState:
    """The state after a package of rows; with the delta link, if no other package takes it."""
    walk = _walk(run)
    if run.first_links.outlive_packages and (walk.given is None or not state.complete):
        return state
    try:
        return with_awaited_link(run, state)
    except NotTrackedError as refusal:  # since the walk began; the next package begins anew
        logger.warning("%s: %s", run.name, refusal)
        return state


def with_awaited_link(run: TableRun, state: TableState) -> TableState:
    """The state with the first delta link, which is waited for.

    Raises:
        NotTrackedError: Dataverse does not track the table's changes.
    """
    walk = _walk(run)
    if not walk.is_done:
        run.watch.doing(READING_KEYS)
    try:
        link = walk.link(run.watch.page)
    except ResponseError as refusal:
        raise tracking_error(refusal) from refusal
    finally:
        run.first_links.forget(run.reader.table.logical_name)
    return with_delta_link(
        run, replace(state, tracking_refusal=None), link, walk.given or run.now()
    )


def finds_all_changes(run: TableRun) -> bool:
    """Whether the comparison after the first load finds whatever changes until then.

    It compares version numbers, which change with every change of a row.
    """
    has_version = version_column(run) == VERSION and len(run.reader.table.key_columns) == 1
    if not has_version or run.settings.write == "append":
        return False
    return run.destination.can_be_asked()


def with_first_delta_link(
    run: TableRun, state: TableState, counts: CreatedOnCounts | None = None
) -> TableState:
    """The state with a delta link for everything that changes from now on.

    Args:
        run: the run of the table.
        state: of the table.
        counts: is told when the rows were created, which are read anyway; None: nobody asks.

    Raises:
        NotTrackedError: Dataverse does not track the table's changes.
    """
    run.watch.doing(READING_KEYS)
    try:
        link = run.reader.newest_delta_link(on_page=run.watch.page, counts=counts)
    except ResponseError as refusal:
        raise tracking_error(refusal) from refusal
    return with_delta_link(run, replace(state, tracking_refusal=None), link, run.now())


def with_delta_link(
    run: TableRun, state: TableState, link: str | None, given: datetime
) -> TableState:
    """The state with a new delta link.

    Args:
        run: the run of the table.
        state: of the table.
        link: from the last page of a chain.
        given: when it was given, by Dataverse's clock.

    Raises:
        ProtocolError: the last page had none.
    """
    if link is None:
        raise ProtocolError(
            "The last page of changes has no delta link",
            where=run.name,
            remedy="Set sync = 'cursor' or 'full' for the table: they need no delta link.",
        )
    settle_from = (state.delta and state.delta.settle_from) or given
    select, few = selected(link), run.reader.key_and_creation
    made_by_few = select in (run.reader.key, few)
    delta = DeltaLink(
        shorten(link), not made_by_few, given, settle_from, few if select == few else ""
    )
    return replace(state, delta=delta)


def _walk(run: TableRun) -> LinkWalk:
    """The walk to the first delta link, which begins unless it has begun.

    Raises:
        NotTrackedError: Dataverse does not track the table's changes.
    """
    pages, table = run.reader.pages_to_delta_link, run.reader.table.logical_name
    try:
        return run.first_links.begin(table, pages, run.now)
    except ResponseError as refusal:
        raise tracking_error(refusal) from refusal


def tracking_error(refusal: ResponseError) -> Exception:
    """`NotTrackedError` if Dataverse does not track changes for this user; else the refusal."""
    if isinstance(refusal, AccessDeniedError):
        return NotTrackedError(
            "the application user may not follow changes, which takes read access to all rows"
        )
    if (refusal.code or "").lower() in NOT_TRACKED:
        return NotTrackedError("Dataverse does not track its changes")
    return refusal
