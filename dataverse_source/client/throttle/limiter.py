"""AIMD concurrency limiter: one per environment and user says when the next request may go.

All tables, ranges, metadata questions and sign-ins of a process go through the same one. It
starts with as many requests at once as the server recommends, adds while all is well, halves
when the server says "too many requests", and makes everybody wait out one ``Retry-After``.
Budgets (see `dataverse_source.client.throttle.budget`) are spent so that it seldom comes to that.
"""

from __future__ import annotations

import bisect
import itertools
import math
import random
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from weakref import WeakValueDictionary

from dataverse_source.client.retry import (
    JITTER,
    MAX_WAIT,
    MIN_WAIT,
    TransientError,
    backoff,
    raise_if_stopped,
)
from dataverse_source.client.throttle.budget import (
    Budgets,
    Pace,
    ServiceLimits,
    UnderWay,
    read_remaining_budget,
)
from dataverse_source.client.throttle.cpu_gauge import CpuGauge
from dataverse_source.client.throttle.permits import LimiterTotals, Permit, Time
from dataverse_source.client.throttle.sliding_window import PARTS
from dataverse_source.config.log import logger

__all__ = ["SERVICE_LIMITS", "ConcurrencyLimiter", "LimiterTotals", "Permit", "Time", "limiter_of"]

SERVICE_LIMITS = ServiceLimits()
"""What concurrency limiters believe of the service until it says otherwise."""

FIRST = 2
"""Requests at once before the server has recommended any number."""

CONCURRENCY = "0x80072326"
"""Error code for too many requests at once (docs: "Service protection API limits")."""

_TOLD = re.compile(r"concurrent requests exceeded the limit of ([0-9]{1,4})\b")
_HALF = 0.5
_NEARLY = 0.5
_Ticket = tuple[bool, int]


class ConcurrencyLimiter:
    """Says when requests may be sent; used by all threads.

    Args:
        limits: what is believed of the service until it says otherwise.
        time: the clock.
        chance: gives random numbers from 0 to 1.
        gauge: whether this machine has power left for more at once.
    """

    def __init__(
        self,
        limits: ServiceLimits | None = None,
        *,
        time: Time | None = None,
        chance: Callable[[], float] = random.random,
        gauge: CpuGauge | None = None,
    ) -> None:
        self._limits = limits or SERVICE_LIMITS
        self._time = time or Time()
        self._chance = chance
        self._gauge = gauge or CpuGauge()
        self._each = self._limits.concurrent
        self._budgets = Budgets(self._limits)
        self._lock = threading.Lock()
        self._queue: list[tuple[_Ticket, threading.Condition]] = []
        self._numbers = itertools.count()
        self._under_way: dict[Permit, None] = {}
        self._level = float(FIRST)
        self._hinted = False
        self._blocked_until = 0.0
        self._probing = False
        self._refusals = 0
        self._ceiling, self._ceiling_until = 0, -math.inf
        self._last_cut = -math.inf
        self._cost = 0.0
        self._last_at = self._told_at = -math.inf
        self._pace = Pace()
        self._servers = 1
        self._totals = LimiterTotals()
        self._changed_at = self._time.now()

    @property
    def concurrency(self) -> int:
        """How many requests at once make sense now; at least 1."""
        with self._lock:
            rate = self._pace.execution_rate
            most = self._most()
            return most if rate is None else max(1, min(most, int(rate) + 2))

    @property
    def totals(self) -> LimiterTotals:
        """What it has done so far."""
        with self._lock:
            self._count()
            return self._totals

    @contextmanager
    def permit(self, *, at_most: int | None = None, urgent: bool = False) -> Iterator[Permit]:
        """Waits until a request may be sent; it is under way until the end of the block.

        Slots are given in the order in which they are asked for. A `TransientError` that ends
        the block with ``throttled`` holds back all requests, and is told for how long.

        Args:
            at_most: requests at once that this one may make full.
            urgent: it goes before others, and alone, as it has been refused before.

        Raises:
            SignalReceivedException: SIGINT or SIGTERM came while dlt runs the pipeline.
            Stopped: see `dataverse_source.client.retry.stopping`.
        """
        permit = self._enter(at_most, urgent=urgent)
        try:
            yield permit
        except TransientError as failure:
            permit.well = False
            if failure.throttled:
                failure.held = self._refused(permit, failure)
            raise
        finally:
            self._leave(permit)

    def _enter(self, at_most: int | None, *, urgent: bool) -> Permit:
        with self._lock:
            told = threading.Condition(self._lock)
            place = ((not urgent, next(self._numbers)), told)
            bisect.insort(self._queue, place, key=_ticket)
            try:
                while (seconds := self._seconds_to_wait(place, at_most)) != 0.0:
                    began = self._time.now()
                    self._time.wait(told, seconds)
                    if seconds is not None:
                        self._held(self._time.now() - began)
                    raise_if_stopped()
            finally:
                self._queue.remove(place)
                self._tell_first()
            return self._begin(at_most, urgent=urgent)

    def _seconds_to_wait(
        self, place: tuple[_Ticket, threading.Condition], at_most: int | None
    ) -> float | None:
        """0 when it is this one's turn, None when another request has to end first."""
        under_way = len(self._under_way)
        if self._queue[0] is not place or under_way >= min(self._most(), at_most or under_way + 1):
            return None
        now = self._time.now()
        if now < self._blocked_until:
            return self._blocked_until - now
        urgent = not place[0][0]
        if under_way and (urgent or self._probing or self._has_urgent()):
            return None
        pace = self._budgets.pace(now, self._cost, self._requests_under_way(now))
        if pace.execution_rate is not None and now >= self._told_at + self._limits.window_seconds:
            self._told_at = now
            self._log_pace(pace.execution_rate)
        self._pace = pace
        if pace.wait > 0:
            return pace.wait
        spacing = self._spacing(pace)
        # Not longer than until the pace may change, as spent budget comes back.
        changes = self._limits.window_seconds / PARTS
        return min(max(self._last_at + spacing - now, 0.0), changes) if spacing else 0.0

    def _has_urgent(self) -> bool:
        return any(permit.urgent for permit in self._under_way)

    def _begin(self, at_most: int | None, *, urgent: bool) -> Permit:
        self._count()
        now, level = self._time.now(), len(self._under_way) + 1
        spacing = self._spacing(self._pace)
        self._last_at = max(self._last_at + spacing, now - spacing)
        wanted = level >= int(self._level) and (at_most is None or level < at_most)
        permit = Permit(now, level, wanted=wanted, urgent=urgent)
        self._under_way[permit] = None
        return permit

    def _leave(self, permit: Permit) -> None:
        with self._lock:
            self._count()
            del self._under_way[permit]
            now = self._time.now()
            for seconds, headers in permit.answers:
                self._booked(now, seconds, headers)
            if permit.well and permit.answers and permit.began >= self._blocked_until:
                self._went_well(permit)
            self._tell_first()

    def _booked(self, now: float, seconds: float, headers: Mapping[str, str]) -> None:
        """Learns from one answer."""
        left = read_remaining_budget(headers)
        self._budgets.answered(now, seconds, left, self._requests_under_way(now).seconds)
        self._cost = seconds if not self._cost else 0.8 * self._cost + 0.2 * seconds
        servers = self._budgets.servers
        if servers > self._servers:
            logger.info("%d web servers are behind this host; each has its own limits", servers)
        self._servers = servers
        hint = headers.get("x-ms-dop-hint") or ""
        if not self._hinted and hint.isascii() and hint.isdigit() and int(hint) > 0:
            self._hinted = True
            if self._level == FIRST:  # else there was a refusal before any good answer
                self._level = float(hint)
            logger.info("Dataverse recommends %s requests at once: beginning with these", hint)

    def _went_well(self, permit: Permit) -> None:
        """Allows more, by one for each server and round, if there is use for it."""
        self._probing = False
        self._refusals = 0
        rate = self._pace.execution_rate
        has_use = permit.wanted and (rate is None or self._level <= rate)
        if has_use and self._gauge.has_power(self._time.now()):
            self._level = min(self._level + self._servers / self._level, float(self._top()))

    def _refused(self, permit: Permit, failure: TransientError) -> float:
        """Holds everybody back; returns for how many seconds."""
        with self._lock:
            now, before = self._time.now(), self._most()
            # Requests that were under way at the last refusal say nothing new.
            is_new = permit.began > self._last_cut
            seconds = 0.0
            if failure.wait is not None:
                seconds = max(failure.wait, MIN_WAIT) * (1.0 + JITTER * self._chance())
            elif is_new:
                seconds = backoff(self._refusals + 1, self._chance())
            self._blocked_until = max(self._blocked_until, now + min(seconds, MAX_WAIT))
            self._probing = True
            if is_new:
                self._refusals += 1
                self._last_cut = now
                used = max(permit.level, len(self._under_way))
                self._level = max(1.0, min(self._level, used) * _HALF)
            if getattr(failure.error, "code", None) == CONCURRENCY:
                self._too_many_at_once(now, permit, failure)
            logger.warning(
                "%s. All requests wait for %.1f s; then %d at once in place of %d.",
                failure.error.what,
                self._blocked_until - now,
                self._most(),
                before,
            )
            return self._blocked_until - now

    def _too_many_at_once(self, now: float, permit: Permit, failure: TransientError) -> None:
        """Stays below what was too much, for a window, or for good if the server says how much."""
        told = _TOLD.search(failure.error.why or "")
        if told:
            self._each = max(int(told[1]), 1)
        else:
            self._ceiling = min(self._top(), max(permit.level - 1, 1))
            self._ceiling_until = now + self._limits.window_seconds

    def _most(self) -> int:
        return max(1, min(int(self._level), self._top()))

    def _top(self) -> int:
        """Requests at once that the servers bear.

        Requests land on servers by chance: room is left for three standard deviations.
        """
        each, servers = self._each, self._servers
        top = each
        if servers > 1:
            share = 1.0 / servers
            top = max(each, int(servers * each * (1.0 - 3.0 * ((1.0 - share) / each) ** 0.5)))
        if self._time.now() < self._ceiling_until:
            top = min(top, self._ceiling)
        return max(top, 1)

    def _spacing(self, pace: Pace) -> float:
        """Seconds between two requests where budgets are spent evenly; 0 where not."""
        longest = self._limits.window_seconds
        spacing = 0.0
        for rate, amount in ((pace.execution_rate, self._cost), (pace.request_rate, 1.0)):
            if rate is not None:
                spacing = max(spacing, min(amount / rate, longest) if rate > 0 else longest)
        return spacing

    def _requests_under_way(self, now: float) -> UnderWay:
        """What the requests under way have taken, or will, about."""
        seconds = ending = 0.0
        for permit in self._under_way:
            age = now - permit.began
            seconds += max(self._cost, age)
            if age >= _NEARLY * self._cost:
                ending += max(self._cost, age)
        return UnderWay(len(self._under_way), seconds, ending)

    def _tell_first(self) -> None:
        if self._queue:
            self._queue[0][1].notify()

    def _held(self, seconds: float) -> None:
        totals = self._totals
        self._totals = LimiterTotals(
            totals.seconds_held + seconds, totals.busy_seconds, totals.request_seconds
        )

    def _count(self) -> None:
        """Adds the time since the number of requests under way has changed."""
        now, level, totals = self._time.now(), len(self._under_way), self._totals
        passed = now - self._changed_at
        self._changed_at = now
        self._totals = LimiterTotals(
            totals.seconds_held,
            totals.busy_seconds + (passed if level else 0.0),
            totals.request_seconds + passed * level,
        )

    def _log_pace(self, rate: float) -> None:
        logger.info(
            "Most of the execution time that Dataverse grants in %.0f s is spent: the rest is "
            "spent evenly, about %.1f requests at once",
            self._limits.window_seconds,
            rate,
        )


def _ticket(place: tuple[_Ticket, threading.Condition]) -> _Ticket:
    return place[0]


_limiters: WeakValueDictionary[tuple[str, str], ConcurrencyLimiter] = WeakValueDictionary()
_limiters_lock = threading.Lock()


def limiter_of(environment_url: str, user: str) -> ConcurrencyLimiter:
    """The concurrency limiter of one environment and user; it lives as long as somebody uses it.

    Args:
        environment_url: scheme, host and port.
        user: who signs in, without a secret.
    """
    with _limiters_lock:
        limiter = _limiters.get((environment_url, user))
        if limiter is None:
            limiter = _limiters[environment_url, user] = ConcurrencyLimiter()
        return limiter
