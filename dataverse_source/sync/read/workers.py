"""The worker pool: threads that fetch and decode pages, shared by all tables of a source.

Threads start when there is work, and end when the last reader leaves.
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
"""An interrupt is noticed within this time while pages are in flight."""

PATIENCE_SECONDS = 5.0
"""Longest wait, when the last reader leaves, for requests that nobody needs any more."""

MOST_THREADS = 64
"""Most of them only wait for a response."""


class WorkerPool:
    """A pool of threads, used in a ``with`` block; several readers may share it.

    Args:
        most: largest number of threads.
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
        """Runs ``work`` on one of the threads; it must not wait for other work of this pool."""
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
        """Waits until at least one of ``futures`` is done; returns the done ones.

        Args:
            futures: from `submit`.
            seconds: longest wait; None: no limit.

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
        # Daemon threads do not keep an interrupted process alive.
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
            del work  # frees its page before the next one comes
            with self._lock:
                if queue is self._work:
                    self._idle += 1


def prefetch(items: Iterator[T], workers: WorkerPool, most: int = 1) -> Iterator[T]:
    """The same items; fetches the next ones while the last is processed.

    Args:
        items: iterated on the pool's threads, never on two at once.
        workers: the pool.
        most: largest number of items fetched in advance.
    """
    fetched = _Prefetch(items, workers, most)
    with workers:
        try:
            yield from fetched.items()
        finally:
            fetched.stop()


class _Prefetch(Generic[T]):
    """Items that are fetched in advance."""

    def __init__(self, items: Iterator[T], workers: WorkerPool, most: int) -> None:
        self._items = items
        self._workers = workers
        self._most = most
        self._lock = threading.Lock()
        self._waiting: deque[Future[T]] = deque()
        self._fetching = False

    def items(self) -> Iterator[T]:
        while True:
            self._fetch()
            self._workers.first_done([self._waiting[0]])
            try:
                item = self._waiting[0].result()
            except _EndError:
                return
            with self._lock:
                self._waiting.popleft()
            self._fetch()
            yield item

    def stop(self) -> None:
        """Stops fetching."""
        with self._lock:
            self._most = 0
            for one in self._waiting:
                one.cancel()

    def _fetch(self) -> None:
        """Starts fetching the next item if there is room and none is being fetched."""
        with self._lock:
            if not self._fetching and len(self._waiting) < self._most:
                self._fetching = True
                self._waiting.append(self._workers.submit(self._next))

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
