"""Many threads against a sandbox that enforces limits: all is answered, hardly any is refused."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from dlt.common import logger
from dlt.common.exceptions import SignalReceivedException
from dlt.common.runtime import signals

from dataverse_source.client.client import DataverseClient
from dataverse_source.client.session import new_session
from dataverse_source.client.throttle.budget import ServiceLimits
from dataverse_source.client.throttle.cpu_gauge import CpuGauge
from dataverse_source.client.throttle.limiter import ConcurrencyLimiter
from dataverse_source.credentials import DataverseCredentials, token_source
from dataverse_source.sandbox import LatencySettings, LimitSettings, Sandbox, Switches

DEADLINE = 60.0


@contextmanager
def reading(
    sandbox: Sandbox, limiter: ConcurrencyLimiter, **options: Any
) -> Iterator[DataverseClient]:
    credentials = DataverseCredentials(
        tenant_id=sandbox.tenant_id,
        client_id=sandbox.client_id,
        client_secret=sandbox.client_secret,
        authority_host=sandbox.authority_host,
    )
    with new_session(ca_bundle=sandbox.ca_bundle) as session:
        tokens = token_source(credentials, sandbox.environment_url, session=session)
        yield DataverseClient(
            sandbox.environment_url, tokens, session=session, limiter=limiter, **options
        )


def ask(client: DataverseClient, number: int) -> Any:
    query = {"$select": "name", "$filter": f"accountnumber eq '{number}'"}
    return client.get_json("accounts", query)["value"]


def ask_at_once(client: DataverseClient, count: int, threads: int = 12) -> None:
    with ThreadPoolExecutor(threads) as crew:
        for answer in crew.map(lambda number: ask(client, number), range(count)):
            assert answer == []


def refused(sandbox: Sandbox) -> Counter[str]:
    """How often each question was answered 429."""
    return Counter(one.query for one in sandbox.requests if one.status == 429)


def idle_machine() -> CpuGauge:
    return CpuGauge(spent=lambda: 0.0)


@pytest.mark.parametrize("servers", [1, 2])
def test_known_limits_are_kept(servers: int) -> None:
    limits = LimitSettings(enforced=True, requests=30, window_seconds=2.0, servers=servers)
    limiter = ConcurrencyLimiter(
        ServiceLimits(requests=30, window_seconds=2.0), gauge=idle_machine()
    )
    with (
        Sandbox({"accounts": 2}, limits=limits) as sandbox,
        reading(sandbox, limiter) as client,
    ):
        ask_at_once(client, 60 * servers)
        times = refused(sandbox)
        assert sum(times.values()) <= 3  # which server gets a request is chance
        assert max(times.values(), default=0) <= 1
        assert client.counters.requests >= 60 * servers
        assert client.counters.seconds_waited > 0
        if servers > 1:
            assert limiter._servers == servers


def test_execution_time_is_kept() -> None:
    limits = LimitSettings(enforced=True, execution_seconds=1.2, window_seconds=2.0)
    limiter = ConcurrencyLimiter(
        ServiceLimits(execution_seconds=1.2, window_seconds=2.0), gauge=idle_machine()
    )
    latency = LatencySettings(base_seconds=0.05)
    with (
        Sandbox({"accounts": 2}, limits=limits, latency=latency) as sandbox,
        reading(sandbox, limiter) as client,
    ):
        ask_at_once(client, 40)
        assert max(refused(sandbox).values(), default=0) <= 1


@pytest.mark.parametrize("form", ["json_seconds", "html", "json_no_header"])
def test_unknown_limits_are_found(form: str) -> None:
    """The server takes three at once, and recommends sixteen."""
    limits = LimitSettings(enforced=True, concurrent=3, dop_hint=16)
    switches = Switches().changed(throttle_form=form)
    limiter = ConcurrencyLimiter(chance=lambda: 1.0, gauge=idle_machine())
    with (
        Sandbox(
            {"accounts": 2},
            limits=limits,
            switches=switches,
            latency=LatencySettings(base_seconds=0.05),
        ) as sandbox,
        reading(sandbox, limiter) as client,
    ):
        client.get_json("WhoAmI")
        assert client.concurrency == 16
        ask_at_once(client, 40)
        assert sandbox.limits.highest_concurrency <= 3
        times = refused(sandbox)
        assert times
        assert client.counters.throttled == sum(times.values())
        if form != "html":  # a page does not say which limit it was
            assert max(times.values()) == 1
            assert client.concurrency <= 3


def test_max_concurrency_is_kept() -> None:
    limits = LimitSettings(dop_hint=16)
    limiter = ConcurrencyLimiter(gauge=idle_machine())
    latency = LatencySettings(base_seconds=0.02)
    with (
        Sandbox({"accounts": 2}, limits=limits, latency=latency) as sandbox,
        reading(sandbox, limiter, max_concurrency=2) as client,
    ):
        ask_at_once(client, 30)
        assert client.concurrency == 2
        assert sandbox.limits.highest_concurrency <= 2
        assert 0 < client.counters.mean_concurrency <= 2


def test_two_clients_share_one_limiter() -> None:
    limiter = ConcurrencyLimiter(gauge=idle_machine())
    with (
        Sandbox({"accounts": 2}, latency=LatencySettings(base_seconds=0.02)) as sandbox,
        reading(sandbox, limiter) as one,
        reading(sandbox, limiter) as other,
    ):
        sandbox.faults.plan("throttled", path="/accounts")
        ask(one, 1)
        ask(other, 2)
        assert (one.counters.throttled, other.counters.throttled) == (1, 0)
        assert one.concurrency == other.concurrency
        assert other.counters.seconds_waited >= 1.0


def test_a_long_wait_ends_with_a_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    limiter = ConcurrencyLimiter()
    caught: list[BaseException] = []
    with (
        Sandbox({"accounts": 2}) as sandbox,
        reading(sandbox, limiter) as client,
    ):
        limits = LimitSettings(enforced=True, requests=0)
        client.get_json("WhoAmI")
        sandbox.limits.settings = limits

        def run() -> None:
            try:
                ask(client, 1)
            except SignalReceivedException as error:
                caught.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        end = time.monotonic() + DEADLINE
        while not refused(sandbox) or not limiter._queue:
            assert time.monotonic() < end
            time.sleep(0.01)
        monkeypatch.setattr(signals, "_received_signal", 2)
        thread.join(DEADLINE)
        assert not thread.is_alive()
    assert len(caught) == 1


def test_decisions_are_logged_without_secrets(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logger, "LOGGER", logging.getLogger("test-of-throttling"))
    limits = LimitSettings(servers=3, dop_hint=8)
    with (
        caplog.at_level(logging.INFO),
        Sandbox({"accounts": 2}, limits=limits) as sandbox,
        reading(sandbox, ConcurrencyLimiter()) as client,
    ):
        sandbox.faults.plan("throttled", path="/accounts", skip=5)
        for number in range(40):
            ask(client, number)
        assert client.counters.throttled == 1
        secret = sandbox.client_secret
    assert "recommends 8 requests at once" in caplog.text
    assert "3 web servers" in caplog.text
    assert "All requests wait for" in caplog.text
    assert secret not in caplog.text
    assert "Bearer" not in caplog.text
