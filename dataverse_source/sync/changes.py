"""Follows change tracking: what was created, changed or deleted since the last run.

Source: Microsoft's docs "Use change tracking to synchronize data with external systems". They
do not say whether a first delta link stands for the moment of its chain's first or last page.
So the first link is asked for before the rows are read, by keys alone; whatever changes from
then on is in the first delta.
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
from dataverse_source.config.log import logger
from dataverse_source.errors import AccessDeniedError, ProtocolError, ResponseError
from dataverse_source.sync.context import (
    DeletedKeys,
    Output,
    RowBatch,
    SyncSteps,
    TableRun,
    common,
    read_again,
    without,
)
from dataverse_source.sync.full import read_all
from dataverse_source.sync.late_commits import read_late
from dataverse_source.sync.read.stored_links import restore, selects, shorten, token_version
from dataverse_source.sync.read.table_reader import VERSION, joined
from dataverse_source.sync.state import TableState, moment
from dataverse_source.sync.sweep import is_due, sweep

EXPIRED = "0x80044352"
"""ExpiredVersionStamp: a delta link is too old, or the table's schema has changed since."""

NOT_TRACKED = frozenset({"0x80072491", "0x80072492"})
"""ChangeTrackingNotEnabledForEntity, and the same for the ends of an intersect table."""

FRESH = timedelta(days=1)
"""A delta link younger than this is kept when it brings nothing: nothing has to be saved then.
It is far below the days that Dataverse keeps track (default 7)."""

MOST_REFUSED_LINKS = 2
"""Delta links in a row that may be refused, each after all rows have been read for it: a link may
expire, and the schema may change while rows are read. More is how Dataverse is."""

MANY_KEYS = 5000
"""Changed rows that are read again by key; more are read with the whole table instead."""


class NotTrackedError(Exception):
    """Dataverse does not let the changes of the table be followed; the text tells why."""


class _TokenRefusedError(Exception):
    """The delta link is of no use any more; the text tells why."""


@dataclass
class _Chain:
    """What the pages of a delta have told."""

    changed: list[pa.Array] = field(default_factory=list)
    bare: list[pa.Array] = field(default_factory=list)
    deleted: list[pa.Array] = field(default_factory=list)
    link: str | None = None
    is_full: bool = False

    @property
    def is_empty(self) -> bool:
        return not any(map(len, (*self.changed, *self.bare, *self.deleted)))


def keep_by_changes(run: TableRun, state: TableState) -> SyncSteps:
    """All rows at first, then what has changed.

    Raises:
        NotTrackedError: before any output; also where no delta link is taken, however new.
    """
    if not state.complete:
        if state.token is None:
            state = _tracked(run, state)
        state = yield from read_all(run, state)
        return replace(state, more=True)  # what has changed meanwhile
    try:
        _refuse_old_token(run, state)
        return (yield from _follow(run, replace(state, more=False, refused_links=0)))
    except _TokenRefusedError as refusal:
        if state.refused_links >= MOST_REFUSED_LINKS:
            reason = "Dataverse refuses the delta links that it has just given"
            raise NotTrackedError(f"{reason} ({refusal})") from refusal
        logger.warning("%s: %s; all its rows are read again", run.name, refusal)
    state = replace(state, refused_links=state.refused_links + 1)
    return (yield from keep_by_changes(run, state.begun_anew(state.mode, state.columns)))


def _tracked(run: TableRun, state: TableState) -> TableState:
    """The state with a delta link for everything that changes from now on."""
    try:
        link = run.reader.first_delta_link()
    except ResponseError as refusal:
        if _is_not_tracked(refusal):
            raise NotTrackedError(_reason(refusal)) from refusal
        raise
    return _with_token(run, replace(state, refused=None, refusal=None), link)


def _with_token(run: TableRun, state: TableState, link: str | None) -> TableState:
    if link is None:
        raise ProtocolError(
            "The last page of changes has no delta link",
            where=run.name,
            remedy="Without it changes can't be followed: use sync = 'cursor' or 'full' for the "
            "table.",
        )
    now = run.now().isoformat()
    return replace(
        state,
        token=shorten(link),
        token_columns=not selects(link, run.reader.key),
        token_time=now,
        unsettled=state.unsettled or now,
    )


def has_expired(refusal: ResponseError) -> bool:
    """Whether Dataverse asks for a full read, whatever the status of its answer."""
    text = f"{refusal.code} {refusal.why}"
    return EXPIRED in text.lower() or re.search(r"version stamp.*expired", text, re.I) is not None


def _is_not_tracked(refusal: ResponseError) -> bool:
    return isinstance(refusal, AccessDeniedError) or (refusal.code or "").lower() in NOT_TRACKED


def _reason(refusal: ResponseError) -> str:
    if isinstance(refusal, AccessDeniedError):
        return "the application user may not follow changes, which takes read access to all rows"
    return "Dataverse does not track its changes"


def _refuse_old_token(run: TableRun, state: TableState) -> None:
    """Does not wait for Dataverse's error: older versions of it answered with all rows instead."""
    given = moment(state.token_time)
    if given is None or run.now() - given <= FRESH:
        return
    if run.now() - given > run.retention():
        raise _TokenRefusedError("its delta link is older than Dataverse keeps track of changes")


def _follow(run: TableRun, state: TableState) -> SyncSteps:
    chain = _Chain()
    oldest = token_version(str(state.token))
    for page in _pages(run, state):
        rows = _take(page, chain, VERSION in page.rows.column_names)
        if rows.num_rows:
            numbers = rows[VERSION]
            chain.is_full |= oldest is not None and pc.min(numbers).as_py() <= oldest
            yield RowBatch(rows)
    state, late = yield from read_late(run, state)
    if chain.link is not None and chain.is_empty and _is_fresh(run, state):
        return (yield from _swept(run, state, chain))
    gone = without((yield from _settled(run, chain)), late)
    if len(gone):
        yield DeletedKeys(gone)
    return (yield from _swept(run, _with_token(run, state, chain.link), chain))


def _is_fresh(run: TableRun, state: TableState) -> bool:
    given = moment(state.token_time)
    return state.token_columns and given is not None and run.now() - given <= FRESH


def _take(page: Page, chain: _Chain, has_versions: bool) -> pa.Table:
    """Notes what a page tells; returns its rows, without those that carry only their key."""
    chain.link = page.delta_link
    chain.deleted.append(page.deleted)
    whole = page.rows[:0]
    if has_versions:
        is_whole = page.rows[VERSION].is_valid()
        whole = page.rows.filter(is_whole)
        chain.bare.append(joined([page.rows.column(0).filter(pc.invert(is_whole))]))
    else:
        chain.bare.append(joined([page.rows.column(0)]))
    chain.changed.append(joined([whole.column(0)]))
    if sum(map(len, chain.bare)) > MANY_KEYS and not any(map(len, chain.changed)):
        raise _TokenRefusedError("Dataverse gives no more than the keys of its many changes")
    return whole


def _pages(run: TableRun, state: TableState) -> Iterator[Page]:
    """The pages of the delta, with all columns if Dataverse takes them beside the token."""
    reader, token = run.reader, str(state.token)
    url = restore(token, reader.client.environment_url, reader.select)
    try:
        return _started(reader.changes(url, run.crew))
    except ResponseError as refusal:
        if state.token_columns or not _is_about_the_query(refusal):
            raise _refused(refusal) from refusal
    url = restore(token, reader.client.environment_url, reader.key)
    try:
        return _started(reader.key_changes(url))
    except ResponseError as refusal:
        raise _refused(refusal) from refusal


def _started(pages: Iterator[Page]) -> Iterator[Page]:
    return itertools.chain([next(pages)], pages)


def _is_about_the_query(refusal: ResponseError) -> bool:
    return refusal.status == 400 and (refusal.code or "").lower() not in NOT_TRACKED


def _refused(refusal: ResponseError) -> Exception:
    """What a refusal of a delta link means."""
    if refusal.status == 401:
        return refusal
    if _is_not_tracked(refusal):
        return NotTrackedError(_reason(refusal))
    if has_expired(refusal) or (400 <= refusal.status < 500 and refusal.status not in (408, 429)):
        return _TokenRefusedError(
            f"Dataverse does not take its delta link any more ({refusal.code or refusal.status})"
        )
    return refusal


def _settled(run: TableRun, chain: _Chain) -> Generator[Output, None, pa.Array]:
    """Reads again what the chain leaves open; returns the keys of rows that are gone.

    A key that came both as a row and as deleted may be either: Dataverse tells no order.
    """
    changed, bare, deleted = joined(chain.changed), joined(chain.bare), joined(chain.deleted)
    open_keys = pc.unique(pa.concat_arrays([bare, common(deleted, changed)]))
    there = yield from read_again(run, open_keys)
    return without(pa.concat_arrays([deleted, open_keys]), there)


def _swept(run: TableRun, state: TableState, chain: _Chain) -> SyncSteps:
    """Compares the keys where they are to be, or where the delta held all rows of the table."""
    if not chain.is_full and not is_due(run, state, None):
        return state
    seen = joined([*chain.changed, *chain.bare])
    return (yield from sweep(run, state, seen=seen))
