"""Faults on demand: a test says which answers go wrong, and how."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from dataverse_source.sandbox.http.messages import Request

Kind = Literal[
    "html_502",
    "html_503",
    "html_504",
    "throttled",
    "json_500",
    "sql_timeout",
    "sign_in_page",
    "empty_body",
    "redirect",
    "stall",
    "stall_in_body",
    "reset",
    "truncated",
    "truncated_gzip",
    "wrong_content_type",
    "no_value",
    "foreign_next_link",
    "repeated_next_link",
    "no_next_link",
    "more_without_link",
]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True)
class Fault:
    """One fault of one answer.

    Attributes:
        kind: ``html_502/503/504``: a gateway's HTML page. ``throttled``: 429. ``json_500`` and
            ``sql_timeout``: an error of the server. ``sign_in_page``: 200 with HTML.
            ``empty_body``: 200 with nothing. ``redirect``: 302 to ``location``. ``stall``:
            silence before the answer. ``stall_in_body``: silence within it, then the end.
            ``reset``: the connection is reset within the body. ``truncated``: the body is cut.
            ``truncated_gzip``: the compressed body is cut. ``wrong_content_type``: JSON that
            says it is HTML. ``no_value``: a 200 without ``value``. ``foreign_next_link``: a
            next link to ``location``. ``repeated_next_link``: a next link to the same page.
            ``no_next_link``: the next link is left out. ``more_without_link``: it is left out, and
            ``morerecords`` says that more rows follow.
        retry_after: seconds in ``Retry-After`` (``throttled``; ``html_503`` when not None).
        form: a value of the switch ``throttle_form``, None for the switch's own.
        seconds: how long a stall lasts.
        at: part of the body that is sent before it is cut, 0 to 1.
        right_length: Content-Length is the length of the cut body, not of the whole one.
        location: scheme and host of redirects and foreign links.
    """

    kind: Kind
    retry_after: float | None = None
    form: str | None = None
    seconds: float = 30.0
    at: float = 0.5
    right_length: bool = False
    location: str = "https://elsewhere.example"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"There is no fault {self.kind!r}; known: {', '.join(KINDS)}.")
        if not 0 <= self.at <= 1:
            raise ValueError("Set `at` to a share of the body, from 0 to 1.")


@dataclass
class _Planned:
    fault: Fault
    path: re.Pattern[str]
    method: str | None
    skip: int
    times: int


class Faults:
    """The faults to come. Thread-safe.

    Attributes:
        fired: kind and path of every fault that has happened, in order.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: list[_Planned] = []
        self._rates: dict[Kind, float] = {}
        self._random_path = re.compile("")
        self._random = random.Random(0)  # noqa: S311 - repeatable on purpose
        self.fired: list[tuple[str, str]] = []

    def plan(
        self,
        fault: Fault | Kind,
        *,
        path: str = "",
        method: str | None = None,
        skip: int = 0,
        times: int = 1,
    ) -> None:
        """Makes the next matching requests fail.

        Args:
            fault: the fault, or only its kind.
            path: regular expression that is searched for in ``path?query``, as received.
            method: only requests of this method.
            skip: how many matching requests pass unharmed first.
            times: how many requests then fail.
        """
        fault = fault if isinstance(fault, Fault) else Fault(fault)
        with self._lock:
            self._planned.append(_Planned(fault, re.compile(path), method, skip, times))

    def randomly(self, rates: Mapping[Kind, float], *, seed: int = 0, path: str = "") -> None:
        """Makes a share of all requests fail at random.

        Args:
            rates: for each kind, the share of the requests that it hits, 0 to 1.
            seed: the same seed and the same order of requests give the same faults.
            path: as for ``plan``.

        Raises:
            ValueError: an unknown kind, or rates that exceed 1 together.
        """
        for kind in rates:
            Fault(kind)
        if sum(rates.values()) > 1:
            raise ValueError("Set rates of faults that add up to 1 at most.")
        with self._lock:
            self._rates = dict(rates)
            self._random_path = re.compile(path)
            self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose

    def clear(self) -> None:
        """Forgets every fault to come, planned or random."""
        with self._lock:
            self._planned.clear()
            self._rates = {}

    @property
    def pending(self) -> int:
        """How many planned faults have not happened yet."""
        with self._lock:
            return sum(each.times for each in self._planned)

    def take(self, request: Request) -> Fault | None:
        """The fault for this request, if any; the server asks once a request."""
        target = f"{request.path}?{request.query}" if request.query else request.path
        with self._lock:
            fault = self._next_planned(request.method, target) or self._next_random(target)
            if fault is not None:
                self.fired.append((fault.kind, request.path))
        return fault

    def _next_planned(self, method: str, target: str) -> Fault | None:
        for each in self._planned:
            if each.method not in (None, method) or not each.path.search(target):
                continue
            if each.skip:
                each.skip -= 1
                continue
            each.times -= 1
            if each.times <= 0:
                self._planned.remove(each)
            return each.fault
        return None

    def _next_random(self, target: str) -> Fault | None:
        if not self._rates or not self._random_path.search(target):
            return None
        left = self._random.random()
        for kind, rate in self._rates.items():
            left -= rate
            if left < 0:
                return Fault(kind)
        return None
