"""Syncs a table by change tracking: rows created, changed or deleted since the last run.

Source: Microsoft's docs "Use change tracking to synchronize data with external systems". They do
not say whether a first delta link stands for the first or the last page of its chain, which is
read by keys alone. Where a comparison of all versions finds whatever changed meanwhile, the rows
are read beside the chain; elsewhere after it, so that the first delta holds what changes from then.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from dataverse_source.arrow.decode import Page
from dataverse_source.arrow.keys import concat, difference, intersection
from dataverse_source.config.log import logger
from dataverse_source.errors import ResponseError
from dataverse_source.sync.context import (
    READING_CHANGES,
    DeletedKeys,
    Output,
    RowBatch,
    SyncSteps,
    TableRun,
    read_again,
)
from dataverse_source.sync.first_delta_link import (
    NOT_TRACKED,
    NotTrackedError,
    begin_first_link,
    finds_all_changes,
    tracking_error,
    with_awaited_link,
    with_delta_link,
    with_link_of_walk,
)
from dataverse_source.sync.full import read_all
from dataverse_source.sync.late_commits import read_late
from dataverse_source.sync.read.stored_links import (
    delta_link_version,
    restore,
)
from dataverse_source.sync.read.table_reader import VERSION
from dataverse_source.sync.state import DeltaLink, TableState

EXPIRED = "0x80044352"
"""ExpiredVersionStamp: a delta link is too old, or the table's schema has changed since."""

FRESH = timedelta(days=1)
"""If a delta is empty and its link is younger than this, keep the old link, so that the run stores
no state. Dataverse keeps tracked changes much longer (7 days by default)."""

MOST_REFUSED_LINKS = 2
"""After this many refused delta links in a row, treat the table as not trackable. One refusal is
normal: a link expires, or the schema changes while the rows are read."""

MANY_KEYS = 5000
"""If a delta holds more keys than this and no rows, read the whole table instead of each key."""


class _DeltaLinkRefusedError(Exception):
    """The delta link cannot be used any more; the text says why."""


@dataclass
class _Delta:
    """What the pages of a delta hold: keys of whole rows, of bare rows, of deleted rows."""

    changed: list[pa.Array] = field(default_factory=list)
    bare: list[pa.Array] = field(default_factory=list)
    deleted: list[pa.Array] = field(default_factory=list)
    link: str | None = None
    holds_all_rows: bool = False

    @property
    def is_empty(self) -> bool:
        return not any(map(len, (*self.changed, *self.bare, *self.deleted)))


def sync_changes(run: TableRun, state: TableState) -> SyncSteps:
    """All rows at first, then what has changed.

    Raises:
        NotTrackedError: before any output; also if Dataverse refuses new delta links.
    """
    if not state.complete:
        if state.delta is None:
            state = begin_first_link(run, state)
        state = yield from read_all(run, state)
        if state.delta is None:
            state = with_link_of_walk(run, state)
        # The next package reads what has changed meanwhile, and compares the table.
        return replace(state, more=True, compared=None)
    if state.delta is None:
        state = with_awaited_link(run, state)
        if not finds_all_changes(run):  # which came before the link
            return (yield from sync_changes(run, replace(state, complete=False)))
    try:
        _check_age(run, state)
        return (yield from _follow(run, replace(state, more=False, refused_links=0)))
    except _DeltaLinkRefusedError as refusal:
        if state.refused_links >= MOST_REFUSED_LINKS:
            reason = "Dataverse refuses the delta links that it has just given"
            raise NotTrackedError(f"{reason} ({refusal})") from refusal
        logger.warning("%s: %s; all its rows are read again", run.name, refusal)
    state = replace(state, refused_links=state.refused_links + 1)
    return (yield from sync_changes(run, state.restarted(state.mode, state.columns)))


def has_expired(refusal: ResponseError) -> bool:
    """Whether Dataverse says that a delta link has expired, whatever the response's status."""
    text = f"{refusal.code} {refusal.why}"
    return EXPIRED in text.lower() or re.search(r"version stamp.*expired", text, re.I) is not None


def _check_age(run: TableRun, state: TableState) -> None:
    """Raises if the delta link has expired: older versions of Dataverse then return all rows."""
    if is_too_old(run, state):
        raise _DeltaLinkRefusedError("its delta link is older than Dataverse keeps tracked changes")


def is_too_old(run: TableRun, state: TableState) -> bool:
    """Whether the delta link is older than Dataverse keeps tracked changes."""
    given = state.delta.given if state.delta else None
    if given is None or run.now() - given <= FRESH:
        return False
    return run.now() - given > run.retention()


def _check_version(before: int | None, link: str | None) -> None:
    """Raises if version numbers are lower than before: the environment was restored or reset."""
    now = delta_link_version(link) if link else None
    if before is not None and now is not None and now < before:
        raise _DeltaLinkRefusedError(
            f"Dataverse's version numbers have gone back from {before} to {now}, as when an "
            "environment is restored"
        )


def _follow(run: TableRun, state: TableState) -> SyncSteps:
    """Outputs what the delta holds.

    Rows change while a delta of several pages is read, and the docs do not say whether its link
    leaves them out. So such a delta is read twice: first by keys alone, for a link, and then for
    the rows, which hold everything up to that link.
    """
    if state.delta is None:
        raise _DeltaLinkRefusedError("it has no delta link")
    run.watch.doing(READING_CHANGES)
    delta, link, given = _Delta(), None, None
    first_version = delta_link_version(state.delta.link)
    pages = _pages(run, state.delta)
    first = next(pages)
    if first.next_link is not None:
        link, given = _newest_delta_link(run, state.delta), run.now()
        pages = _pages(run, state.delta)
        first = next(pages)
    _check_version(first_version, link or first.delta_link)
    for page in itertools.chain([first], pages):
        rows = _take(page, delta, VERSION in page.rows.column_names)
        if rows.num_rows:
            lowest = pc.min(rows[VERSION]).as_py()
            delta.holds_all_rows |= first_version is not None and lowest <= first_version
            yield RowBatch(rows)
    state, late = yield from read_late(run, state)
    if delta.link is not None and delta.is_empty and _is_fresh(run, state):
        return _checked(run, state, delta)
    gone = difference((yield from _resolve_open_keys(run, delta)), late)
    if len(gone):
        yield DeletedKeys(gone)
    state = with_delta_link(run, state, link or delta.link, given or run.now())
    return _checked(run, state, delta)


def _is_fresh(run: TableRun, state: TableState) -> bool:
    link = state.delta
    if link is None or link.given is None:
        return False
    return link.all_columns and run.now() - link.given <= FRESH


def _take(page: Page, delta: _Delta, has_versions: bool) -> pa.Table:
    """Notes the keys of a page; returns its rows, without those that hold only their key."""
    delta.link = page.delta_link
    delta.deleted.append(page.deleted)
    whole = page.rows[:0]
    if has_versions:
        is_whole = page.rows[VERSION].is_valid()
        whole = page.rows.filter(is_whole)
        delta.bare.append(concat([page.rows.column(0).filter(pc.invert(is_whole))]))
    else:
        delta.bare.append(concat([page.rows.column(0)]))
    delta.changed.append(concat([whole.column(0)]))
    if sum(map(len, delta.bare)) > MANY_KEYS and not any(map(len, delta.changed)):
        raise _DeltaLinkRefusedError("Dataverse returned many changed keys without their rows")
    return whole


def _pages(run: TableRun, delta: DeltaLink) -> Iterator[Page]:
    """The pages of the delta; with keys only if Dataverse refuses all columns for this link."""
    reader = run.reader
    url = restore(delta.link, reader.client.environment_url, reader.select)
    try:
        return _started(reader.changes(url, run.workers))
    except ResponseError as refusal:
        if delta.all_columns or not _may_take_other_columns(refusal):
            raise _refused(refusal) from refusal
    url = restore(delta.link, reader.client.environment_url, delta.select or reader.key)
    try:
        return _started(reader.key_changes(url))
    except ResponseError as refusal:
        raise _refused(refusal) from refusal


def _newest_delta_link(run: TableRun, delta: DeltaLink) -> str | None:
    """The link at the end of the delta, read by keys alone if Dataverse allows that."""
    reader = run.reader
    url = restore(delta.link, reader.client.environment_url, delta.select or reader.key)
    try:
        return reader.newest_delta_link(url)
    except ResponseError as refusal:
        if not _may_take_other_columns(refusal):
            raise _refused(refusal) from refusal
    url = restore(delta.link, reader.client.environment_url, reader.select)
    try:
        return reader.newest_delta_link(url)
    except ResponseError as refusal:
        raise _refused(refusal) from refusal


def _started(pages: Iterator[Page]) -> Iterator[Page]:
    return itertools.chain([next(pages)], pages)


def _may_take_other_columns(refusal: ResponseError) -> bool:
    """Whether Dataverse may accept the delta link with other columns than these."""
    return refusal.status == 400 and (refusal.code or "").lower() not in NOT_TRACKED


def _refused(refusal: ResponseError) -> Exception:
    """The error that a refusal of a delta link stands for."""
    if refusal.status == 401:
        return refusal
    error = tracking_error(refusal)
    if error is not refusal:
        return error
    if has_expired(refusal) or (400 <= refusal.status < 500 and refusal.status not in (408, 429)):
        return _DeltaLinkRefusedError(
            f"Dataverse no longer accepts its delta link ({refusal.code or refusal.status})"
        )
    return refusal


def _resolve_open_keys(run: TableRun, delta: _Delta) -> Generator[Output, None, pa.Array]:
    """Reads the rows that the delta leaves open; returns the keys of deleted rows.

    A key that came both as a row and as deleted may be either: Dataverse does not say in which
    order that happened.
    """
    changed, bare, deleted = concat(delta.changed), concat(delta.bare), concat(delta.deleted)
    open_keys = pc.unique(pa.concat_arrays([bare, intersection(deleted, changed)]))
    there = yield from read_again(run, open_keys)
    return difference(pa.concat_arrays([deleted, open_keys]), there)


def _checked(run: TableRun, state: TableState, delta: _Delta) -> TableState:
    """The state; without the time of the last comparison if the delta can't hold all deletes.

    That is a delta of all rows, or one that does not tell of a row that is gone.
    """
    missing = run.missing_newest
    untold = missing is not None and missing not in concat(delta.deleted).to_pylist()
    return replace(state, compared=None) if delta.holds_all_rows or untold else state
