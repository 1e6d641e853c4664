"""The concurrency limiter: how many requests at once, one wait for all, and who goes first."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from dlt.common.exceptions import SignalReceivedException
from dlt.common.runtime import signals
from hypothesis import given
from hypothesis import strategies as st

from dataverse_source.client.retry import TransientError
from dataverse_source.client.throttle.budget import ServiceLimits
from dataverse_source.client.throttle.cpu_gauge import INTERVAL, CpuGauge
from dataverse_source.client.throttle.limiter import ConcurrencyLimiter, Permit, limiter_of
from dataverse_source.errors import ServerError, ThrottledError
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


def test_all_wait_out_one_retry_after() -> None:
    waits: list[float] = []
    limiter = new_limiter(waits)
    one(limiter, HINT_4)
    failure = throttled(limiter, wait=34.0)
    assert failure.held == pytest.approx(34.0)
    one(limiter)
    one(limiter)
    assert sum(waits) == pytest.approx(34.0)
    assert limiter.totals.seconds_held == pytest.approx(34.0)


def test_the_longest_wait_is_five_minutes() -> None:
    waits: list[float] = []
    limiter = new_limiter(waits, chance=lambda: 1.0)
    throttled(limiter, wait=300.0)
    one(limiter)
    assert sum(waits) == pytest.approx(300.0)


def test_without_retry_after_waits_double() -> None:
    waits: list[float] = []
    limiter = new_limiter(waits)
    held = [throttled(limiter, wait=None).held for _ in range(4)]
    assert held == [1.0, 2.0, 4.0, 8.0]
    one(limiter)
    assert throttled(limiter, wait=None).held == 1.0


def test_it_halves_once_for_all_that_were_under_way() -> None:
    limiter = new_limiter()
    one(limiter, {"x-ms-dop-hint": "16"})
    slots = [limiter.permit() for _ in range(16)]
    for permit in slots:
        permit.__enter__()
    limiter._clock._seconds = 1.0  # type: ignore[attr-defined]
    for permit in slots:
        error = ThrottledError("too much", status=429)
        failure = TransientError(error, wait=5.0, throttled=True)
        permit.__exit__(TransientError, failure, None)
    assert limiter.concurrency == 8


def test_after_a_refusal_one_goes_first_then_the_others() -> None:
    limiter = new_limiter()
    one(limiter, HINT_4)
    throttled(limiter)
    go = threading.Event()

    def ask() -> None:
        with limiter.permit() as permit:
            go.wait(DEADLINE)
            permit.answered(0.1, {})

    with crew(4) as pool:
        asked = [pool.submit(ask) for _ in range(4)]
        until(queued(limiter, 3))
        assert len(limiter._in_flight) == 1
        go.set()
        for one_of_them in asked:
            one_of_them.result(DEADLINE)


def test_who_was_refused_goes_first() -> None:
    limiter = new_limiter()
    order: list[str] = []

    def ask(name: str, *, urgent: bool) -> None:
        with limiter.permit(urgent=urgent) as permit:
            order.append(name)
            permit.answered(0.1, {})

    asked: list[Future[None]] = []
    with crew() as pool:
        with limiter.permit(at_most=1), limiter.permit():
            for number, (name, urgent) in enumerate(
                (("first", False), ("second", False), ("refused", True)), 1
            ):
                asked.append(pool.submit(ask, name, urgent=urgent))
                until(queued(limiter, number))
        for one_of_them in asked:
            one_of_them.result(DEADLINE)
    assert order[0] == "refused"


def test_too_many_at_once_are_not_tried_again_for_a_window() -> None:
    limiter = new_limiter()
    one(limiter, {"x-ms-dop-hint": "20"})
    with under_way(limiter, 15):
        throttled(limiter, wait=1.0, code="0x80072326")
    one(limiter)
    for _ in range(200):
        with under_way(limiter, limiter.concurrency):
            pass
    assert limiter.concurrency == 15
    limiter._clock._seconds += 301.0  # type: ignore[attr-defined]
    for _ in range(200):
        with under_way(limiter, limiter.concurrency):
            pass
    assert limiter.concurrency > 15


def test_faults_do_not_make_it_grow() -> None:
    limiter = new_limiter()
    one(limiter, HINT_4)
    for _ in range(20):
        with under_way(limiter, 3), pytest.raises(TransientError):
            failing(limiter, TransientError(ServerError("down", status=503)))
    assert limiter.concurrency == 4


def test_a_slot_is_given_back_whatever_happens() -> None:
    limiter = new_limiter()
    for _ in range(5):
        with pytest.raises(ZeroDivisionError), limiter.permit():
            raise ZeroDivisionError
    assert not limiter._in_flight
    one(limiter)


@pytest.mark.parametrize("blocked", ["by a refusal", "by others"])
def test_a_wait_ends_with_a_signal(blocked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    limiter = ConcurrencyLimiter()
    with ExitStack() as stack, crew(1) as pool:
        if blocked == "by a refusal":
            throttled(limiter, wait=300.0)
        else:
            stack.enter_context(limiter.permit())
            stack.enter_context(limiter.permit())
        asked = pool.submit(one, limiter)
        until(queued(limiter, 1))
        monkeypatch.setattr(signals, "_received_signal", 15)
        with pytest.raises(SignalReceivedException):
            asked.result(DEADLINE)
    assert not limiter._queue


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
