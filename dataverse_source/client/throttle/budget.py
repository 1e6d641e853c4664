"""The budget of one user on Dataverse's web servers: sliding windows for each server.

Figures: docs "Service protection API limits"; each counts per user and web server.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from dataverse_source.client.throttle.sliding_window import (
    SlidingWindow,
    even_rate,
    rate_of_return,
    seconds_until,
)

__all__ = [
    "Budgets",
    "InFlight",
    "RemainingBudget",
    "SendRate",
    "ServiceLimits",
    "read_dop_hint",
    "read_remaining_budget",
]

FAST_SHARE = 0.75
"""Fraction of a budget to spend as fast as the servers answer; the rest is spent evenly."""

PLANNED_SHARE = 0.96
"""Fraction of a budget to plan with when it is spent evenly: requests reach servers by chance, so
that one of them always gets a few more."""

NEAR_SHARE = 0.1
"""Fraction of the window ignored when planning an even rate; also the span over which returning
budget is measured."""

USABLE_SHARE = 0.98
"""Fraction of a server's budget after which requests wait until some of it returns."""

MOST_SERVERS = 16
"""Most servers assumed behind a host that does not tell them apart."""

_NUMBER = re.compile(
    r"-?[0-9]{1,3}(?:,[0-9]{3}){1,4}(?:\.[0-9]{1,9})?|-?[0-9]{1,12}(?:\.[0-9]{1,9})?", re.ASCII
)
_AFFINITY = re.compile(r"\bARRAffinity=([^;,\s]{1,200})")


@dataclass(frozen=True)
class ServiceLimits:
    """Limits of one web server for one user; the defaults are the documented ones.

    Attributes:
        requests: requests in a window.
        execution_seconds: their execution time together.
        concurrent: requests at once.
        window_seconds: length of the sliding window.
    """

    requests: float = 6000.0
    execution_seconds: float = 1200.0
    concurrent: int = 52
    window_seconds: float = 300.0


@dataclass(frozen=True)
class RemainingBudget:
    """The remaining budget in the headers of an answer.

    Attributes:
        server: the web server, by its affinity cookie; "" without one.
        requests: requests left in this window; None without the header.
        execution_seconds: execution time left; None without the header.
    """

    server: str = ""
    requests: float | None = None
    execution_seconds: float | None = None


def read_remaining_budget(headers: Mapping[str, str]) -> RemainingBudget:
    """Reads the headers of an answer; names in any case if the mapping allows it."""
    affinity = _AFFINITY.search(headers.get("Set-Cookie") or "")
    return RemainingBudget(
        affinity[1] if affinity else "",
        _number(headers.get("x-ms-ratelimit-burst-remaining-xrm-requests")),
        _number(headers.get("x-ms-ratelimit-time-remaining-xrm-requests")),
    )


def read_dop_hint(headers: Mapping[str, str]) -> int | None:
    """Requests at once that the server recommends (``x-ms-dop-hint``); None if it does not."""
    text = headers.get("x-ms-dop-hint") or ""
    hint = int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else 0
    return hint or None


def _number(text: str | None) -> float | None:
    """A number; it may have commas between thousands, such as ``1,200.00``."""
    text = (text or "").strip()
    return max(float(text.replace(",", "")), 0.0) if _NUMBER.fullmatch(text) else None


def _largest_share(requests: int, servers: int) -> float:
    """The fraction of the requests in flight that one server may have got by chance."""
    if not requests or servers == 1:
        return 1.0
    mean = requests / servers
    return min((mean + 2.0 * math.sqrt(mean * (1.0 - 1.0 / servers))) / requests, 1.0)


@dataclass
class _Server:
    """One web server: the budget spent on it, and its limits as far as they are known."""

    documented: dict[str, float]
    windows: dict[str, SlidingWindow]
    limits: dict[str, float] = field(default_factory=dict)
    seen: float = 0.0

    def limit(self, what: str) -> float:
        return self.limits.get(what, self.documented[what])

    def learn(self, what: str, told: float, booked: float) -> float:
        """The limit, computed from the remaining budget and from what was booked.

        If it is lower than documented, another client may have spent the rest, or the limit
        itself is lower. So the remaining budget is taken as the limit until more of it returns.
        """
        limit = self.limits.get(what)
        if limit is None:
            limit = told + booked
        elif limit < self.documented[what]:
            limit = max(limit, min(self.documented[what], told + booked))
        self.limits[what] = max(limit, told)
        return self.limits[what]

    def is_in_doubt(self, what: str) -> bool:
        """Whether over half of the budget is missing: a request now and then shows what returns."""
        return self.limit(what) < 0.5 * self.documented[what]


@dataclass(frozen=True)
class InFlight:
    """Requests in flight.

    Attributes:
        requests: how many.
        seconds: an estimate of their whole execution time, together.
        ending: the same of those that the server may have finished by now.
    """

    requests: int = 0
    seconds: float = 0.0
    ending: float = 0.0


@dataclass(frozen=True)
class SendRate:
    """How fast to send requests.

    Attributes:
        wait: seconds in which no request may be sent.
        execution_rate: seconds of execution time per second, which is requests at once; None:
            as fast as the servers answer.
        request_rate: requests per second; None: as fast as the servers answer.
    """

    wait: float = 0.0
    execution_rate: float | None = None
    request_rate: float | None = None


@dataclass
class Budgets:
    """The budgets of the servers behind one host.

    Attributes:
        limits: of each server, until it reports higher ones.
    """

    limits: ServiceLimits = field(default_factory=ServiceLimits)
    _servers: dict[str, _Server] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._own = SlidingWindow(self.limits.window_seconds)

    @property
    def servers(self) -> int:
        """How many web servers share the work, as far as known; at least 1.

        Without cookies, the number of all requests is compared with the number that one server
        reports.
        """
        unnamed = self._servers.get("")
        if unnamed is None or len(self._servers) > 1:
            return max(len(self._servers), 1)
        booked = unnamed.windows["requests"].spent(unnamed.seen)
        own = self._own.spent(unnamed.seen)
        if booked < 1 or own < 4 * MOST_SERVERS:
            return 1
        return min(max(round(own / booked), 1), MOST_SERVERS)

    def answered(self, now: float, seconds: float, left: RemainingBudget, in_flight: float) -> None:
        """Books a request.

        Args:
            now: when its answer came.
            seconds: how long it took.
            left: from its headers.
            in_flight: estimated execution time of the requests in flight.
        """
        if left.server:
            self._servers.pop("", None)
        elif any(self._servers):
            return  # a gateway has answered in place of a server
        server = self._server(left.server)
        server.seen = now
        self._own.add(now, 1.0)
        for what, amount, told, late in (
            ("requests", 1.0, left.requests, in_flight / max(seconds, 0.001)),
            ("execution", seconds, left.execution_seconds, in_flight),
        ):
            window = server.windows[what]
            window.add(now, amount)
            if told is not None:
                limit = server.learn(what, told, window.spent(now))
                # The server reports no less than 0, even when more was spent.
                spent = limit - told if told else max(limit, window.spent(now))
                window.correct(now, spent, late=max(late, 0.01 * limit))
        self._forget_servers(now)

    def send_rate(self, now: float, cost: float, in_flight: InFlight) -> SendRate:
        """How fast to send requests.

        A server refuses requests once their number reaches the limit, or once the execution time
        of the finished ones does.

        Args:
            now: the present.
            cost: estimated execution time of the next request.
            in_flight: the requests in flight.
        """
        if not self._servers:
            return SendRate()
        wait = 0.0
        rates: dict[str, float | None] = {}
        share = _largest_share(in_flight.requests, self.servers)
        for what, next_one, counted, flow in (
            ("requests", 1.0, in_flight.requests + 1.0, float(in_flight.requests)),
            ("execution", cost, in_flight.ending, in_flight.seconds),
        ):
            for server in self._servers.values():
                window, limit = server.windows[what], server.limit(what)
                room = USABLE_SHARE * limit - counted * share
                longest = self._now_and_then if server.is_in_doubt(what) else math.inf
                held = seconds_until(window, now, max(room, 0.0))
                wait = max(wait, min(held, max(server.seen + longest - now, 0.0)))
            rates[what] = self._rate(what, now, next_one, flow)
        return SendRate(wait, rates["execution"], rates["requests"])

    @property
    def _now_and_then(self) -> float:
        return self.limits.window_seconds / 60.0

    def _rate(self, what: str, now: float, next_one: float, in_flight: float) -> float | None:
        """The even rate over all servers; None while less than `FAST_SHARE` is spent."""
        unnamed = self.servers / len(self._servers)
        limit = sum(server.limit(what) for server in self._servers.values())
        spent = sum(server.windows[what].spent(now) for server in self._servers.values())
        if spent + in_flight / unnamed <= FAST_SHARE * limit:
            return None
        returning: dict[float, float] = {}
        for server in self._servers.values():
            for seconds, amount in server.windows[what].returning(now):
                returning[seconds] = returning.get(seconds, 0.0) + amount
        parts, window = sorted(returning.items()), self.limits.window_seconds
        soon = NEAR_SHARE * window
        rate = unnamed * max(
            even_rate(parts, PLANNED_SHARE * limit, window, soon),
            rate_of_return(parts, PLANNED_SHARE * limit, in_flight / unnamed, soon),
        )
        if any(server.is_in_doubt(what) for server in self._servers.values()):
            rate = max(rate, next_one / self._now_and_then)
        return rate

    def _server(self, name: str) -> _Server:
        if name not in self._servers:
            limits = self.limits
            self._servers[name] = _Server(
                {"requests": limits.requests, "execution": limits.execution_seconds},
                {what: SlidingWindow(limits.window_seconds) for what in ("requests", "execution")},
            )
        return self._servers[name]

    def _forget_servers(self, now: float) -> None:
        """Drops servers that have not answered for two windows: servers come and go."""
        oldest = now - 2 * self.limits.window_seconds
        silent = [name for name, server in self._servers.items() if server.seen < oldest]
        for name in silent:
            del self._servers[name]
