"""A deadline for a whole request: a server that sends a byte now and then never times out.

Python's time-outs count from one byte to the next. So one thread watches all requests of the
process, and shuts down the connection of one that takes too long.
"""

from __future__ import annotations

import heapq
import itertools
import socket
import threading
import time
from contextlib import suppress
from types import TracebackType

__all__ = ["LONGEST_ANSWER", "Deadline", "watch"]

LONGEST_ANSWER = 5
"""Times the time-out between two bytes in which an answer must be complete, however it comes."""

_of_this_thread = threading.local()


class Deadline:
    """Ends the request of this thread after so many seconds; use it in a ``with`` block.

    Args:
        seconds: from now on.

    Attributes:
        expired: the time was up before the block ended.
    """

    def __init__(self, seconds: float) -> None:
        self.moment = time.monotonic() + seconds
        self.expired = False
        self._lock = threading.Lock()
        self._over = False
        self._socket: socket.socket | None = None

    def __enter__(self) -> Deadline:
        _of_this_thread.deadline = self
        _watchdog.add(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _of_this_thread.deadline = None
        with self._lock:
            self._over = True
            self._socket = None

    @property
    def over(self) -> bool:
        """Whether the block has ended."""
        return self._over

    def watch(self, connection: socket.socket) -> None:
        """Names the connection that the answer comes on."""
        with self._lock:
            self._socket = connection

    def expire(self) -> None:
        """Shuts down the connection, unless the block has ended."""
        with self._lock:
            if self._over:
                return
            self.expired = True
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)


def watch(connection: socket.socket | None) -> None:
    """Tells the deadline of this thread, if there is one, which connection it is about."""
    deadline: Deadline | None = getattr(_of_this_thread, "deadline", None)
    if deadline is not None and connection is not None:
        deadline.watch(connection)


class _Watchdog:
    """One thread for the deadlines of all requests."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, int, Deadline]] = []
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None

    def add(self, deadline: Deadline) -> None:
        with self._changed:
            heapq.heappush(self._waiting, (deadline.moment, next(self._numbers), deadline))
            if self._thread is None or not self._thread.is_alive():  # it does not survive a fork
                self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
            elif self._waiting[0][2] is deadline:
                self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._waiting and self._waiting[0][2].over:
                    heapq.heappop(self._waiting)
                if not self._waiting:
                    self._changed.wait()
                    continue
                left = self._waiting[0][0] - time.monotonic()
                if left > 0:
                    self._changed.wait(left)
                    continue
                deadline = heapq.heappop(self._waiting)[2]
            deadline.expire()


_watchdog = _Watchdog()
