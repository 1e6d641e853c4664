"""Reads several tables at once, each on a thread of its own, and gives them as they are complete.

dlt takes the items of all resources in turn, on one thread. A resource whose tables are still
being read gives None, which tells dlt to go on with the others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from dlt.common.runtime import signals

from dataverse_source.sync.read.workers import WorkerPool

T = TypeVar("T")

MOST_TABLES = 32
"""Tables that are read, or complete and not given yet: each has a file open."""

GLANCE_SECONDS = 0.05
"""How long a resource waits for one of its tables before it lets dlt look at the others."""


@dataclass(frozen=True)
class Job(Generic[T]):
    """One table to read.

    Attributes:
        read: reads all of the table; on another thread.
        give: gives what was read, on dlt's thread; or the error that `read` raised, which it
            raises if it is to end the run.
        drop: gets what was read and is not given after all.
    """

    read: Callable[[], T]
    give: Callable[[Callable[[], T]], Iterator[Any]]
    drop: Callable[[T], None]


class TableScheduler:
    """Several tables at a time, of all resources of a source together.

    Args:
        concurrency: tells how many requests at once make sense now.
    """

    def __init__(self, concurrency: Callable[[], int]) -> None:
        self._crew = WorkerPool(MOST_TABLES)
        self._concurrency = concurrency
        self._taken = 0
        self._running: set[Future[Any]] = set()

    def items(self, jobs: Sequence[Job[Any]]) -> Iterator[Any]:
        """What the jobs give, as they become complete; None while there is nothing to give."""
        waiting = deque(jobs)
        running: dict[Future[Any], Job[Any]] = {}
        with self._crew:
            try:
                while waiting or running:
                    while waiting and self._taken < min(self._concurrency(), MOST_TABLES):
                        job = waiting.popleft()
                        future = self._crew.submit(job.read)
                        running[future] = job
                        self._running.add(future)
                        self._taken += 1
                    done = self._next(running)
                    if done is None:
                        yield None
                        continue
                    self._running.discard(done)
                    job = running.pop(done)
                    try:
                        yield from job.give(done.result)
                    finally:
                        self._taken -= 1
            finally:
                self._taken -= len(running)
                self._running.difference_update(running)
                for future, job in running.items():
                    if not future.cancel():
                        future.add_done_callback(partial(_dropped, job))

    def _next(self, running: Iterable[Future[Any]]) -> Future[Any] | None:
        """A table of this resource that is complete; waits a little if no resource has one."""
        signals.raise_if_signalled()
        own = next((one for one in running if one.done()), None)
        if own is None and not any(one.done() for one in self._running):
            self._crew.first_done(self._running, GLANCE_SECONDS)
        return own


def _dropped(job: Job[Any], future: Future[Any]) -> None:
    if not future.cancelled() and future.exception() is None:
        job.drop(future.result())
