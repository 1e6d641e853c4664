"""AIMD concurrency limiter over sliding-window budgets, one per environment and user.

All requests of a process to an environment share it. It starts with as many requests at once as
the server recommends and doubles that every round while all goes well, until the server first says
"too many requests". Every such refusal halves it, and all requests wait for one ``Retry-After``;
from then on it adds some a round. Budgets (see `dataverse_source.client.throttle.budget`) are spent
so that this seldom happens.
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

from dlt.common.runtime import signals

from dataverse_source.client.retry import (
    MAX_WAIT,
    TransientError,
    backoff,
    told_to_wait,
)
from dataverse_source.client.throttle.budget import (
    Budgets,
    InFlight,
    SendRate,
    ServiceLimits,
    read_dop_hint,
    read_remaining_budget,
)
from dataverse_source.client.throttle.cpu_gauge import INTERVAL, CpuGauge
from dataverse_source.client.throttle.permits import LimiterClock, LimiterTotals, Permit
from dataverse_source.client.throttle.sliding_window import PARTS
from dataverse_source.config.log import logger

__all__ = [
    "SERVICE_LIMITS",
    "ConcurrencyLimiter",
    "LimiterClock",
    "LimiterTotals",
    "Permit",
    "limiter_of",
]

SERVICE_LIMITS = ServiceLimits()
"""Limits that concurrency limiters assume until the service reports others."""

FIRST = 2
"""Requests at once before the server has recommended any number."""

CONCURRENCY = "0x80072326"
"""Error code for too many requests at once (docs: "Service protection API limits")."""

_REPORTED = re.compile(r"concurrent requests exceeded the limit of ([0-9]{1,4})\b")
_HALF = 0.5
_NEARLY = 0.5
_Ticket = tuple[bool, int]


class ConcurrencyLimiter:
    """Says when requests may be sent; used by all threads.

    Args:
        limits: assumed until the service reports others.
        clock: the time, and how to wait.
        chance: returns random numbers from 0 to 1.
        gauge: whether processor time is left for more requests at once.

    Attributes:
        processes: that share what the servers grant; each takes as many requests at once.
    """

    def __init__(
        self,
        limits: ServiceLimits | None = None,
        *,
        clock: LimiterClock | None = None,
        chance: Callable[[], float] = random.random,
        gauge: CpuGauge | None = None,
    ) -> None:
        self._limits = limits or SERVICE_LIMITS
        self._clock = clock or LimiterClock()
        self._chance = chance
        self._gauge = gauge or CpuGauge()
        self._per_server = self._limits.concurrent
        self.processes = 1
        self._budgets = Budgets(self._limits)
        self._lock = threading.Lock()
        self._queue: list[tuple[_Ticket, threading.Condition]] = []
        self._numbers = itertools.count()
        self._in_flight: dict[Permit, None] = {}
        self._limit = float(FIRST)
        self._dop_hint: int | None = None
        self._blocked_until = 0.0
        self._probing = False
        self._refusals = 0
        self._ceiling, self._ceiling_until = 0, -math.inf
        self._last_cut = self._short_at = -math.inf
        self._cost = 0.0
        self._last_at = self._logged_at = -math.inf
        self._rate = SendRate()
        self._servers = 1
        self._totals = LimiterTotals()
        self._changed_at = self._clock.now()
        self._held_until = -math.inf

    @property
    def held_for(self) -> float:
        """Seconds until limits let the first request of the queue go; 0 if none holds it back."""
        return max(self._held_until - self._clock.now(), 0.0)

    @property
    def concurrency(self) -> int:
        """How many requests at once make sense now; at least 1."""
        with self._lock:
            rate = self._rate.execution_rate
            most = self._allowed()
            return most if rate is None else max(1, min(most, int(rate) + 2))

    @property
    def dop_hint(self) -> int | None:
        """Requests at once that the server recommends; None before it has said so."""
        return self._dop_hint

    @property
    def totals(self) -> LimiterTotals:
        """What it has done so far."""
        with self._lock:
            self._count()
            return self._totals

    @contextmanager
    def permit(self, *, at_most: int | None = None, urgent: bool = False) -> Iterator[Permit]:
        """Waits until a request may be sent; it is in flight until the end of the block.

        Permits are given in the order in which they are asked for. A `TransientError` with
        ``throttled`` that ends the block holds back all requests; its ``held`` is set to the
        seconds.

        Args:
            at_most: wait while this many requests are in flight.
            urgent: it has been refused before, so it goes before the others, and alone.

        Raises:
            SignalReceivedException: SIGINT or SIGTERM came while dlt runs the pipeline.
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
            turn = threading.Condition(self._lock)
            place = ((not urgent, next(self._numbers)), turn)
            bisect.insort(self._queue, place, key=_ticket)
            try:
                while (seconds := self._seconds_to_wait(place, at_most)) != 0.0:
                    began = self._clock.now()
                    if seconds is not None:
                        self._held_until = began + seconds
                    self._clock.wait(turn, seconds)
                    if seconds is not None:
                        self._held(self._clock.now() - began)
                    signals.raise_if_signalled()
            finally:
                self._queue.remove(place)
                self._notify_first()
            return self._begin(at_most, urgent=urgent)

    def _seconds_to_wait(
        self, place: tuple[_Ticket, threading.Condition], at_most: int | None
    ) -> float | None:
        """0 when it is this request's turn, None when another one must end first."""
        in_flight, now = len(self._in_flight), self._clock.now()
        if self._queue[0] is not place or in_flight >= (at_most or in_flight + 1):
            return None
        if in_flight >= self._allowed():
            self._short_at = now
            return None
        if now < self._blocked_until:
            return self._blocked_until - now
        urgent = not place[0][0]
        if in_flight and (urgent or self._probing or self._has_urgent()):
            return None
        rate = self._budgets.send_rate(now, self._cost, self._estimate(now))
        if rate.execution_rate is not None and now >= self._logged_at + self._limits.window_seconds:
            self._logged_at = now
            self._log_even_rate(rate.execution_rate)
        self._rate = rate
        if rate.wait > 0:
            return rate.wait
        spacing = self._spacing(rate)
        # Not beyond the next bucket, as returning budget changes the rate.
        changes = self._limits.window_seconds / PARTS
        return min(max(self._last_at + spacing - now, 0.0), changes) if spacing else 0.0

    def _has_urgent(self) -> bool:
        return any(permit.urgent for permit in self._in_flight)

    def _begin(self, at_most: int | None, *, urgent: bool) -> Permit:
        self._count()
        now, level = self._clock.now(), len(self._in_flight) + 1
        spacing = self._spacing(self._rate)
        self._last_at = max(self._last_at + spacing, now - spacing)
        used_last = level >= int(self._limit) and (at_most is None or level < at_most)
        permit = Permit(now, level, used_last=used_last, urgent=urgent)
        self._in_flight[permit] = None
        return permit

    def _leave(self, permit: Permit) -> None:
        with self._lock:
            self._count()
            del self._in_flight[permit]
            now = self._clock.now()
            for seconds, headers in permit.answers:
                self._booked(now, seconds, headers)
            if permit.well and permit.answers and permit.began >= self._blocked_until:
                self._went_well(permit)
            self._notify_first()

    def _booked(self, now: float, seconds: float, headers: Mapping[str, str]) -> None:
        """Learns from one answer."""
        left = read_remaining_budget(headers)
        self._budgets.answered(now, seconds, left, self._estimate(now).seconds)
        self._cost = seconds if not self._cost else 0.8 * self._cost + 0.2 * seconds
        servers = self._budgets.servers
        if servers > self._servers:
            logger.info("%d web servers are behind this host; each has its own limits", servers)
        self._servers = servers
        hint = read_dop_hint(headers)
        if hint is not None and self._dop_hint is None:
            if self._limit == FIRST:  # else a refusal came before any good answer
                self._limit = float(hint)
            logger.info("Dataverse recommends %d requests at once: starting with as many", hint)
        self._dop_hint = hint or self._dop_hint

    def _went_well(self, permit: Permit) -> None:
        """Raises the limit if that may help.

        By one per server and round; before the first refusal it doubles every round, though not
        more often than the gauge looks at the processors.
        """
        self._probing = False
        self._refusals = 0
        now, rate = self._clock.now(), self._rate.execution_rate
        is_used = permit.used_last or permit.began <= self._short_at
        has_use = is_used and (rate is None or self._limit <= rate)
        if has_use and self._gauge.has_spare_time(now):
            more = self._servers / self._limit
            if self._last_cut == -math.inf:
                more = max(more, min((now - permit.began) / INTERVAL, 1.0))
            self._limit = min(self._limit + more, float(self._upper_bound()))

    def _refused(self, permit: Permit, failure: TransientError) -> float:
        """Holds back all requests; returns for how many seconds."""
        with self._lock:
            now, before = self._clock.now(), self._allowed()
            # A refusal of a request sent before the last cut says nothing new.
            is_new = permit.began > self._last_cut
            seconds = 0.0
            if failure.wait is not None:
                before = self._refusals if is_new else 0
                seconds = told_to_wait(failure.wait, before, self._chance())
            elif is_new:
                seconds = backoff(self._refusals + 1, self._chance())
            self._blocked_until = max(self._blocked_until, now + min(seconds, MAX_WAIT))
            self._probing = True
            if is_new:
                self._refusals += 1
                self._last_cut = now
                used = max(permit.in_flight, len(self._in_flight))
                self._limit = max(1.0, min(self._limit, used) * _HALF)
            if getattr(failure.error, "code", None) == CONCURRENCY:
                self._too_many_at_once(now, permit, failure)
            logger.warning(
                "%s. All requests wait for %.1f s; then %d at once in place of %d.",
                failure.error.what,
                self._blocked_until - now,
                self._allowed(),
                before,
            )
            return self._blocked_until - now

    def _too_many_at_once(self, now: float, permit: Permit, failure: TransientError) -> None:
        """Stays below the refused number: for one window, or for good below a reported limit."""
        reported = _REPORTED.search(failure.error.why or "")
        if reported:
            self._per_server = max(int(reported[1]), 1)
        else:
            self._ceiling = min(self._upper_bound(), max(permit.in_flight - 1, 1))
            self._ceiling_until = now + self._limits.window_seconds

    def _allowed(self) -> int:
        return max(1, min(int(self._limit), self._upper_bound()))

    def _upper_bound(self) -> int:
        """The most requests at once that the servers accept.

        Requests reach servers by chance, so three standard deviations are left free.
        """
        each, servers = self._per_server, self._servers
        top = each
        if servers > 1:
            share = 1.0 / servers
            top = max(each, int(servers * each * (1.0 - 3.0 * ((1.0 - share) / each) ** 0.5)))
        top //= self.processes
        if self._clock.now() < self._ceiling_until:
            top = min(top, self._ceiling)
        return max(top, 1)

    def _spacing(self, send_rate: SendRate) -> float:
        """Seconds between two requests while budgets are spent evenly, else 0."""
        longest = self._limits.window_seconds
        spacing = 0.0
        for rate, amount in (
            (send_rate.execution_rate, self._cost),
            (send_rate.request_rate, 1.0),
        ):
            if rate is not None:
                spacing = max(spacing, min(amount / rate, longest) if rate > 0 else longest)
        return spacing

    def _estimate(self, now: float) -> InFlight:
        """The requests in flight, and what they cost."""
        seconds = ending = 0.0
        for permit in self._in_flight:
            age = now - permit.began
            seconds += max(self._cost, age)
            if age >= _NEARLY * self._cost:
                ending += max(self._cost, age)
        return InFlight(len(self._in_flight), seconds, ending)

    def _notify_first(self) -> None:
        if self._queue:
            self._queue[0][1].notify()

    def _held(self, seconds: float) -> None:
        totals = self._totals
        self._totals = LimiterTotals(
            totals.seconds_held + seconds, totals.busy_seconds, totals.request_seconds
        )

    def _count(self) -> None:
        """Adds the time since the number of requests in flight last changed."""
        now, level, totals = self._clock.now(), len(self._in_flight), self._totals
        passed = now - self._changed_at
        self._changed_at = now
        self._totals = LimiterTotals(
            totals.seconds_held,
            totals.busy_seconds + (passed if level else 0.0),
            totals.request_seconds + passed * level,
        )

    def _log_even_rate(self, rate: float) -> None:
        logger.info(
            "Most of the execution time that Dataverse allows in %.0f s is used: sending evenly "
            "from now on, about %.1f requests at once",
            self._limits.window_seconds,
            rate,
        )


def _ticket(place: tuple[_Ticket, threading.Condition]) -> _Ticket:
    return place[0]


_limiters: WeakValueDictionary[tuple[str, str], ConcurrencyLimiter] = WeakValueDictionary()
_limiters_lock = threading.Lock()


def limiter_of(environment_url: str, user: str, processes: int = 1) -> ConcurrencyLimiter:
    """The concurrency limiter of one environment and user; kept while any client uses it.

    Args:
        environment_url: scheme, host and port.
        user: who signs in; no secret.
        processes: that read as this user at the same time.
    """
    with _limiters_lock:
        limiter = _limiters.get((environment_url, user))
        if limiter is None:
            limiter = _limiters[environment_url, user] = ConcurrencyLimiter()
        limiter.processes = max(limiter.processes, processes)
        return limiter
