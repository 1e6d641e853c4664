"""Reads one big table by many chains of pages at once, each over an interval of createdon.

A chain is ordered by createdon, so that what is left of its interval is an interval again. When
fewer chains are under way than may be, the one with most rows left gives a part of them away:
its interval ends earlier from then on, and what it reads behind that end is cut off. One thread
decides all this, the one that takes the pages; the others only fetch and decode.
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
from dataverse_source.sync.read.created_on import CREATED_ON, SECOND, Interval, marks, whole
from dataverse_source.sync.read.stored_links import restore, shorten
from dataverse_source.sync.read.table_reader import TableReader
from dataverse_source.sync.read.workers import WorkerPool

WORTH_SHARING = 2
"""Pages that a chain must have left at least, by estimate, before it gives a part away."""

SPARE_HANDS = 2
"""Pages that are decoded, or wait, while as many requests as may be are under way."""


@dataclass(frozen=True)
class ReadLimits:
    """How far a read is spread out.

    Attributes:
        most: pages that are fetched, or wait to be taken, at most.
        limit: rows after which no further page is asked for; None: all are read.
        expected: rows that the table has, about; None where that is not known.
    """

    most: int
    limit: int | None = None
    expected: int | None = None


@dataclass(eq=False)
class _Chain:
    """One interval that is being read."""

    interval: Interval
    pages: Iterator[Page] | None = None
    page: Future[Page | None] | None = None
    position: datetime | None = None
    rows_a_second: float = 0.0
    rows: int = 0


@dataclass
class ParallelRead:
    """One read of some intervals of a table.

    Attributes:
        requests: pages asked for so far.
        empty: those of them that brought no rows.
    """

    reader: TableReader
    crew: WorkerPool
    shares: ReadLimits
    intervals: Sequence[Interval]
    requests: int = 0
    empty: int = 0
    _chains: list[_Chain] = field(default_factory=list)
    _waiting: deque[Interval] = field(default_factory=deque)
    _ready: deque[pa.Table] = field(default_factory=deque)
    _taken: int = 0
    _missed: bool = False

    def batches(self) -> Iterator[pa.Table]:
        """The rows of the intervals, in no particular order.

        Raises:
            DataverseError: see `TableReader.pages`. A refusal of the very first page
                (`ResponseError`) comes before any rows.
        """
        self._waiting.extend(self.intervals)
        with self.crew:
            try:
                while True:
                    self._share_out()
                    if self._ready:
                        yield self._ready.popleft()
                    elif not self._under_way():
                        return
                    self._take(wait=not self._ready)
            finally:
                for chain in self._under_way():
                    assert chain.page is not None  # noqa: S101 (that is what under way means)
                    chain.page.cancel()

    @property
    def left(self) -> tuple[Interval, ...]:
        """What has not been given yet, once `batches` has ended."""
        return (*(chain.interval for chain in self._chains), *self._waiting)

    def _under_way(self) -> list[_Chain]:
        return [chain for chain in self._chains if chain.page is not None]

    def _room(self) -> int:
        """How many pages may be asked for now."""
        under_way = len(self._under_way())
        at_once = min(self.reader.concurrency + SPARE_HANDS, self.shares.most)
        room = at_once - under_way - len(self._ready)
        if self.shares.limit is not None:
            rows = self.shares.limit - self._taken - under_way * self.reader.page_size
            room = min(room, -(-rows // self.reader.page_size))
        return max(room, 0)

    def _share_out(self) -> None:
        """Asks for as many pages as there is room for."""
        for chain in self._chains:
            if chain.page is None and self._room():
                self._ask(chain)
        while self._waiting and self._room():
            chain = _Chain(self._waiting.popleft())
            self._chains.append(chain)
            self._ask(chain)
        room = self._room()
        if room:
            self._split(room)
        while self._waiting and self._room():
            chain = _Chain(self._waiting.popleft())
            self._chains.append(chain)
            self._ask(chain)

    def _ask(self, chain: _Chain) -> None:
        def following() -> Page | None:
            if chain.pages is None:
                chain.pages = self._pages(chain.interval)
            return next(chain.pages, None)

        self.requests += 1
        chain.page = self.crew.submit(following)

    def _pages(self, interval: Interval) -> Iterator[Page]:
        """The pages of an interval; from its start, where its link is not taken any more."""
        reader = self.reader
        if interval.link is not None:
            pages = reader.pages(
                restore(interval.link, reader.client.environment_url, reader.select)
            )
            try:
                yield next(pages)
            except ResponseError as refusal:
                if not is_about_the_query(refusal):
                    raise
                logger.info("%s: a part is read from its start again: %s", reader.name, refusal)
            else:
                yield from pages
                return
        order = reader.key if interval.undated else f"{CREATED_ON},{reader.key}"
        yield from reader.pages(reader.url([interval.condition], order=order))

    def _take(self, *, wait: bool) -> None:
        """Takes the pages that have come; waits for one if there is nothing else to do."""
        under_way = {chain.page: chain for chain in self._under_way() if chain.page is not None}
        if not under_way:
            return
        done = self.crew.first_done(under_way) if wait else {one for one in under_way if one.done()}
        for future in done:
            chain = under_way[future]
            chain.page = None
            page = future.result()
            rows = self._cut(chain, page) if page is not None else None
            if rows is None or rows.num_rows == 0:
                self.empty += 1
            else:
                self._taken += rows.num_rows
                self._ready.append(rows)

    def _cut(self, chain: _Chain, page: Page) -> pa.Table:
        """The rows of a page that belong to its chain's interval; moves the chain on."""
        rows, link = page.rows, page.next_link
        if rows.num_rows and not chain.interval.undated:
            rows, link = self._measured(chain, rows, link)
        chain.rows += rows.num_rows
        if link is None:
            self._chains.remove(chain)
            self._missed = self._missed or chain.rows == 0
        else:
            low = chain.interval.low if chain.position is None else whole(chain.position)
            chain.interval = replace(chain.interval, low=low, link=shorten(link))
        return rows

    def _measured(
        self, chain: _Chain, rows: pa.Table, link: str | None
    ) -> tuple[pa.Table, str | None]:
        """Notes how densely the rows lie; cuts off what belongs to others by now."""
        created = rows[CREATED_ON]
        self._check(chain, created)
        half = rows.num_rows // 2  # the later one tells more about what comes
        middle, last = created[half].as_py(), created[-1].as_py()
        chain.rows_a_second = (rows.num_rows - half) / max((last - middle).total_seconds(), 1.0)
        chain.position = last
        if chain.rows == 0 and chain.interval.low is not None:
            self._missed = False
        high = chain.interval.high
        if high is not None and last >= high:
            rows, link = rows.filter(pc.less(created, high)), None
        return rows, link

    def _check(self, chain: _Chain, created: pa.ChunkedArray) -> None:
        """Rows that come in another order would be lost where an interval is cut."""
        values = created.combine_chunks()
        sorted_ = pc.all(pc.greater_equal(values.slice(1), values.slice(0, len(values) - 1)))
        low = chain.interval.low
        if (
            values.null_count
            or sorted_.as_py() is False
            or (low is not None and values[0].as_py() < low)
        ):
            raise ProtocolError(
                f"Dataverse does not return the rows in the order of {CREATED_ON} that was asked",
                where=self.reader.name,
                remedy="Set max_concurrency = 1 to have the table read in one chain.",
            )

    def _split(self, room: int) -> None:
        """Has the chain with most rows left give away what others have time for."""
        chain = max(self._chains, key=self._rest, default=None)
        if chain is None or chain.position is None:
            return
        rest, size = self._rest(chain), self.reader.page_size
        if rest < WORTH_SHARING * size:
            return
        # The page that is on its way stays the chain's own.
        low = whole(chain.position) + SECOND * (size / chain.rows_a_second)
        high = self._high(chain)
        reach = min(low + SECOND * (rest / chain.rows_a_second), high)
        count = min(room, int(rest / size))
        cuts = marks(low, reach, count, near=self._missed)
        if low < whole(reach) < high:
            cuts = [*cuts[: count - 1], whole(reach)]
        if cuts:
            chain.interval, *given = chain.interval.cut(cuts)
            self._waiting.extend(given)

    def _high(self, chain: _Chain) -> datetime:
        """Where the chain's rows end at the latest; rows are rarely created in the future."""
        return chain.interval.high or self.reader.now() + SECOND

    def _rest(self, chain: _Chain) -> float:
        """Rows that a chain has left, by how densely its last ones lie and by what is expected."""
        if chain.position is None:
            return 0.0
        rest = chain.rows_a_second * _seconds(chain.position, self._high(chain))
        if self.shares.expected is not None and self.shares.expected > self._taken:
            rest = min(rest, self.shares.expected - self._taken)
        return rest


def is_about_the_query(refusal: ResponseError) -> bool:
    """Whether another query may be answered: it is not about who asks, or how often."""
    return 400 <= refusal.status < 500 and refusal.status not in (401, 403, 429)


def _seconds(low: datetime, high: datetime) -> float:
    return max((high - low).total_seconds(), 0.0)
