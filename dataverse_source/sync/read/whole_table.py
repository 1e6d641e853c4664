"""Reads a whole table, or as much as one load package takes: in one chain of pages or in parallel.

One chain reads the table in the order of its keys. A table of many slow pages is read by many
chains in parallel instead, see `dataverse_source.sync.read.parallel`.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import pyarrow as pa

from dataverse_source.arrow.decode import Page
from dataverse_source.arrow.schema import MOMENT
from dataverse_source.client.urls import pinned
from dataverse_source.config.log import logger
from dataverse_source.errors import AuthenticationError, DataverseError, ResponseError
from dataverse_source.sync.read.created_on import CREATED_ON, WHOLE, Interval
from dataverse_source.sync.read.parallel import ParallelRead, ReadLimits, is_query_refused
from dataverse_source.sync.read.recreated_rows import RecreatedRowFilter
from dataverse_source.sync.read.resume_point import ResumePoint
from dataverse_source.sync.read.stored_links import restore, shorten
from dataverse_source.sync.read.table_reader import VERSION, TableReader
from dataverse_source.sync.read.workers import WorkerPool, prefetch

SLOW_PAGE_SECONDS = 0.25
"""If the first page is there and decoded faster than this, decoding is the bottleneck and parallel
reads do not help: a page of 163 columns takes 0.05 to 0.15 s of processor time."""

FEW_PAGES = 8
"""A table of at most this many pages is read in one chain; other tables are read meanwhile."""

BYTES_AT_ONCE = 256 * 2**20
"""Memory that the pages in flight of one table may take."""

BYTES_OF_TEXT = 3
"""About how many times larger a page is while it is received and decoded than its rows are."""

MOST_PAGES = 64
"""Most pages of one table in flight."""

LEFT_AT_MOST = 8
"""Most intervals that a load package leaves for the next: the state stores a link for each."""


@dataclass(frozen=True)
class Remainder:
    """How a read ended.

    Attributes:
        resume: where the next load package continues; None: all rows have been read.
        from_start: the read began at the table's start.
        parallel: more than one chain read the rows.
    """

    resume: ResumePoint | None = None
    from_start: bool = True
    parallel: bool = False


def read_rows(
    reader: TableReader,
    workers: WorkerPool,
    resume: ResumePoint | None,
    limit: int | None,
    *,
    replaces: bool,
) -> Generator[pa.Table, None, Remainder]:
    """The rows of the table, or about ``limit`` of them.

    Args:
        reader: reads the table.
        workers: fetch and decode.
        resume: where an earlier load package stopped; None: start with the first row.
        limit: rows to stop after; None: read all.
        replaces: the rows replace the destination's table, so no merge removes repeated rows.
    """
    if resume and resume.intervals:
        plan = _ParallelPlan(resume.intervals, ReadLimits(_most_pages(reader, None), limit))
        return (yield from _read_parallel(reader, workers, plan))
    from_start, url, pages = _open_chain(reader, resume.link if resume else None)
    began = time.monotonic()
    page = next(pages)
    if from_start and page.next_link and time.monotonic() - began >= SLOW_PAGE_SECONDS:
        parallel = _plan_parallel(reader, page, limit)
        if parallel is not None:
            try:
                return (yield from _read_parallel(reader, workers, parallel, replaces=replaces))
            except _ParallelRefusedError as refusal:
                logger.info("%s: read in one chain: %s", reader.name, refusal)
    if limit is None and page.next_link is not None:
        following = pinned(page.next_link, reader.client.environment_url)
        pages = reader.prefetched_pages(following, workers, before=url)
    pages = itertools.chain([page], pages)
    return (yield from _read_chain(pages, limit, from_start=from_start))


def read_intervals(
    reader: TableReader, workers: WorkerPool, intervals: Sequence[Interval], page_bytes: int
) -> Iterator[pa.Table]:
    """The rows of some intervals of the table, in parallel as far as limits and memory allow.

    Args:
        reader: reads the table.
        workers: fetch and decode.
        intervals: which do not overlap.
        page_bytes: size of a page of rows in memory.

    Raises:
        DataverseError: see `ParallelRead.batches`.
    """
    read = ParallelRead(reader, workers, ReadLimits(_pages_of(page_bytes)), intervals)
    yield from read.batches()


def read_keys(reader: TableReader, workers: WorkerPool, version: str | None) -> Iterator[pa.Table]:
    """Key columns and version of all rows; with createdon where they are read in parallel.

    What a row's version says is as old as its page; rows that come or go meanwhile may be missing,
    or come twice in different versions.

    Args:
        reader: reads the table.
        workers: fetch and decode.
        version: name of the version column; None: the keys alone.

    Raises:
        DataverseError: see `TableReader.pages`.
    """
    pages = reader.keys(version)
    began = time.monotonic()
    first = next(pages, None)
    if first is None:
        return
    is_slow = time.monotonic() - began >= SLOW_PAGE_SECONDS
    if is_slow and first.num_rows and _has_dated_keys(reader, version):
        dated = reader.of_columns([*reader.table.key_columns, VERSION, CREATED_ON])
        if first.num_rows >= dated.page_size // 2:
            yield from read_rows(dated, workers, None, None, replaces=False)
            return
    yield first
    yield from prefetch(pages, workers)


def _has_dated_keys(reader: TableReader, version: str | None) -> bool:
    """Whether keys can be read by intervals of createdon. A query has rows of its own kind."""
    return (
        type(reader) is TableReader
        and version == VERSION
        and reader.table.kind in ("standard", "activity")
        and reader.table.has(CREATED_ON)
    )


def _read_chain(
    pages: Iterator[Page], limit: int | None, *, from_start: bool
) -> Generator[pa.Table, None, Remainder]:
    count = 0
    for page in pages:
        if page.rows.num_rows or count == 0:
            yield page.rows
        count += page.rows.num_rows
        if limit is not None and count >= limit and page.next_link is not None:
            return Remainder(ResumePoint(shorten(page.next_link)), from_start)
    return Remainder(from_start=from_start)


def _open_chain(reader: TableReader, link: str | None) -> tuple[bool, str, Iterator[Page]]:
    """Whether the read begins at the table's start, its first URL, and the pages from there."""
    if link is not None:
        url = restore(link, reader.client.environment_url, reader.select)
        try:
            pages = reader.pages(url)
            return False, url, itertools.chain([next(pages)], pages)
        except ResponseError as refusal:
            if not is_query_refused(refusal):
                raise
            logger.warning(
                "%s: Dataverse refused the link to the next rows (%s); the table is read from its "
                "start again",
                reader.name,
                refusal.code or refusal.status,
            )
    url = reader.url()
    return True, url, reader.pages(url)


class _ParallelRefusedError(Exception):
    """The first query by intervals of createdon failed; the text says why."""


@dataclass(frozen=True)
class _ParallelPlan:
    """How to read a table in parallel.

    Attributes:
        intervals: what to read.
        limits: of the read.
        highest: the highest version number when the read began.
    """

    intervals: tuple[Interval, ...]
    limits: ReadLimits
    highest: int = 0


def _plan_parallel(reader: TableReader, first: Page, limit: int | None) -> _ParallelPlan | None:
    """How to read the table in parallel after the first page; None: read it in one chain."""
    schema = reader.schema.arrow
    if reader.table.kind not in ("standard", "activity") or len(reader.schema.key) > 1:
        return None
    if CREATED_ON not in schema.names or schema.field(CREATED_ON).type != MOMENT:
        logger.info("%s: read in one chain: it has no %s", reader.name, CREATED_ON)
        return None
    if VERSION not in schema.names:
        logger.info("%s: read in one chain: it has no %s", reader.name, VERSION)
        return None
    if reader.concurrency < 2:
        return None
    try:
        expected = reader.count()
        if expected is not None and first.rows.num_rows <= expected <= FEW_PAGES * reader.page_size:
            return None
        highest = reader.highest_version()
    except AuthenticationError:
        raise
    except DataverseError as failure:
        logger.info("%s: read in one chain: %s", reader.name, failure)
        return None
    return _ParallelPlan(WHOLE, ReadLimits(_most_pages(reader, first), limit, expected), highest)


def _most_pages(reader: TableReader, page: Page | None) -> int:
    """Most pages in flight, limited by their size and by what the state can store."""
    most = MOST_PAGES if reader.settings.max_rows_per_load is None else LEFT_AT_MOST
    if page is not None:
        most = min(most, _pages_of(page.rows.nbytes))
    return max(most, 2)


def _pages_of(size: int) -> int:
    """Most pages of this size in memory that may be in flight."""
    return max(min(MOST_PAGES, BYTES_AT_ONCE // max(size * BYTES_OF_TEXT, 1)), 2)


def _read_parallel(
    reader: TableReader, workers: WorkerPool, plan: _ParallelPlan, *, replaces: bool = False
) -> Generator[pa.Table, None, Remainder]:
    """The rows of the intervals.

    Raises:
        _ParallelRefusedError: before any row, if the intervals are those of the whole table.
    """
    read = ParallelRead(reader, workers, plan.limits, plan.intervals)
    count = 0
    with ExitStack() as stack:
        repeats = None
        if replaces:
            repeats = stack.enter_context(RecreatedRowFilter(reader.key, plan.highest))
        try:
            for rows in read.batches():
                accepted = repeats.accept(rows) if repeats else rows
                count += rows.num_rows
                if accepted.num_rows:
                    yield accepted
        except AuthenticationError:
            raise
        except DataverseError as failure:  # whatever it is: one chain asks for less
            if count or plan.intervals != WHOLE:
                raise
            raise _ParallelRefusedError(str(failure)) from failure
        if repeats:
            yield from repeats.remaining()
    if count == 0:
        yield reader.schema.arrow.empty_table()
    logger.info(
        "%s: parallel read of %d rows with %d requests, %d of them empty",
        reader.name,
        count,
        read.requests,
        read.empty,
    )
    resume = ResumePoint(intervals=read.left) if read.left else None
    return Remainder(resume, plan.intervals == WHOLE, parallel=True)
