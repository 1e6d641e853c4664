"""Threads that fetch and decode pages, shared by all tables of a source.

They start when there is work for them, and end when the last reader has left.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from queue import SimpleQueue
from types import TracebackType
from typing import Any, TypeVar

from dlt.common.runtime import signals

T = TypeVar("T")

POLL_SECONDS = 0.2
"""How soon an interrupt is noticed while pages are on their way."""

PATIENCE_SECONDS = 5.0
"""How long readers that leave wait for requests that nobody needs any more, together."""


MOST_THREADS = 64
"""Few of them do anything but wait for an answer."""


class Crew:
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

    def __enter__(self) -> Crew:
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


def ahead(items: Iterator[T], crew: Crew) -> Iterator[T]:
    """The same items; the next one is fetched while the last is worked on."""
    end: Any = object()

    def following() -> Any:
        return next(items, end)

    with crew:
        future = crew.submit(following)
        try:
            while True:
                crew.first_done([future])
                item = future.result()
                if item is end:
                    return
                future = crew.submit(following)
                yield item
        finally:
            future.cancel()
