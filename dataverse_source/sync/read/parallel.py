"""Reads one big table with many chains of pages in parallel, each over an interval of createdon.

A chain is ordered by createdon, so the part that it has not read yet is an interval too. When
more requests are allowed than chains are running, the chain with most rows left is split: its
interval ends earlier, a new chain reads the rest, and rows behind the new end are cut off. The
thread that takes the pages decides all this; the workers only fetch and decode.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from dataverse_source.arrow.decode import Page
from dataverse_source.config.log import logger
from dataverse_source.errors import ProtocolError, ResponseError
from dataverse_source.sync.read.created_on import CREATED_ON, SECOND, Interval, cut_points, whole
from dataverse_source.sync.read.stored_links import restore, shorten
from dataverse_source.sync.read.table_reader import TableReader
from dataverse_source.sync.read.workers import WorkerPool

PAGES_WORTH_SPLITTING = 2
"""A chain is split only while it has at least this many pages left, by estimate."""

EXTRA_PAGES = 2
"""Pages allowed beyond the request limit, so that decoding overlaps fetching."""


@dataclass(frozen=True)
class ReadLimits:
    """Limits of a parallel read.

    Attributes:
        pages: most pages that may be in flight or waiting to be taken.
        rows: request no further page after this many rows; None: read all.
        expected_rows: about how many rows the table has; None: not known.
    """

    pages: int
    rows: int | None = None
    expected_rows: int | None = None


@dataclass(eq=False)
class _Chain:
    """An interval that is being read."""

    interval: Interval
    pages: Iterator[Page] | None = None
    page: Future[Page | None] | None = None
    position: datetime | None = None
    rows_a_second: float = 0.0
    rows: int = 0


@dataclass
class ParallelRead:
    """A parallel read of some intervals of a table.

    Attributes:
        requests: pages requested so far.
        empty: pages that came without rows.
    """

    reader: TableReader
    workers: WorkerPool
    limits: ReadLimits
    intervals: Sequence[Interval]
    requests: int = 0
    empty: int = 0
    _chains: list[_Chain] = field(default_factory=list)
    _waiting: deque[Interval] = field(default_factory=deque)
    _ready: deque[pa.Table] = field(default_factory=deque)
    _taken: int = 0
    _found_nothing: bool = False

    def batches(self) -> Iterator[pa.Table]:
        """The rows of the intervals, in no particular order.

        Raises:
            ResponseError: Dataverse refused a page; if it was the first one, before any rows.
            DataverseError: see `TableReader.pages`.
        """
        self._waiting.extend(self.intervals)
        with self.workers:
            try:
                while True:
                    self._request_pages()
                    if self._ready:
                        yield self._ready.popleft()
                    elif not self._in_flight():
                        return
                    self._take(wait=not self._ready)
            finally:
                for chain in self._in_flight():
                    assert chain.page is not None  # noqa: S101 (true of all in flight)
                    chain.page.cancel()

    @property
    def left(self) -> tuple[Interval, ...]:
        """The intervals not read yet, once `batches` has ended."""
        return (*(chain.interval for chain in self._chains), *self._waiting)

    def _in_flight(self) -> list[_Chain]:
        return [chain for chain in self._chains if chain.page is not None]

    def _room(self) -> int:
        """How many more pages may be requested now."""
        in_flight = len(self._in_flight())
        at_once = min(self.reader.concurrency + EXTRA_PAGES, self.limits.pages)
        room = at_once - in_flight - len(self._ready)
        if self.limits.rows is not None:
            rows = self.limits.rows - self._taken - in_flight * self.reader.page_size
            room = min(room, -(-rows // self.reader.page_size))
        return max(room, 0)

    def _request_pages(self) -> None:
        """Requests as many pages as there is room for."""
        for chain in self._chains:
            if chain.page is None and self._room():
                self._request(chain)
        self._start_chains()
        room = self._room()
        if room:
            self._split(room)
            self._start_chains()

    def _start_chains(self) -> None:
        while self._waiting and self._room():
            chain = _Chain(self._waiting.popleft())
            self._chains.append(chain)
            self._request(chain)

    def _request(self, chain: _Chain) -> None:
        def following() -> Page | None:
            if chain.pages is None:
                chain.pages = self._pages(chain.interval)
            return next(chain.pages, None)

        self.requests += 1
        chain.page = self.workers.submit(following)

    def _pages(self, interval: Interval) -> Iterator[Page]:
        """The pages of an interval; from its start if Dataverse refuses its link."""
        reader = self.reader
        if interval.link is not None:
            pages = reader.pages(
                restore(interval.link, reader.client.environment_url, reader.select)
            )
            try:
                yield next(pages)
            except ResponseError as refusal:
                if not is_query_refused(refusal):
                    raise
                logger.info(
                    "%s: reading an interval from its start again: %s", reader.name, refusal
                )
            else:
                yield from pages
                return
        order = reader.key if interval.undated else f"{CREATED_ON},{reader.key}"
        yield from reader.pages(reader.url([interval.condition], order=order))

    def _take(self, *, wait: bool) -> None:
        """Takes the pages that have arrived; with ``wait``, waits for at least one."""
        in_flight = {chain.page: chain for chain in self._in_flight() if chain.page is not None}
        if not in_flight:
            return
        done = (
            self.workers.first_done(in_flight) if wait else {one for one in in_flight if one.done()}
        )
        for future in done:
            chain = in_flight[future]
            chain.page = None
            page = future.result()
            rows = self._cut(chain, page) if page is not None else None
            if rows is None or rows.num_rows == 0:
                self.empty += 1
            else:
                self._taken += rows.num_rows
                self._ready.append(rows)

    def _cut(self, chain: _Chain, page: Page) -> pa.Table:
        """The rows of a page that lie in its chain's interval; moves the chain's start."""
        rows, link = page.rows, page.next_link
        if rows.num_rows and not chain.interval.undated:
            rows, link = self._measured(chain, rows, link)
        chain.rows += rows.num_rows
        if link is None:
            self._chains.remove(chain)
            self._found_nothing = self._found_nothing or chain.rows == 0
        else:
            low = chain.interval.low if chain.position is None else whole(chain.position)
            chain.interval = replace(chain.interval, low=low, link=shorten(link))
        return rows

    def _measured(
        self, chain: _Chain, rows: pa.Table, link: str | None
    ) -> tuple[pa.Table, str | None]:
        """Measures how dense the rows are; cuts off rows that now belong to another chain."""
        created = rows[CREATED_ON]
        self._check(chain, created)
        half = rows.num_rows // 2  # the second half predicts the next page better
        middle, last = created[half].as_py(), created[-1].as_py()
        chain.rows_a_second = (rows.num_rows - half) / max((last - middle).total_seconds(), 1.0)
        chain.position = last
        if chain.rows == 0 and chain.interval.low is not None:
            self._found_nothing = False
        high = chain.interval.high
        if high is not None and last >= high:
            rows, link = rows.filter(pc.less(created, high)), None
        return rows, link

    def _check(self, chain: _Chain, created: pa.ChunkedArray) -> None:
        """Raises if the rows are out of order: rows would be lost where an interval is cut."""
        values = created.combine_chunks()
        sorted_ = pc.all(pc.greater_equal(values.slice(1), values.slice(0, len(values) - 1)))
        low = chain.interval.low
        if (
            values.null_count
            or sorted_.as_py() is False
            or (low is not None and values[0].as_py() < low)
        ):
            raise ProtocolError(
                f"Dataverse ignored the requested order of {CREATED_ON}",
                where=self.reader.name,
                remedy="Set max_concurrency = 1 to read the table in one chain.",
            )

    def _split(self, room: int) -> None:
        """Splits the chain with most rows left into at most ``room`` more intervals."""
        chain = max(self._chains, key=self._rows_left, default=None)
        if chain is None or chain.position is None:
            return
        rest, size = self._rows_left(chain), self.reader.page_size
        if rest < PAGES_WORTH_SPLITTING * size:
            return
        # The page in flight stays with this chain.
        low = whole(chain.position) + SECOND * (size / chain.rows_a_second)
        high = self._high(chain)
        reach = min(low + SECOND * (rest / chain.rows_a_second), high)
        count = min(room, int(rest / size))
        cuts = cut_points(low, reach, count, near=self._found_nothing)
        if low < whole(reach) < high:
            cuts = [*cuts[: count - 1], whole(reach)]
        if cuts:
            chain.interval, *others = chain.interval.cut(cuts)
            self._waiting.extend(others)

    def _high(self, chain: _Chain) -> datetime:
        """Latest createdon of the chain's rows; assumes none are created in the future."""
        return chain.interval.high or self.reader.now() + SECOND

    def _rows_left(self, chain: _Chain) -> float:
        """Rows that a chain has left, estimated from its last page and from the table's size."""
        if chain.position is None:
            return 0.0
        rest = chain.rows_a_second * _seconds(chain.position, self._high(chain))
        if self.limits.expected_rows is not None and self.limits.expected_rows > self._taken:
            rest = min(rest, self.limits.expected_rows - self._taken)
        return rest


def is_query_refused(refusal: ResponseError) -> bool:
    """Whether Dataverse refuses this query only, so that another one may succeed.

    Other refusals are about the user's rights (401, 403) or about limits (429).
    """
    return 400 <= refusal.status < 500 and refusal.status not in (401, 403, 429)


def _seconds(low: datetime, high: datetime) -> float:
    return max((high - low).total_seconds(), 0.0)
