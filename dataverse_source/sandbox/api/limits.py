"""Service protection limits: per user and web server, over a sliding window.

Figures, codes and messages are those of docs page "Service protection API limits".
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from dataverse_source.sandbox.api import throttling
from dataverse_source.sandbox.environment.clock import Clock


@dataclass(frozen=True)
class LimitSettings:
    """How much one user may ask of one web server.

    Attributes:
        enforced: False only counts and refuses nothing.
        requests: requests in a window.
        execution_seconds: execution time in a window.
        concurrent: requests at once.
        window_seconds: length of the sliding window.
        servers: web servers behind the host; each counts for itself.
        dop_hint: recommended degree of parallelism, in ``x-ms-dop-hint``.
        hammering_seconds: what each request that is sent in spite of a ``Retry-After`` adds to
            the next one. The docs say that it grows, not by how much.
    """

    enforced: bool = False
    requests: int = 6000
    execution_seconds: float = 1200.0
    concurrent: int = 52
    window_seconds: float = 300.0
    servers: int = 1
    dop_hint: int = 4
    hammering_seconds: float = 0.5


@dataclass(frozen=True)
class Refusal:
    """Which limit was exceeded, and how many seconds to wait."""

    code: str
    message: str
    retry_after: float


@dataclass
class _Account:
    """What one user has spent on one server."""

    arrivals: deque[float] = field(default_factory=deque)
    executions: deque[tuple[float, float]] = field(default_factory=deque)
    execution: float = 0.0
    running: int = 0
    blocked_until: float = 0.0
    refusals: int = 0


@dataclass(frozen=True)
class Remaining:
    """What is left of a user's window on a server."""

    requests: int
    execution_seconds: float


class Limits:
    """Counts requests and execution time by the sandbox's clock. Thread-safe.

    Attributes:
        settings: may be replaced at any time.
        refused: how many requests were refused, by error code.
        highest_concurrency: most requests of one user at once on one server.
    """

    def __init__(self, clock: Clock, settings: LimitSettings | None = None) -> None:
        self.settings = settings or LimitSettings()
        self.refused: dict[str, int] = {}
        self.highest_concurrency = 0
        self._clock = clock
        self._lock = threading.Lock()
        self._accounts: dict[tuple[str, int], _Account] = {}

    def enter(self, user_id: str, server: int) -> Refusal | None:
        """Begins a request. Unless it is refused, ``leave`` must end it."""
        with self._lock:
            now = _seconds(self._clock.now())
            account = self._account(user_id, server, now)
            refusal = self._refusal(account, now) if self.settings.enforced else None
            if refusal is not None:
                self.refused[refusal.code] = self.refused.get(refusal.code, 0) + 1
                return refusal
            account.refusals = 0
            account.running += 1
            account.arrivals.append(now)
            self.highest_concurrency = max(self.highest_concurrency, account.running)
            return None

    def leave(self, user_id: str, server: int, execution_seconds: float) -> None:
        """Ends a request and books the time that it took."""
        with self._lock:
            now = _seconds(self._clock.now())
            account = self._account(user_id, server, now)
            account.running = max(0, account.running - 1)
            account.executions.append((now, execution_seconds))
            account.execution += execution_seconds

    def remaining(self, user_id: str, server: int) -> Remaining:
        """What is left for the rate limit headers."""
        with self._lock:
            account = self._account(user_id, server, _seconds(self._clock.now()))
            return Remaining(
                max(0, self.settings.requests - len(account.arrivals)),
                max(0.0, self.settings.execution_seconds - account.execution),
            )

    def reset(self) -> None:
        """Forgets what was spent and refused; running requests stay counted."""
        with self._lock:
            for account in self._accounts.values():
                account.arrivals.clear()
                account.executions.clear()
                account.execution = account.blocked_until = 0.0
            self.refused = {}
            self.highest_concurrency = 0

    def _account(self, user_id: str, server: int, now: float) -> _Account:
        account = self._accounts.setdefault((user_id, server), _Account())
        oldest = now - self.settings.window_seconds
        while account.arrivals and account.arrivals[0] <= oldest:
            account.arrivals.popleft()
        while account.executions and account.executions[0][0] <= oldest:
            account.execution -= account.executions.popleft()[1]
        if not account.executions:
            account.execution = 0.0
        return account

    def _refusal(self, account: _Account, now: float) -> Refusal | None:
        limits = self.settings
        if account.running >= limits.concurrent:
            # This limit is free again as soon as another request ends: nothing is blocked.
            wait = min(1.0 + account.refusals * limits.hammering_seconds, self._longest_wait)
            account.refusals += 1
            message = throttling.concurrency_message(limits.concurrent)
            return Refusal(throttling.CONCURRENCY_CODE, message, wait)
        if account.execution >= limits.execution_seconds:
            message = throttling.execution_time_message(
                limits.execution_seconds, limits.window_seconds
            )
            free_at = account.executions[0][0] + limits.window_seconds
            wait = self._block(account, now, free_at - now)
            return Refusal(throttling.EXECUTION_TIME_CODE, message, wait)
        free_at = account.blocked_until
        if len(account.arrivals) >= limits.requests:
            free_at = max(free_at, account.arrivals[0] + limits.window_seconds)
        if now < free_at:
            message = throttling.requests_message(limits.requests, limits.window_seconds)
            wait = self._block(account, now, free_at - now)
            return Refusal(throttling.REQUESTS_CODE, message, wait)
        return None

    @property
    def _longest_wait(self) -> float:
        return 2 * self.settings.window_seconds

    def _block(self, account: _Account, now: float, wait: float) -> float:
        wait = max(wait, 1.0)
        if account.blocked_until > now:
            wait = max(wait, account.blocked_until - now) + self.settings.hammering_seconds
        wait = min(wait, self._longest_wait)
        account.blocked_until = now + wait
        return wait


def _seconds(moment: datetime) -> float:
    return moment.timestamp()
