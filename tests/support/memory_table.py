"""A table in memory that answers queries by intervals; workers that work in random order."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, cast
from urllib.parse import parse_qs, quote, urlsplit

import pyarrow as pa

from dataverse_source.arrow.decode import Page
from dataverse_source.sync.read.created_on import Interval
from dataverse_source.sync.read.table_reader import TableReader
from dataverse_source.sync.read.workers import WorkerPool

START = datetime(2020, 1, 1, tzinfo=timezone.utc)
NOW = START + timedelta(days=3650)

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("createdon", pa.timestamp("us", "UTC")),
        ("versionnumber", pa.int64()),
    ]
)


def at(seconds: float) -> datetime:
    """A moment, in seconds since `START`."""
    return START + timedelta(seconds=seconds)


class _Client:
    environment_url = "https://memory"


@dataclass
class MemoryTable:
    """Rows by key: createdon in seconds since `START` or None, and the version number.

    It stands for a `TableReader`. Every page is a query of its own, as in Dataverse.
    """

    rows: dict[str, tuple[float | None, int]]
    page_size: int = 3
    concurrency: int = 4
    between: Callable[[], None] = lambda: None
    version: int = 0
    requests: int = 0
    client: _Client = field(default_factory=_Client)
    name: str = "memory"
    key: str = "id"
    select: str = "id"

    @classmethod
    def of(cls, seconds: Sequence[float | None], **settings: Any) -> MemoryTable:
        """A table whose rows were created at these seconds."""
        rows = {f"k{number:05}": (one, number + 1) for number, one in enumerate(seconds)}
        return cls(rows, version=len(rows), **settings)

    def reader(self) -> TableReader:
        """The table, as what it stands for."""
        return cast(TableReader, self)

    def write(self, key: str, seconds: float | None) -> None:
        """Creates or changes a row."""
        self.version += 1
        self.rows[key] = (seconds, self.version)

    def now(self) -> datetime:
        return NOW

    def url(self, filters: Sequence[str] = (), *, order: str | None = None) -> str:
        (condition,) = filters
        return f"https://memory/rows?$select=id&$filter={quote(condition)}&order={order}"

    def pages(self, url: str) -> Iterator[Page]:
        while True:
            page = self._page(url)
            yield page
            if page.next_link is None:
                return
            url = page.next_link

    def _page(self, url: str) -> Page:
        self.requests += 1
        self.between()
        asked = parse_qs(urlsplit(url).query)
        after = json.loads(asked["after"][0]) if "after" in asked else None
        found = sorted(
            (moment or 0.0, key, version)
            for key, (moment, version) in self.rows.items()
            if _meets(moment, asked["$filter"][0])
        )
        found = [row for row in found if after is None or [row[0], row[1]] > after]
        taken, rest = found[: self.page_size], found[self.page_size :]
        link = None
        if rest:
            base = url.partition("&after=")[0]
            link = f"{base}&after={quote(json.dumps([taken[-1][0], taken[-1][1]]))}"
        keys = [key for _, key, _ in taken]
        created = [self.rows[key][0] for key in keys]
        # Date-times are shown in whole seconds.
        moments = [None if one is None else at(int(one)) for one in created]
        numbers = [version for _, _, version in taken]
        return Page(pa.table([keys, moments, numbers], schema=SCHEMA), link)


@lru_cache(100)
def _bounds(condition: str) -> tuple[float, float]:
    """The seconds from and to which a condition goes; none are below the first of `START`."""
    low, high = -1e18, 1e18
    for part in condition.split(" and "):
        _, operator, bound = part.split()
        if operator in ("ge", "lt"):
            moment = datetime.strptime(bound, "%Y-%m-%dT%H:%M:%S%z")
            seconds = (moment - START).total_seconds()
            low, high = (seconds, high) if operator == "ge" else (low, seconds)
    return low, high


def _meets(seconds: float | None, condition: str) -> bool:
    if condition == "createdon eq null" or seconds is None:
        return condition == "createdon eq null" and seconds is None
    low, high = _bounds(condition)
    return low <= seconds < high


def belongs(seconds: float | None, interval: Interval) -> bool:
    """Whether a row created then lies in the interval."""
    return _meets(seconds, interval.condition)


class RandomWorkers(WorkerPool):
    """Does the work on this thread, in any order, now or later."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)
        self._open: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, work: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        self._open.append((future, work))
        self._some(at_least=0)
        return future

    def first_done(
        self, futures: Iterable[Future[Any]], seconds: float | None = None
    ) -> set[Future[Any]]:
        waiting = set(futures)
        while not any(one.done() for one in waiting):
            self._some(at_least=1)
        return {one for one in waiting if one.done()}

    def _some(self, at_least: int) -> None:
        for _ in range(self._random.randint(at_least, max(at_least, len(self._open)))):
            future, work = self._open.pop(self._random.randrange(len(self._open)))
            if future.set_running_or_notify_cancel():
                future.set_result(work())
