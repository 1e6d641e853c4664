"""The concurrency limiter: how many requests at once, one wait for all, and who goes first."""

from __future__ import annotations

import itertools
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataverse_source.client.throttle.budget import ServiceLimits
from dataverse_source.client.throttle.cpu_gauge import INTERVAL, CpuGauge
from dataverse_source.client.throttle.limiter import ConcurrencyLimiter, limiter_of
from tests.support.clients import FastClock
from tests.unit.client.limiting import (
    DEADLINE,
    HINT_4,
    crew,
    new_limiter,
    one,
    queued,
    throttled,
    under_way,
    until,
)


def test_it_begins_with_what_the_server_recommends() -> None:
    limiter = new_limiter()
    assert limiter.concurrency == 2
    one(limiter, HINT_4)
    assert limiter.concurrency == 4
    one(limiter, {"x-ms-dop-hint": "50"})
    assert limiter.concurrency == 4


@pytest.mark.parametrize("hint", ["", "0", "many", "-3", "４"])  # noqa: RUF001 (a wide digit)
def test_a_hint_that_is_none(hint: str) -> None:
    limiter = new_limiter()
    one(limiter, {"x-ms-dop-hint": hint})
    assert limiter.concurrency == 2


def rounds(limiter: ConcurrencyLimiter, clock: FastClock, count: int, seconds: float) -> list[int]:
    """Requests at once after each of some rounds, in which as many as may are sent."""
    seen = []
    with crew(1) as pool:
        for _ in range(count):
            with under_way(limiter, limiter.concurrency):
                next_one = pool.submit(one, limiter)  # would be sent if it might
                until(queued(limiter, 1))
                clock._seconds += seconds
            next_one.result(DEADLINE)
            seen.append(limiter.concurrency)
    return seen


def test_it_doubles_a_round_until_the_first_refusal_and_halves_at_each() -> None:
    clock = FastClock([])
    limiter = new_limiter(clock=clock)
    one(limiter, HINT_4)
    assert rounds(limiter, clock, 3, 1.5) == [8, 16, 32]
    with under_way(limiter, 31):
        throttled(limiter)
    assert limiter.concurrency == 16
    clock._seconds += 10
    one(limiter)
    after = rounds(limiter, clock, 2, 1.5)
    assert after[0] - 16 in (0, 1)
    assert after[1] - after[0] in (0, 1)
    with under_way(limiter, after[1] - 1):
        throttled(limiter)
    assert limiter.concurrency == after[1] // 2


def test_it_doubles_no_more_often_than_the_processors_are_looked_at() -> None:
    clock = FastClock([])
    limiter = new_limiter(clock=clock)
    one(limiter, {"x-ms-dop-hint": "10"})
    assert rounds(limiter, clock, 2, INTERVAL / 4) == [12, 15]


def test_it_adds_one_a_round_where_answers_take_no_time() -> None:
    limiter = new_limiter()
    one(limiter, HINT_4)
    seen = [limiter.concurrency]
    for _ in range(6):
        for _ in range(seen[-1]):
            with under_way(limiter, seen[-1]):
                pass
        seen.append(limiter.concurrency)
    assert all(later - sooner in (0, 1) for sooner, later in itertools.pairwise(seen))
    assert seen[-1] >= 8


def test_it_does_not_grow_beyond_use() -> None:
    limiter = new_limiter()
    one(limiter, HINT_4)
    for _ in range(50):
        with under_way(limiter, 2):
            pass
    assert limiter.concurrency == 4


def test_it_does_not_grow_on_a_busy_machine() -> None:
    clock = FastClock([])
    limiter = new_limiter(clock=clock, gauge=CpuGauge(spent=lambda: clock.now() * 2, processors=2))
    one(limiter, HINT_4)
    for _ in range(50):
        with under_way(limiter, 4):
            clock._seconds += 1.0
    assert limiter.concurrency <= 5


def test_it_never_exceeds_what_a_server_takes_at_once() -> None:
    limiter = new_limiter(limits=ServiceLimits(concurrent=6))
    one(limiter, HINT_4)
    for _ in range(40):
        with under_way(limiter, limiter.concurrency):
            pass
    assert limiter.concurrency == 6


def test_several_servers_take_more_but_for_chance() -> None:
    limiter = new_limiter(limits=ServiceLimits(concurrent=20))
    for server in "abcd":
        one(limiter, {**HINT_4, "Set-Cookie": f"ARRAffinity={server}; path=/"})
    for _ in range(200):
        with under_way(limiter, limiter.concurrency):
            pass
    assert 20 < limiter.concurrency < 4 * 20


def test_no_more_at_once_than_allowed() -> None:
    limiter = new_limiter()
    one(limiter, HINT_4)
    go = threading.Event()
    most = highest = now = 0
    lock = threading.Lock()

    def ask() -> None:
        nonlocal highest, now
        with limiter.permit(at_most=3) as permit:
            with lock:
                now += 1
                highest = max(highest, now)
            go.wait(DEADLINE)
            with lock:
                now -= 1
            permit.answered(0.1, {})

    with crew(10) as pool:
        asked = [pool.submit(ask) for _ in range(10)]
        until(queued(limiter, 7))
        most = highest
        go.set()
        for one_of_them in asked:
            one_of_them.result(DEADLINE)
    assert (most, highest) == (3, 3)


@given(
    st.lists(st.tuples(st.sampled_from("ggggggtc"), st.floats(0.0, 30.0)), min_size=1, max_size=60)
)
def test_whatever_comes_it_stays_within_bounds_and_gives_every_slot(
    events: list[tuple[str, float]],
) -> None:
    waits: list[float] = []
    limiter = new_limiter(waits)
    for kind, seconds in events:
        if kind == "g":
            one(limiter, {**HINT_4, "Set-Cookie": "ARRAffinity=a"})
        else:
            code = "0x80072326" if kind == "c" else "0x80072321"
            throttled(limiter, wait=seconds, code=code)
        assert 1 <= limiter.concurrency <= 52
    assert all(wait <= 300.0 for wait in waits)


def test_budgets_are_spent_evenly_near_their_end() -> None:
    """A day's work of a single thread against a server that counts: no request is refused."""
    waits: list[float] = []
    limits = ServiceLimits(requests=100, execution_seconds=1200, window_seconds=300)
    limiter = new_limiter(waits, limits=limits)
    clock = limiter._clock
    arrivals: list[float] = []
    for _ in range(1000):
        with limiter.permit() as permit:
            now = clock.now()
            arrivals = [moment for moment in arrivals if moment > now - 300]
            assert len(arrivals) < 100
            arrivals.append(now)
            left = str(100 - len(arrivals))
            clock._seconds += 0.1  # type: ignore[attr-defined]
            headers = {
                "Set-Cookie": "ARRAffinity=a",
                "x-ms-ratelimit-burst-remaining-xrm-requests": left,
            }
            permit.answered(0.1, headers)
    assert clock.now() <= 1.1 * 1000 / 100 * 300
    assert max(waits) < 300 / 10


def test_the_mean_is_weighted_by_time() -> None:
    limiter = new_limiter()
    clock = limiter._clock
    with limiter.permit():
        clock._seconds += 3.0  # type: ignore[attr-defined]
        with limiter.permit():
            clock._seconds += 1.0  # type: ignore[attr-defined]
    clock._seconds += 100.0  # type: ignore[attr-defined]
    totals = limiter.totals
    assert (totals.request_seconds, totals.busy_seconds) == (5.0, 4.0)


def test_one_limiter_for_each_environment_and_user() -> None:
    first = limiter_of("https://contoso.crm4.dynamics.com", "app 1")
    assert limiter_of("https://contoso.crm4.dynamics.com", "app 1") is first
    assert limiter_of("https://contoso.crm4.dynamics.com", "app 2") is not first
    assert limiter_of("https://contoso.crm.dynamics.com", "app 1") is not first


def test_processes_share_what_a_server_accepts_at_once() -> None:
    limiter = new_limiter()
    one(limiter, {"x-ms-dop-hint": "40"})
    assert limiter.concurrency == 40
    limiter.processes = 4
    assert limiter.concurrency == ServiceLimits().concurrent // 4
    limiter.processes = 1000
    assert limiter.concurrency == 1
