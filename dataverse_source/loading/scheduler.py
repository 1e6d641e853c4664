"""Reads several tables at once, each on a thread of its own, and gives each when it is complete.

dlt takes the items of all resources in turn, on one thread. A resource whose tables are still
being read gives None, so that dlt continues with the other resources.
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
from dataverse_source.sync.write.dlt_thread import DltThread

T = TypeVar("T")

MOST_TABLES = 64
"""Tables that are being read, or complete and not given yet: each holds a file open."""

TABLES_A_REQUEST = 2
"""Tables that are read for each request that may be sent at once: a table also decodes and waits
for others, and only requests that have to wait for their turn show that more would be of use."""

ENDS_A_ROUND = 100
"""Resources that may end before dlt goes through all of them once more."""

POLL_SECONDS = 0.05
"""How long a resource waits for one of its tables before dlt looks at the others."""


@dataclass(frozen=True)
class Job(Generic[T]):
    """One table to read.

    Attributes:
        read: reads all of the table; called on another thread.
        on_complete: returns the table's items, given a function that returns what was read or
            raises the error of `read`; called on dlt's thread.
        discard: called with what was read if it is not needed any more.
    """

    read: Callable[[], T]
    on_complete: Callable[[Callable[[], T]], Iterator[Any]]
    discard: Callable[[T], None]


class TableScheduler:
    """Limits how many tables are read at once, over all resources of a source.

    Args:
        concurrency: returns how many requests at once make sense now.
        dlt_thread: answers what the threads that read tables ask dlt's pipeline.
    """

    def __init__(self, concurrency: Callable[[], int], dlt_thread: DltThread | None = None) -> None:
        self._workers = WorkerPool(MOST_TABLES)
        self._concurrency = concurrency
        self._dlt_thread = dlt_thread or DltThread()
        self._unfinished = 0
        self._running: set[Future[Any]] = set()

    def items(self, jobs: Sequence[Job[Any]]) -> Iterator[Any]:
        """The items of the jobs, as they complete; None while there is nothing to give."""
        waiting = deque(jobs)
        running: dict[Future[Any], Job[Any]] = {}
        with self._workers:
            try:
                while waiting or running:
                    while waiting and self._unfinished < self._most():
                        job = waiting.popleft()
                        future = self._workers.submit(job.read)
                        running[future] = job
                        self._running.add(future)
                        self._unfinished += 1
                    done = self._next(running)
                    if done is None:
                        yield None
                        continue
                    self._running.discard(done)
                    job = running.pop(done)
                    try:
                        yield from job.on_complete(done.result)
                    finally:
                        self._unfinished -= 1
            finally:
                if running:
                    self._dlt_thread.leave()
                self._unfinished -= len(running)
                self._running.difference_update(running)
                for future, job in running.items():
                    if not future.cancel():
                        future.add_done_callback(partial(_discard, job))

    def _most(self) -> int:
        """Tables that may be read at once now."""
        return min(self._concurrency() * TABLES_A_REQUEST, MOST_TABLES)

    def _next(self, running: Iterable[Future[Any]]) -> Future[Any] | None:
        """A complete table of this resource; waits a little if no resource has one."""
        signals.raise_if_signalled()
        self._dlt_thread.answer()
        own = next((one for one in running if one.done()), None)
        if own is None and not any(one.done() for one in self._running):
            self._workers.first_done({*self._running, self._dlt_thread.waiting}, POLL_SECONDS)
        return own


class ManyEnds:
    """Lets the resources of a source end a few at a time.

    dlt calls itself for each resource that ends right after another, so hundreds of them would
    exceed Python's limit of nested calls. Only between two rounds through all resources it returns
    to where it began.
    """

    def __init__(self) -> None:
        self._ended = 0
        self._first: object | None = None

    def wait(self) -> Iterator[None]:
        """Gives None until the resource that calls this may end."""
        this = object()
        while self._ended >= ENDS_A_ROUND:
            self._first = self._first or this
            yield None
            if self._first is this:  # dlt has been through all resources
                self._ended, self._first = 0, None
        self._ended += 1


def _discard(job: Job[Any], future: Future[Any]) -> None:
    if not future.cancelled() and future.exception() is None:
        job.discard(future.result())
