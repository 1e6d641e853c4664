"""The governor: how many requests at once, one wait for all, and who goes first."""

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

from dataverse_source.client.retry import Stopped, TransientError, stopping
from dataverse_source.client.throttle.budget import ServiceLimits
from dataverse_source.client.throttle.cpu_gauge import LoadGauge
from dataverse_source.client.throttle.limiter import Governor, Slot, governor_of
from dataverse_source.errors import ServerError, ThrottledError
from tests.support.clients import FastTime

DEADLINE = 30.0
HINT_4 = {"x-ms-dop-hint": "4"}


def governor(naps: list[float] | None = None, **options: Any) -> Governor:
    """On a clock where waits for the server take no time, on a machine that is never busy."""
    gauge = LoadGauge(spent=lambda: 0.0, cores=2)
    given = {"time": FastTime([] if naps is None else naps), "chance": lambda: 0.0, "gauge": gauge}
    return Governor(options.pop("limits", None), **{**given, **options})


def one(governed: Governor, headers: dict[str, str] | None = None, **options: Any) -> None:
    """A request that goes well."""
    with governed.slot(**options) as slot:
        slot.answered(0.1, headers or {})


def throttled(
    governed: Governor, wait: float | None = 5.0, code: str = "0x80072321", **options: Any
) -> TransientError:
    """A request that is answered 429."""
    error = ThrottledError("too much", status=429, code=code)
    failure = TransientError(error, wait=wait, throttled=True)
    with pytest.raises(TransientError):
        failing(governed, failure, **options)
    return failure


def failing(governed: Governor, failure: TransientError, **options: Any) -> None:
    with governed.slot(**options) as slot:
        slot.answered(0.1, {})
        raise failure


@contextmanager
def under_way(governed: Governor, count: int) -> Iterator[list[Slot]]:
    """So many requests at once, all of which go well."""
    with ExitStack() as stack:
        slots = [stack.enter_context(governed.slot()) for _ in range(count)]
        yield slots
        for slot in slots:
            slot.answered(0.1, {})


@contextmanager
def crew(threads: int = 8) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(threads) as pool:
        yield pool


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.005)


def queued(governed: Governor, count: int) -> Callable[[], bool]:
    return lambda: len(governed._queue) == count


def test_it_begins_with_what_the_server_recommends() -> None:
    governed = governor()
    assert governed.concurrency == 2
    one(governed, HINT_4)
    assert governed.concurrency == 4
    one(governed, {"x-ms-dop-hint": "50"})
    assert governed.concurrency == 4


@pytest.mark.parametrize("hint", ["", "0", "many", "-3", "４"])  # noqa: RUF001 (a wide digit)
def test_a_hint_that_is_none(hint: str) -> None:
    governed = governor()
    one(governed, {"x-ms-dop-hint": hint})
    assert governed.concurrency == 2


def test_it_adds_one_a_round_while_all_is_well() -> None:
    governed = governor()
    one(governed, HINT_4)
    seen = [governed.concurrency]
    for _ in range(6):
        for _ in range(seen[-1]):
            with under_way(governed, seen[-1]):
                pass
        seen.append(governed.concurrency)
    assert all(later - sooner in (0, 1) for sooner, later in itertools.pairwise(seen))
    assert seen[-1] >= 8


def test_it_does_not_grow_beyond_use() -> None:
    governed = governor()
    one(governed, HINT_4)
    for _ in range(50):
        with under_way(governed, 2):
            pass
    assert governed.concurrency == 4


def test_it_does_not_grow_on_a_busy_machine() -> None:
    clock = FastTime([])
    governed = governor(time=clock, gauge=LoadGauge(spent=lambda: clock.now() * 2, cores=2))
    one(governed, HINT_4)
    for _ in range(50):
        with under_way(governed, 4):
            clock._seconds += 1.0
    assert governed.concurrency <= 5


def test_it_never_exceeds_what_a_server_takes_at_once() -> None:
    governed = governor(limits=ServiceLimits(concurrent=6))
    one(governed, HINT_4)
    for _ in range(40):
        with under_way(governed, governed.concurrency):
            pass
    assert governed.concurrency == 6


def test_several_servers_take_more_but_for_chance() -> None:
    governed = governor(limits=ServiceLimits(concurrent=20))
    for server in "abcd":
        one(governed, {**HINT_4, "Set-Cookie": f"ARRAffinity={server}; path=/"})
    for _ in range(200):
        with under_way(governed, governed.concurrency):
            pass
    assert 20 < governed.concurrency < 4 * 20


def test_no_more_at_once_than_allowed() -> None:
    governed = governor()
    one(governed, HINT_4)
    go = threading.Event()
    most = highest = now = 0
    lock = threading.Lock()

    def ask() -> None:
        nonlocal highest, now
        with governed.slot(at_most=3) as slot:
            with lock:
                now += 1
                highest = max(highest, now)
            go.wait(DEADLINE)
            with lock:
                now -= 1
            slot.answered(0.1, {})

    with crew(10) as pool:
        asked = [pool.submit(ask) for _ in range(10)]
        until(queued(governed, 7))
        most = highest
        go.set()
        for one_of_them in asked:
            one_of_them.result(DEADLINE)
    assert (most, highest) == (3, 3)


def test_all_wait_out_one_retry_after() -> None:
    naps: list[float] = []
    governed = governor(naps)
    one(governed, HINT_4)
    failure = throttled(governed, wait=34.0)
    assert failure.held == pytest.approx(34.0)
    one(governed)
    one(governed)
    assert sum(naps) == pytest.approx(34.0)
    assert governed.tally.seconds_held == pytest.approx(34.0)


def test_the_longest_wait_is_five_minutes() -> None:
    naps: list[float] = []
    governed = governor(naps, chance=lambda: 1.0)
    throttled(governed, wait=300.0)
    one(governed)
    assert sum(naps) == pytest.approx(300.0)


def test_without_retry_after_waits_double() -> None:
    naps: list[float] = []
    governed = governor(naps)
    held = [throttled(governed, wait=None).held for _ in range(4)]
    assert held == [1.0, 2.0, 4.0, 8.0]
    one(governed)
    assert throttled(governed, wait=None).held == 1.0


def test_it_halves_once_for_all_that_were_under_way() -> None:
    governed = governor()
    one(governed, {"x-ms-dop-hint": "16"})
    slots = [governed.slot() for _ in range(16)]
    for slot in slots:
        slot.__enter__()
    governed._time._seconds = 1.0  # type: ignore[attr-defined]
    for slot in slots:
        error = ThrottledError("too much", status=429)
        failure = TransientError(error, wait=5.0, throttled=True)
        slot.__exit__(TransientError, failure, None)
    assert governed.concurrency == 8


def test_after_a_refusal_one_goes_first_then_the_others() -> None:
    governed = governor()
    one(governed, HINT_4)
    throttled(governed)
    go = threading.Event()

    def ask() -> None:
        with governed.slot() as slot:
            go.wait(DEADLINE)
            slot.answered(0.1, {})

    with crew(4) as pool:
        asked = [pool.submit(ask) for _ in range(4)]
        until(queued(governed, 3))
        assert len(governed._under_way) == 1
        go.set()
        for one_of_them in asked:
            one_of_them.result(DEADLINE)


def test_who_was_refused_goes_first() -> None:
    governed = governor()
    order: list[str] = []

    def ask(name: str, *, urgent: bool) -> None:
        with governed.slot(urgent=urgent) as slot:
            order.append(name)
            slot.answered(0.1, {})

    asked: list[Future[None]] = []
    with crew() as pool:
        with governed.slot(at_most=1), governed.slot():
            for number, (name, urgent) in enumerate(
                (("first", False), ("second", False), ("refused", True)), 1
            ):
                asked.append(pool.submit(ask, name, urgent=urgent))
                until(queued(governed, number))
        for one_of_them in asked:
            one_of_them.result(DEADLINE)
    assert order[0] == "refused"


def test_too_many_at_once_are_not_tried_again_for_a_window() -> None:
    governed = governor()
    one(governed, {"x-ms-dop-hint": "20"})
    with under_way(governed, 15):
        throttled(governed, wait=1.0, code="0x80072326")
    one(governed)
    for _ in range(200):
        with under_way(governed, governed.concurrency):
            pass
    assert governed.concurrency == 15
    governed._time._seconds += 301.0  # type: ignore[attr-defined]
    for _ in range(200):
        with under_way(governed, governed.concurrency):
            pass
    assert governed.concurrency > 15


def test_faults_do_not_make_it_grow() -> None:
    governed = governor()
    one(governed, HINT_4)
    for _ in range(20):
        with under_way(governed, 3), pytest.raises(TransientError):
            failing(governed, TransientError(ServerError("down", status=503)))
    assert governed.concurrency == 4


def test_a_slot_is_given_back_whatever_happens() -> None:
    governed = governor()
    for _ in range(5):
        with pytest.raises(ZeroDivisionError), governed.slot():
            raise ZeroDivisionError
    assert not governed._under_way
    one(governed)


@pytest.mark.parametrize("blocked", ["by a refusal", "by others"])
def test_a_wait_ends_when_it_is_stopped(blocked: str) -> None:
    governed = Governor()
    stop = threading.Event()

    def ask() -> None:
        with stopping(stop), governed.slot():
            pass

    with ExitStack() as stack, crew(1) as pool:
        if blocked == "by a refusal":
            throttled(governed, wait=300.0)
        else:
            stack.enter_context(governed.slot())
            stack.enter_context(governed.slot())
        asked = pool.submit(ask)
        until(queued(governed, 1))
        stop.set()
        with pytest.raises(Stopped):
            asked.result(DEADLINE)
    assert not governed._queue


def test_a_wait_ends_with_a_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    governed = Governor()
    throttled(governed, wait=300.0)
    with crew(1) as pool:
        asked = pool.submit(one, governed)
        until(queued(governed, 1))
        monkeypatch.setattr(signals, "_received_signal", 15)
        with pytest.raises(SignalReceivedException):
            asked.result(DEADLINE)


@given(
    st.lists(st.tuples(st.sampled_from("ggggggtc"), st.floats(0.0, 30.0)), min_size=1, max_size=60)
)
def test_whatever_comes_it_stays_within_bounds_and_gives_every_slot(
    events: list[tuple[str, float]],
) -> None:
    naps: list[float] = []
    governed = governor(naps)
    for kind, seconds in events:
        if kind == "g":
            one(governed, {**HINT_4, "Set-Cookie": "ARRAffinity=a"})
        else:
            code = "0x80072326" if kind == "c" else "0x80072321"
            throttled(governed, wait=seconds, code=code)
        assert 1 <= governed.concurrency <= 52
    assert all(nap <= 300.0 for nap in naps)


def test_budgets_are_spent_evenly_near_their_end() -> None:
    """A day's work of a single thread against a server that counts: no request is refused."""
    naps: list[float] = []
    limits = ServiceLimits(requests=100, execution_seconds=1200, window_seconds=300)
    governed = governor(naps, limits=limits)
    clock = governed._time
    arrivals: list[float] = []
    for _ in range(1000):
        with governed.slot() as slot:
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
            slot.answered(0.1, headers)
    assert clock.now() <= 1.1 * 1000 / 100 * 300
    assert max(naps) < 300 / 10


def test_the_mean_is_weighted_by_time() -> None:
    governed = governor()
    clock = governed._time
    with governed.slot():
        clock._seconds += 3.0  # type: ignore[attr-defined]
        with governed.slot():
            clock._seconds += 1.0  # type: ignore[attr-defined]
    clock._seconds += 100.0  # type: ignore[attr-defined]
    tally = governed.tally
    assert (tally.request_seconds, tally.busy_seconds) == (5.0, 4.0)


def test_one_governor_for_each_environment_and_user() -> None:
    first = governor_of("https://contoso.crm4.dynamics.com", "app 1")
    assert governor_of("https://contoso.crm4.dynamics.com", "app 1") is first
    assert governor_of("https://contoso.crm4.dynamics.com", "app 2") is not first
    assert governor_of("https://contoso.crm.dynamics.com", "app 1") is not first
