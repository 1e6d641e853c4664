"""The concurrency limiter after refusals and faults: one wait for all, and who goes first."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import ExitStack

import pytest
from dlt.common.exceptions import SignalReceivedException
from dlt.common.runtime import signals

from dataverse_source.client.retry import TransientError
from dataverse_source.client.throttle.limiter import ConcurrencyLimiter
from dataverse_source.errors import ServerError, ThrottledError
from tests.unit.client.limiting import (
    DEADLINE,
    HINT_4,
    crew,
    failing,
    new_limiter,
    one,
    queued,
    throttled,
    under_way,
    until,
)


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


def test_who_has_waited_as_told_and_is_refused_again_waits_longer_by_chance() -> None:
    limiter = new_limiter(chance=lambda: 0.5)
    held = [throttled(limiter, wait=2.0).held for _ in range(3)]
    assert held == [pytest.approx(2.1), pytest.approx(4.0), pytest.approx(6.0)]
    one(limiter)
    assert throttled(limiter, wait=2.0).held == pytest.approx(2.1)


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
