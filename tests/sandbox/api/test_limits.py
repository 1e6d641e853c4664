from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import datetime, timezone
from itertools import islice

import pytest

from dataverse_source.sandbox import LatencySettings, LimitSettings, Sandbox
from dataverse_source.sandbox.api.limits import Limits, Refusal
from dataverse_source.sandbox.environment.clock import Clock
from tests.support.sandbox.user_clients import api, session_of, sign_in, signed_in

USER = "a user"


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime(2026, 3, 1, tzinfo=timezone.utc), frozen=True)


def ask(limits: Limits, seconds: float = 0.1, server: int = 0, user: str = USER) -> Refusal | None:
    refusal = limits.enter(user, server)
    if refusal is None:
        limits.leave(user, server, seconds)
    return refusal


def test_requests_slide_out_of_the_window(clock: Clock) -> None:
    limits = Limits(clock, LimitSettings(enforced=True, requests=3))
    for _ in range(3):
        assert ask(limits) is None
        clock.advance(10)
    refusal = ask(limits)
    assert refusal is not None
    assert refusal.code == "0x80072322"
    assert refusal.message == (
        "Number of requests exceeded the limit of 3 over time window of 300 seconds."
    )
    assert refusal.retry_after == pytest.approx(270)
    clock.advance(refusal.retry_after)
    assert ask(limits) is None
    assert ask(limits) is not None


def test_execution_time(clock: Clock) -> None:
    limits = Limits(clock, LimitSettings(enforced=True))
    assert ask(limits, seconds=1200) is None
    refusal = ask(limits)
    assert refusal is not None
    assert refusal.code == "0x80072321"
    assert refusal.message == (
        "Combined execution time of incoming requests exceeded limit of 1,200,000  milliseconds "
        "over time window of 300 seconds. Decrease number of concurrent requests or reduce the "
        "duration of requests and try again later."
    )
    clock.advance(301)
    assert ask(limits) is None


def test_concurrency_trips_at_once_and_is_over_at_once(clock: Clock) -> None:
    limits = Limits(clock, LimitSettings(enforced=True, concurrent=2))
    assert limits.enter(USER, 0) is None
    assert limits.enter(USER, 0) is None
    refusal = limits.enter(USER, 0)
    assert refusal is not None
    assert refusal.code == "0x80072326"
    assert refusal.message == "Number of concurrent requests exceeded the limit of 2."
    limits.leave(USER, 0, 0.1)
    assert limits.enter(USER, 0) is None
    assert limits.highest_concurrency == 2


def test_hammering_makes_the_wait_longer(clock: Clock) -> None:
    limits = Limits(clock, LimitSettings(enforced=True, requests=1, window_seconds=20))
    ask(limits)
    waits = []
    for _ in range(4):
        refusal = ask(limits)
        assert refusal is not None
        waits.append(refusal.retry_after)
    assert waits == sorted(waits)
    clock.advance(19)
    hammered = ask(limits)
    assert hammered is not None
    clock.advance(2)
    assert ask(limits) is not None, "the window is free again, but the wait was made longer"
    clock.advance(20)
    assert ask(limits) is None


def test_each_server_and_each_user_counts_alone(clock: Clock) -> None:
    limits = Limits(clock, LimitSettings(enforced=True, requests=1, servers=2))
    assert ask(limits, server=0) is None
    assert ask(limits, server=1) is None
    assert ask(limits, server=0) is not None
    assert ask(limits, server=0, user="another") is None


def test_not_enforced_counts_only(clock: Clock) -> None:
    limits = Limits(clock, LimitSettings(requests=2))
    assert [ask(limits, seconds=10) for _ in range(5)] == [None] * 5
    assert limits.remaining(USER, 0).requests == 0
    assert limits.remaining(USER, 0).execution_seconds == pytest.approx(1150)


def test_client_meets_the_limit() -> None:
    settings = LimitSettings(enforced=True, requests=3, dop_hint=9)
    clock = Clock(frozen=True)
    with (
        Sandbox(rows={}, limits=settings, clock=clock) as sandbox,
        signed_in(sandbox) as session,
    ):
        answers = [session.get(api(sandbox)) for _ in range(4)]
        left = [each.headers["x-ms-ratelimit-burst-remaining-xrm-requests"] for each in answers[:3]]
        assert left == ["2", "1", "0"]
        assert [each.status_code for each in answers] == [200, 200, 200, 429]
        assert answers[0].headers["x-ms-dop-hint"] == "9"
        assert answers[3].headers["Retry-After"] == "300"
        sandbox.clock.advance(301)
        assert session.get(api(sandbox)).status_code == 200


def test_affinity_cookie_pins_to_one_server() -> None:
    settings = LimitSettings(servers=8)
    with Sandbox(rows={}, limits=settings) as sandbox, session_of(sandbox) as session:
        session.headers["Authorization"] = f"Bearer {sign_in(sandbox)['access_token']}"
        pinned = {session.get(api(sandbox)).cookies["ARRAffinity"] for _ in range(12)}
        assert len(pinned) == 1
        spread = set()
        for _ in range(40):
            session.cookies.clear()
            spread.add(session.get(api(sandbox)).cookies["ARRAffinity"])
        assert len(spread) > 1


def test_too_many_at_once() -> None:
    settings = LimitSettings(enforced=True, concurrent=2)
    with Sandbox(rows={}, limits=settings) as sandbox, ThreadPoolExecutor(6) as pool:
        token = sign_in(sandbox)["access_token"]

        def create() -> int:
            with session_of(sandbox) as session:
                session.headers["Authorization"] = f"Bearer {token}"
                return session.post(api(sandbox, "accounts"), json={"name": "A"}).status_code

        # Two of them wait for this transaction to end while the others are refused.
        with sandbox.store.transaction():
            asked = [pool.submit(create) for _ in range(6)]
            refused = list(islice(as_completed(asked, timeout=120), 4))
        assert [each.result() for each in refused] == [429] * 4
        assert sorted(each.result(120) for each in asked) == [204, 204, 429, 429, 429, 429]
        assert sandbox.limits.refused["0x80072326"] == 4
        assert sandbox.limits.highest_concurrency == 2


def test_modelled_time_is_booked() -> None:
    latency = LatencySettings(base_seconds=500, scale=0.0)
    limits = LimitSettings(enforced=True)
    with (
        Sandbox(rows={}, limits=limits, latency=latency) as sandbox,
        signed_in(sandbox) as session,
    ):
        statuses = [session.get(api(sandbox)).status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
