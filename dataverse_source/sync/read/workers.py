"""Threads that fetch and decode pages, shared by all tables of a source.

They start when there is work for them, and end when the last reader has left.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Generic, TypeVar

from dlt.common.runtime import signals

T = TypeVar("T")

POLL_SECONDS = 0.2
"""How soon an interrupt is noticed while pages are on their way."""

PATIENCE_SECONDS = 5.0
"""How long readers that leave wait for requests that nobody needs any more, together."""


MOST_THREADS = 64
"""Few of them do anything but wait for an answer."""


class WorkerPool:
    """A pool of threads that is used with ``with``, by several readers at once if need be.

    Args:
        most: threads, at most.
    """

    def __init__(self, most: int = MOST_THREADS) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._readers = 0
        self._idle = 0
        self._threads: list[threading.Thread] = []
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def __enter__(self) -> WorkerPool:
        with self._lock:
            self._readers += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._readers -= 1
            if self._readers:
                return
            threads, self._threads, work = self._threads, [], self._work
            self._work, self._idle = SimpleQueue(), 0
        for _ in threads:
            work.put(None)
        until = time.monotonic() + PATIENCE_SECONDS
        for thread in threads:
            thread.join(max(until - time.monotonic(), 0))

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Has ``work`` done on one of the threads.

        It must not wait for other work of the crew.
        """
        future: Future[T] = Future()

        def do() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = work()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        with self._lock:
            self._work.put(do)
            if self._idle > 0:
                self._idle -= 1
            elif len(self._threads) < self._most:
                self._start()
        return future

    def first_done(
        self, futures: Iterable[Future[Any]], seconds: float | None = None
    ) -> set[Future[Any]]:
        """Waits until at least one of ``futures`` is done; returns those that are.

        Args:
            futures: of the crew.
            seconds: to wait at most; None: as long as it takes.

        Raises:
            KeyboardInterrupt: the run was interrupted (dlt's SignalReceivedException).
        """
        waiting = list(futures)
        while True:
            signals.raise_if_signalled()
            done, _ = wait(waiting, seconds or POLL_SECONDS, FIRST_COMPLETED)
            if done or seconds is not None:
                return done

    def _start(self) -> None:
        # A daemon does not keep an interrupted process from ending.
        thread = threading.Thread(
            target=self._serve, args=(self._work,), name="dataverse-reader", daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def _serve(self, queue: SimpleQueue[Callable[[], None] | None]) -> None:
        while True:
            work = queue.get()
            if work is None:
                return
            work()
            del work  # a page must not live until the next one comes
            with self._lock:
                if queue is self._work:
                    self._idle += 1


def ahead(items: Iterator[T], crew: WorkerPool, most: int = 1) -> Iterator[T]:
    """The same items; the next ones are fetched while the last is worked on.

    Args:
        items: asked on threads of the crew, never on two at once.
        crew: whose threads fetch.
        most: items that are fetched, or being fetched, before anybody wants them.
    """
    fetched = _Ahead(items, crew, most)
    with crew:
        try:
            yield from fetched.items()
        finally:
            fetched.stop()


class _Ahead(Generic[T]):
    """Items that are fetched before they are wanted."""

    def __init__(self, items: Iterator[T], crew: WorkerPool, most: int) -> None:
        self._items = items
        self._crew = crew
        self._most = most
        self._lock = threading.Lock()
        self._waiting: deque[Future[T]] = deque()
        self._fetching = False

    def items(self) -> Iterator[T]:
        while True:
            self._fetch()
            self._crew.first_done([self._waiting[0]])
            try:
                item = self._waiting[0].result()
            except _EndError:
                return
            with self._lock:
                self._waiting.popleft()
            self._fetch()
            yield item

    def stop(self) -> None:
        """Nothing is fetched any more."""
        with self._lock:
            self._most = 0
            for one in self._waiting:
                one.cancel()

    def _fetch(self) -> None:
        """Has the next item fetched, if that is not done already and there is room for it."""
        with self._lock:
            if not self._fetching and len(self._waiting) < self._most:
                self._fetching = True
                self._waiting.append(self._crew.submit(self._next))

    def _next(self) -> T:
        try:
            item = next(self._items)
        except StopIteration:
            raise _EndError from None
        self._fetching = False
        self._fetch()
        return item


class _EndError(Exception):
    """There are no more items."""
