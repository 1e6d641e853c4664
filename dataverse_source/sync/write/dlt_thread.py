"""Lets other threads ask dlt's pipeline something: dlt's own thread answers.

dlt's pipeline, its live schema and its destination clients are not safe to use from several
threads at once. So a thread that reads a table waits here until dlt's thread takes its question,
which it does between the items that it takes.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

T = TypeVar("T")


class DltThread:
    """dlt's thread, while it is in the ``with`` block; blocks may overlap.

    `ask` may be called by any thread, `answer` only by dlt's.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._questions: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._waiting: Future[None] = Future()
        self._thread: int | None = None
        self._blocks = 0

    def __enter__(self) -> DltThread:
        with self._lock:
            self._thread = threading.get_ident()
            self._blocks += 1
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._blocks -= 1
            if self._blocks:
                return
        self.leave()

    def leave(self) -> None:
        """Answers no more questions, until the next ``with`` block: those that wait fail."""
        with self._lock:
            self._thread = None
            questions, self._questions = self._questions, deque()
        for _question, result in questions:
            result.set_exception(CancelledError())

    @property
    def waiting(self) -> Future[None]:
        """Done as soon as a question waits for `answer`."""
        return self._waiting

    def ask(self, question: Callable[[], T]) -> T:
        """What ``question`` returns, called on dlt's thread.

        Raises:
            CancelledError: dlt's thread has left, as the run has ended.
            Exception: whatever ``question`` raises.
        """
        with self._lock:
            if self._thread is None:
                raise CancelledError
            here = threading.get_ident() == self._thread
            if not here:
                result: Future[T] = Future()
                self._questions.append((question, result))
                if not self._waiting.done():
                    self._waiting.set_result(None)
        return question() if here else result.result()

    def answer(self) -> None:
        """Answers the questions that wait."""
        while True:
            with self._lock:
                if not self._questions:
                    if self._waiting.done():
                        self._waiting = Future()
                    return
                question, result = self._questions.popleft()
            try:
                result.set_result(question())
            except BaseException as error:
                result.set_exception(error)
                if not isinstance(error, Exception):
                    raise
