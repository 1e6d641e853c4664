"""What one user may spend on Dataverse's web servers: a ledger a server, over a sliding window.

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
    "Pace",
    "RemainingBudget",
    "ServiceLimits",
    "UnderWay",
    "read_remaining_budget",
]

PLENTY = 0.75
"""Part of a budget that may be spent as fast as the servers answer; the rest goes evenly."""

EVENLY = 0.96
"""Part of a budget that is planned with where it is spent evenly: requests land on servers by
chance, so that one of them always has a little more to do."""

SOON = 0.1
"""Part of a window for which no even rate is planned, and over which it is looked at how fast
spent budget comes back."""

FULL = 0.98
"""Part of a server's budget after which nothing more is asked until some of it comes back."""

MOST_SERVERS = 16
"""How many servers are believed to be behind a host that does not tell them apart."""

_NUMBER = re.compile(r"-?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|-?[0-9]+(?:\.[0-9]+)?", re.ASCII)
_AFFINITY = re.compile(r"\bARRAffinity=([^;,\s]+)")


@dataclass(frozen=True)
class ServiceLimits:
    """What one web server takes from one user; the defaults are the documented ones.

    Attributes:
        requests: requests in a window.
        execution_seconds: execution time of these, together.
        concurrent: requests at once.
        window_seconds: length of the sliding window.
    """

    requests: float = 6000.0
    execution_seconds: float = 1200.0
    concurrent: int = 52
    window_seconds: float = 300.0


@dataclass(frozen=True)
class RemainingBudget:
    """What an answer's headers tell.

    Attributes:
        server: which web server has answered, by its affinity cookie; "" when it did not say.
        requests: how many more it takes in this window; None when it did not say.
        execution_seconds: how much more execution time; None when it did not say.
    """

    server: str = ""
    requests: float | None = None
    execution_seconds: float | None = None


def read_remaining_budget(headers: Mapping[str, str]) -> RemainingBudget:
    """What headers tell of the limits; names in any case if the mapping allows it."""
    affinity = _AFFINITY.search(headers.get("Set-Cookie") or "")
    return RemainingBudget(
        affinity[1] if affinity else "",
        _number(headers.get("x-ms-ratelimit-burst-remaining-xrm-requests")),
        _number(headers.get("x-ms-ratelimit-time-remaining-xrm-requests")),
    )


def _number(text: str | None) -> float | None:
    """A number that may have commas between thousands, such as ``1,200.00``."""
    text = (text or "").strip()
    return max(float(text.replace(",", "")), 0.0) if _NUMBER.fullmatch(text) else None


def _largest_share(requests: int, servers: int) -> float:
    """The part of the requests under way that one server may have got, by chance."""
    if not requests or servers == 1:
        return 1.0
    mean = requests / servers
    return min((mean + 2.0 * math.sqrt(mean * (1.0 - 1.0 / servers))) / requests, 1.0)


@dataclass
class _Server:
    """One web server: what was spent on it, and its limits as far as it has told them."""

    documented: dict[str, float]
    windows: dict[str, SlidingWindow]
    limits: dict[str, float] = field(default_factory=dict)
    seen: float = 0.0

    def limit(self, what: str) -> float:
        return self.limits.get(what, self.documented[what])

    def learn(self, what: str, told: float, booked: float) -> float:
        """The limit, from what is left and what was booked.

        What is missing at first may have been spent by somebody else, or the limit is lower
        than documented: what is left is all there is, until more of it comes back.
        """
        limit = self.limits.get(what)
        if limit is None:
            limit = told + booked
        elif limit < self.documented[what]:
            limit = max(limit, min(self.documented[what], told + booked))
        self.limits[what] = max(limit, told)
        return self.limits[what]

    def is_in_doubt(self, what: str) -> bool:
        """Whether most is missing, so that it pays to ask now and then what has come back."""
        return self.limit(what) < 0.5 * self.documented[what]


@dataclass(frozen=True)
class UnderWay:
    """Requests that have not been answered.

    Attributes:
        requests: how many.
        seconds: their execution time in the end, together, about.
        ending: that of those which may have ended on the server by now.
    """

    requests: int = 0
    seconds: float = 0.0
    ending: float = 0.0


@dataclass(frozen=True)
class Pace:
    """How fast to go on.

    Attributes:
        wait: seconds in which nothing may be asked at all.
        execution_rate: seconds of execution time a second, which is requests at once; None:
            as fast as the servers answer.
        request_rate: requests a second; None likewise.
    """

    wait: float = 0.0
    execution_rate: float | None = None
    request_rate: float | None = None


@dataclass
class Budgets:
    """What is spent on, and left of, the servers behind one host.

    Attributes:
        limits: of each server, until it tells of higher ones.
    """

    limits: ServiceLimits = field(default_factory=ServiceLimits)
    _servers: dict[str, _Server] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._own = SlidingWindow(self.limits.window_seconds)

    @property
    def servers(self) -> int:
        """How many web servers share the work, as far as they have been told apart; 1 at least.

        Where no cookie tells them apart, what all of them were asked is compared with what one
        of them says that it was asked.
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
            left: what its headers tell.
            in_flight: execution time of requests that are under way, about.
        """
        if left.server:
            self._servers.pop("", None)
        elif any(self._servers):
            return  # a gateway has answered in the place of a server
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
                # Below nothing left the server does not count.
                spent = limit - told if told else max(limit, window.spent(now))
                window.correct(now, spent, late=max(late, 0.01 * limit))
        self._forget_servers(now)

    def pace(self, now: float, cost: float, under_way: UnderWay) -> Pace:
        """How fast to go on.

        A request is refused when the execution time of those that have ended exceeds the limit,
        or when as many as the limit have come.

        Args:
            now: the present.
            cost: execution time of the next request, about.
            under_way: the requests that have not been answered.
        """
        if not self._servers:
            return Pace()
        wait = 0.0
        rates: dict[str, float | None] = {}
        share = _largest_share(under_way.requests, self.servers)
        for what, next_one, counted, flow in (
            ("requests", 1.0, under_way.requests + 1.0, float(under_way.requests)),
            ("execution", cost, under_way.ending, under_way.seconds),
        ):
            for server in self._servers.values():
                window, limit = server.windows[what], server.limit(what)
                room = FULL * limit - counted * share
                longest = self._now_and_then if server.is_in_doubt(what) else math.inf
                held = seconds_until(window, now, max(room, 0.0))
                wait = max(wait, min(held, max(server.seen + longest - now, 0.0)))
            rates[what] = self._rate(what, now, next_one, flow)
        return Pace(wait, rates["execution"], rates["requests"])

    @property
    def _now_and_then(self) -> float:
        return self.limits.window_seconds / 60.0

    def _rate(self, what: str, now: float, next_one: float, under_way: float) -> float | None:
        """The even rate over all servers; None while there is plenty."""
        unnamed = self.servers / len(self._servers)
        limit = sum(server.limit(what) for server in self._servers.values())
        spent = sum(server.windows[what].spent(now) for server in self._servers.values())
        if spent + under_way / unnamed <= PLENTY * limit:
            return None
        returning: dict[float, float] = {}
        for server in self._servers.values():
            for seconds, amount in server.windows[what].returning(now):
                returning[seconds] = returning.get(seconds, 0.0) + amount
        parts, window = sorted(returning.items()), self.limits.window_seconds
        soon = SOON * window
        rate = unnamed * max(
            even_rate(parts, EVENLY * limit, window, soon),
            rate_of_return(parts, EVENLY * limit, under_way / unnamed, soon),
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
        """Servers come and go: one that has not answered for two windows is gone."""
        oldest = now - 2 * self.limits.window_seconds
        gone = [name for name, server in self._servers.items() if server.seen < oldest]
        for name in gone:
            del self._servers[name]
