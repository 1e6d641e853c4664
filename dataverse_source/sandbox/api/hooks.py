"""Changes to the environment while a client reads: at the Nth request, before or after it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from dataverse_source.sandbox.http.messages import Request

When = Literal["before", "after"]


@dataclass
class _Hook:
    action: Callable[[], None]
    path: re.Pattern[str]
    method: str | None
    when: When
    skip: int
    times: int | None


class Hooks:
    """Actions that wait for requests. Thread-safe; an action runs on the request's own thread.

    An action may change rows (``sandbox.store``), the schema, the clock, users, switches or
    faults. An exception in it gives the client a 500 and appears in the log.

    Attributes:
        ran: how many actions have run.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hooks: list[_Hook] = []
        self.ran = 0

    def on(
        self,
        path: str,
        action: Callable[[], None],
        *,
        nth: int = 1,
        times: int | None = 1,
        when: When = "after",
        method: str | None = None,
    ) -> None:
        """Runs an action at matching requests.

        Args:
            path: regular expression that is searched for in ``path?query``, as received.
            action: what to do.
            nth: the first matching request at which it runs; 1 is the next one.
            times: at how many matching requests it runs from then on; None for all.
            when: ``before`` the answer is made, or ``after``: between this page and the next.
            method: only requests of this method.

        Raises:
            ValueError: ``when`` is neither, or ``nth`` is below 1.
        """
        if when not in ("before", "after") or nth < 1:
            raise ValueError("Set `when` to 'before' or 'after', and `nth` to 1 or more.")
        hook = _Hook(action, re.compile(path), method, when, nth - 1, times)
        with self._lock:
            self._hooks.append(hook)

    def clear(self) -> None:
        """Forgets all actions that have not run."""
        with self._lock:
            self._hooks.clear()

    @property
    def pending(self) -> int:
        """How many hooks still have runs left."""
        with self._lock:
            return len(self._hooks)

    def run(self, when: When, request: Request) -> None:
        """Runs what is due; the server calls it before and after it makes an answer."""
        target = f"{request.path}?{request.query}" if request.query else request.path
        with self._lock:
            due = [hook for hook in self._hooks if _is_due(hook, when, request.method, target)]
            self._hooks = [hook for hook in self._hooks if hook.times != 0]
            self.ran += len(due)
        for hook in due:
            hook.action()


def _is_due(hook: _Hook, when: When, method: str, target: str) -> bool:
    if hook.when != when or hook.method not in (None, method) or not hook.path.search(target):
        return False
    if hook.skip:
        hook.skip -= 1
        return False
    if hook.times is not None:
        hook.times -= 1
    return True
