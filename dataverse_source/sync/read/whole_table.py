"""Reads the rows of a whole table, or the next of them: in one chain of pages, or by many.

One chain goes through the table in the order of its keys. A table of many pages that take
Dataverse long is read by many chains side by side instead, see
`dataverse_source.sync.read.parallel`.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pyarrow as pa

from dataverse_source.arrow.decode import Page
from dataverse_source.arrow.schema import MOMENT
from dataverse_source.client.urls import pinned
from dataverse_source.config.log import logger
from dataverse_source.errors import ResponseError
from dataverse_source.sync.context import TableRun
from dataverse_source.sync.read.created_on import CREATED_ON, WHOLE, Interval
from dataverse_source.sync.read.parallel import ParallelRead, ReadLimits, is_about_the_query
from dataverse_source.sync.read.recreated_rows import RecreatedRowFilter
from dataverse_source.sync.read.stored_links import restore, shorten
from dataverse_source.sync.read.table_reader import VERSION
from dataverse_source.sync.state import TableState

SLOW_PAGE_SECONDS = 0.5
"""A page that comes faster is no slower than what is done with it: one chain keeps up."""

FEW_PAGES = 8
"""A table that has no more pages is read in one chain: others are read at the same time."""

BYTES_AT_ONCE = 256 * 2**20
"""What the pages of one table that are under way may take in memory."""

BYTES_OF_TEXT = 3
"""How much larger a page is while it is received and decoded than its rows are then, about."""

MOST_PAGES = 64
"""Pages of one table that may be under way at the same time."""

LEFT_AT_MOST = 8
"""Intervals that a load package may leave behind: each takes a link in the table's state."""


@dataclass(frozen=True)
class Remainder:
    """What a read has left for the next load package.

    Attributes:
        link: next link of the one chain.
        intervals: of a read side by side.
        from_start: the read began at the table's start.
        side_by_side: whether rows came by more than one chain.
    """

    link: str | None = None
    intervals: tuple[Interval, ...] = ()
    from_start: bool = True
    side_by_side: bool = False

    @property
    def nothing(self) -> bool:
        """Whether all has been read."""
        return self.link is None and not self.intervals


def read_rows(
    run: TableRun, state: TableState, limit: int | None, *, replaces: bool
) -> Generator[pa.Table, None, Remainder]:
    """The rows that ``state`` has left, or about ``limit`` of them.

    Args:
        run: of the table.
        state: says where a read goes on that has begun in an earlier package.
        limit: rows; None: all.
        replaces: nothing will remove a row that comes twice.
    """
    intervals = state.intervals
    if intervals:
        read = _side_by_side(run, _Spread(intervals, _most(run, None), limit))
        return (yield from read)
    from_start, url, pages = _chain(run, state.link)
    began = time.monotonic()
    page = next(pages)
    if from_start and page.next_link and time.monotonic() - began >= SLOW_PAGE_SECONDS:
        spread = _spread(run, page, limit)
        if spread is not None:
            try:
                return (yield from _side_by_side(run, spread, replaces=replaces))
            except _RefusedError as refusal:
                logger.info("%s is read in one chain: %s", run.name, refusal)
    if limit is None and page.next_link is not None:
        following = pinned(page.next_link, run.reader.client.environment_url)
        pages = run.reader.flow(following, run.crew, before=url)
    pages = itertools.chain([page], pages)
    return (yield from _until(pages, limit, from_start=from_start))


def _until(
    pages: Iterator[Page], limit: int | None, *, from_start: bool
) -> Generator[pa.Table, None, Remainder]:
    count = 0
    for page in pages:
        if page.rows.num_rows or count == 0:
            yield page.rows
        count += page.rows.num_rows
        if limit is not None and count >= limit and page.next_link is not None:
            return Remainder(shorten(page.next_link), from_start=from_start)
    return Remainder(from_start=from_start)


def _chain(run: TableRun, link: str | None) -> tuple[bool, str, Iterator[Page]]:
    """Whether a read begins at the table's start, where it does, and the pages from there on."""
    reader = run.reader
    if link is not None:
        url = restore(link, reader.client.environment_url, reader.select)
        try:
            pages = reader.pages(url)
            return False, url, itertools.chain([next(pages)], pages)
        except ResponseError as refusal:
            if not is_about_the_query(refusal):
                raise
            logger.warning(
                "%s: Dataverse does not go on where the last package ended (%s); the table is "
                "read from its beginning once more",
                run.name,
                refusal.code or refusal.status,
            )
    url = reader.url()
    return True, url, reader.pages(url)


class _RefusedError(Exception):
    """Dataverse does not take a query by intervals; the text tells why."""


@dataclass(frozen=True)
class _Spread:
    """How a table is read side by side."""

    intervals: tuple[Interval, ...]
    most: int
    limit: int | None
    expected: int | None = None
    highest: int = 0


def _spread(run: TableRun, first: Page, limit: int | None) -> _Spread | None:
    """How to go on after the first page of a long chain; None: as it began."""
    reader = run.reader
    schema = reader.schema.arrow
    if reader.table.kind not in ("standard", "activity") or len(reader.schema.key) > 1:
        return None
    if CREATED_ON not in schema.names or schema.field(CREATED_ON).type != MOMENT:
        logger.info("%s is read in one chain: it has no %s", run.name, CREATED_ON)
        return None
    if VERSION not in schema.names:
        logger.info("%s is read in one chain: it has no %s", run.name, VERSION)
        return None
    if reader.concurrency < 2:
        return None
    try:
        expected = reader.count()
        if expected is not None and first.rows.num_rows <= expected <= FEW_PAGES * reader.page_size:
            return None
        highest = reader.highest_version()
    except ResponseError as refusal:
        if not is_about_the_query(refusal):
            raise
        logger.info("%s is read in one chain: %s", run.name, refusal)
        return None
    return _Spread(WHOLE, _most(run, first), limit, expected, highest)


def _most(run: TableRun, page: Page | None) -> int:
    """Pages that may be under way at the same time, by their size and what a state holds."""
    most = MOST_PAGES if run.settings.max_rows_per_load is None else LEFT_AT_MOST
    if page is not None:
        most = min(most, BYTES_AT_ONCE // max(page.rows.nbytes * BYTES_OF_TEXT, 1))
    return max(most, 2)


def _side_by_side(
    run: TableRun, spread: _Spread, *, replaces: bool = False
) -> Generator[pa.Table, None, Remainder]:
    """The rows of the intervals.

    Raises:
        _RefusedError: before any row, when these are the intervals of the whole table.
    """
    shares = ReadLimits(spread.most, spread.limit, spread.expected)
    read = ParallelRead(run.reader, run.crew, shares, spread.intervals)
    count = 0
    with ExitStack() as stack:
        once = None
        if replaces:
            once = stack.enter_context(RecreatedRowFilter(run.reader.key, spread.highest))
        try:
            for rows in read.batches():
                given = once.now(rows) if once else rows
                count += rows.num_rows
                if given.num_rows:
                    yield given
        except ResponseError as refusal:
            if count or spread.intervals != WHOLE or not is_about_the_query(refusal):
                raise
            raise _RefusedError(str(refusal)) from refusal
        if once:
            yield from once.rest()
    if count == 0:
        yield run.reader.schema.arrow.empty_table()
    logger.info(
        "%s: %d rows by %d requests side by side, %d of them without rows",
        run.name,
        count,
        read.requests,
        read.empty,
    )
    return Remainder(intervals=read.left, from_start=spread.intervals == WHOLE, side_by_side=True)
