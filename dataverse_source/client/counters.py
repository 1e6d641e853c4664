"""What requests cost: counters of a client, and sums of several."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass


@dataclass(frozen=True)
class Counters:
    """What was asked of Dataverse.

    Attributes:
        requests: requests sent, retries among them.
        retries: requests sent once more.
        throttled: answers that said "too many requests".
        seconds_waited: time in which faults or limits held requests back.
        busy_seconds: time in which a request was under way.
        request_seconds: the time of all requests together.
    """

    requests: int = 0
    retries: int = 0
    throttled: int = 0
    seconds_waited: float = 0.0
    busy_seconds: float = 0.0
    request_seconds: float = 0.0

    @property
    def mean_concurrency(self) -> float:
        """Requests at once, over the time in which there was one; 0 when there was none."""
        return self.request_seconds / self.busy_seconds if self.busy_seconds else 0.0

    def since(self, before: Counters) -> Counters:
        """What has come on top of ``before``."""
        pairs = zip(astuple(self), astuple(before), strict=True)
        return Counters(*(now - then for now, then in pairs))

    @classmethod
    def total(cls, counters: Iterable[Counters]) -> Counters:
        """The sum of several."""
        columns = zip(*map(astuple, (cls(), *counters)), strict=True)
        return cls(*map(sum, columns))

    def __str__(self) -> str:
        """One line: short while there is nothing to tell."""
        line = f"{self.requests:,} request{'' if self.requests == 1 else 's'}"
        if self.mean_concurrency >= 1.5:
            line += f", {self.mean_concurrency:.1f} at once on average"
        if self.seconds_waited >= 1:
            line += f", {self.seconds_waited:,.0f} s waited"
        if self.retries:
            line += f", {self.retries:,} retried"
        if self.throttled:
            line += f', {self.throttled:,} answered "too many requests"'
        return line


@dataclass(frozen=True)
class TableCosts:
    """What requests to one table's address have cost.

    Attributes:
        requests: requests sent, retries among them.
        seconds_waited: time in which at least one was held back, by limits or faults.
    """

    requests: int = 0
    seconds_waited: float = 0.0

    def __add__(self, other: TableCosts) -> TableCosts:
        return TableCosts(
            self.requests + other.requests, self.seconds_waited + other.seconds_waited
        )

    def __sub__(self, other: TableCosts) -> TableCosts:
        return TableCosts(
            self.requests - other.requests, self.seconds_waited - other.seconds_waited
        )


class CostsByPath:
    """The costs of each path, which is an entity set; used by all threads.

    Requests queue for their turn anyway. Only the time counts in which the first of the queue is
    held back by a limit, so it is measured by a clock that stands still otherwise.

    Args:
        held: that clock, in seconds.
    """

    def __init__(self, held: Callable[[], float]) -> None:
        self._held = held
        self._lock = threading.Lock()
        self._costs: dict[str, TableCosts] = {}
        self._queued: dict[str, tuple[int, float]] = {}

    def copy(self) -> dict[str, TableCosts]:
        """The costs so far."""
        with self._lock:
            return dict(self._costs)

    def add(self, path: str, requests: int = 0, seconds_waited: float = 0.0) -> None:
        """Adds to the costs of a path."""
        with self._lock:
            known = self._costs.get(path, TableCosts())
            self._costs[path] = known + TableCosts(requests, seconds_waited)

    @contextmanager
    def queued(self, path: str) -> Iterator[None]:
        """While a request queues; the times of several requests count once where they overlap."""
        now = self._held()
        with self._lock:
            count, since = self._queued.get(path, (0, now))
            self._queued[path] = count + 1, since
        try:
            yield
        finally:
            now = self._held()
            with self._lock:
                count, since = self._queued.pop(path)
                if count > 1:
                    self._queued[path] = count - 1, since
            if count == 1 and now > since:
                self.add(path, seconds_waited=now - since)
