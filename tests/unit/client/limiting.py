"""Requests as the concurrency limiter sees them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from dataverse_source.client.retry import TransientError
from dataverse_source.client.throttle.cpu_gauge import CpuGauge
from dataverse_source.client.throttle.limiter import ConcurrencyLimiter, Permit
from dataverse_source.errors import ThrottledError
from tests.support.clients import FastClock

DEADLINE = 30.0


HINT_4 = {"x-ms-dop-hint": "4"}


def new_limiter(waits: list[float] | None = None, **options: Any) -> ConcurrencyLimiter:
    """On a clock where waits for the server take no time, on a machine that is never busy."""
    gauge = CpuGauge(spent=lambda: 0.0, processors=2)
    given = {
        "clock": FastClock([] if waits is None else waits),
        "chance": lambda: 0.0,
        "gauge": gauge,
    }
    return ConcurrencyLimiter(options.pop("limits", None), **{**given, **options})


def one(limiter: ConcurrencyLimiter, headers: dict[str, str] | None = None, **options: Any) -> None:
    """A request that goes well."""
    with limiter.permit(**options) as permit:
        permit.answered(0.1, headers or {})


def throttled(
    limiter: ConcurrencyLimiter, wait: float | None = 5.0, code: str = "0x80072321", **options: Any
) -> TransientError:
    """A request that is answered 429."""
    error = ThrottledError("too much", status=429, code=code)
    failure = TransientError(error, wait=wait, throttled=True)
    with pytest.raises(TransientError):
        failing(limiter, failure, **options)
    return failure


def failing(limiter: ConcurrencyLimiter, failure: TransientError, **options: Any) -> None:
    with limiter.permit(**options) as permit:
        permit.answered(0.1, {})
        raise failure


@contextmanager
def under_way(limiter: ConcurrencyLimiter, count: int) -> Iterator[list[Permit]]:
    """So many requests at once, all of which go well."""
    with ExitStack() as stack:
        slots = [stack.enter_context(limiter.permit()) for _ in range(count)]
        yield slots
        for permit in slots:
            permit.answered(0.1, {})


@contextmanager
def crew(threads: int = 8) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(threads) as pool:
        yield pool


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.005)


def queued(limiter: ConcurrencyLimiter, count: int) -> Callable[[], bool]:
    return lambda: len(limiter._queue) == count
