"""When and how long to wait before another try."""

from __future__ import annotations

import signal
import threading
import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest
import requests
from dlt.common.exceptions import SignalReceivedException
from dlt.common.runtime import signals
from hypothesis import given
from hypothesis import strategies as st

from dataverse_source.client import retry
from dataverse_source.client.retry import MAX_WAIT, RetryPolicy, TransientError
from dataverse_source.errors import ConnectionFailedError, ServerError

NOW = datetime(2026, 10, 21, 7, 28, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("5", 5.0),
        (" 17 ", 17.0),
        ("34.226", 34.226),
        ("1.", 1.0),
        ("300", 300.0),
        ("301", 300.0),
        ("999999999", 300.0),
        ("Wed, 21 Oct 2026 07:28:20 GMT", 20.0),
        ("Wed, 21 Oct 2026 09:28:20 +0200", 20.0),
        ("Wed, 21 Oct 2026 07:28:20 -0000", 20.0),
        ("Wednesday, 21-Oct-26 07:28:20 GMT", 20.0),
        ("Wed, 21 Oct 2026 08:28:20 GMT", 300.0),
    ],
)
def test_retry_after_is_understood(text: str, seconds: float) -> None:
    assert retry.retry_after({"Retry-After": text}, NOW) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "-5",
        "1e3",
        "nan",
        "inf",
        "1_0",
        "٣",
        "5, 5",
        "0x10",
        "Wed, 21 Oct 2026 07:27:00 GMT",  # past
        "Wed, 21 Oct 2026 07:28:00 GMT",  # this very moment
        "Wed, 99 Oct 2026 07:28:00 GMT",
        "Fri, 01 Jan 0001 00:00:00 +2300",
    ],
)
def test_retry_after_that_says_nothing(text: str) -> None:
    assert retry.retry_after({"Retry-After": text}, NOW) is None


def test_no_retry_after() -> None:
    assert retry.retry_after({}, NOW) is None


def test_header_names_in_any_case() -> None:
    headers = requests.structures.CaseInsensitiveDict({"retry-after": "7"})
    assert retry.retry_after(headers, NOW) == 7.0


def test_a_date_is_compared_with_the_servers_clock() -> None:
    wrong_clock = NOW + timedelta(days=2)
    headers = {
        "Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT",
        "Date": "Wed, 21 Oct 2026 07:28:00 GMT",
    }
    assert retry.retry_after(headers, wrong_clock) == 30.0


@given(st.floats(min_value=0.0, max_value=1e6, allow_nan=False))
def test_every_decimal_number_of_seconds(seconds: float) -> None:
    text = f"{seconds:.3f}"
    assert retry.retry_after({"Retry-After": text}, NOW) == min(float(text), MAX_WAIT)


@given(st.integers(min_value=1, max_value=10**6))
def test_every_http_date(seconds: int) -> None:
    text = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert retry.retry_after({"Retry-After": text}, NOW) == min(seconds, MAX_WAIT)


@given(st.text())
def test_any_text_gives_seconds_within_bounds_or_nothing(text: str) -> None:
    seconds = retry.retry_after({"Retry-After": text, "Date": text}, NOW)
    assert seconds is None or 0.0 <= seconds <= MAX_WAIT


@given(st.integers(min_value=-5, max_value=10**9), st.floats(min_value=0.0, max_value=1.0))
def test_backoff_stays_within_bounds(failures: int, chance: float) -> None:
    assert 0.5 <= retry.backoff(failures, chance) <= MAX_WAIT


def test_backoff_doubles() -> None:
    assert [retry.backoff(n, 0.0) for n in range(1, 6)] == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert retry.backoff(3, 1.0) == 2.0


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 520, 599])
def test_transient_statuses(status: int) -> None:
    assert retry.is_transient_status(status)


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 410, 412, 413, 501, 600])
def test_final_statuses(status: int) -> None:
    assert not retry.is_transient_status(status)


def test_transient_errors() -> None:
    http = requests.exceptions
    for kind in (
        http.ConnectionError,
        http.ConnectTimeout,
        http.ReadTimeout,
        http.ChunkedEncodingError,
        http.ContentDecodingError,
    ):
        assert retry.is_transient_error(kind("x"))
    for other in (http.InvalidURL("x"), http.InvalidHeader("x"), ValueError("x")):
        assert not retry.is_transient_error(other)


class Attempts:
    """Fails with each of these, then returns "done"; notes the waits."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls = 0
        self.waits: list[float] = []

    def __call__(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "done"

    def run(self, **options: Any) -> str:
        options = {"policy": RetryPolicy(), "chance": lambda: 0.0, **options}
        return retry.run(self, where="https://x/accounts", pause=self.waits.append, **options)


def network(**options: Any) -> TransientError:
    return TransientError(ConnectionFailedError("The connection broke"), **options)


def throttled(wait: float | None = None) -> TransientError:
    return TransientError(ServerError("busy", status=429), wait=wait, throttled=True)


def test_the_first_answer_is_taken() -> None:
    attempts = Attempts()
    assert attempts.run() == "done"
    assert (attempts.calls, attempts.waits) == (1, [])


def test_failures_are_tried_again_with_growing_waits() -> None:
    attempts = Attempts(*(network() for _ in range(4)))
    assert attempts.run() == "done"
    assert (attempts.calls, attempts.waits) == (5, [1.0, 2.0, 4.0, 8.0])


def test_five_failures_are_enough_and_the_error_says_so() -> None:
    attempts = Attempts(*(network() for _ in range(5)))
    with pytest.raises(ConnectionFailedError, match=r"tried: 5 times") as caught:
        attempts.run()
    assert caught.value.tries == 5
    assert attempts.calls == 5


def test_the_cause_is_kept() -> None:
    fault = network()
    fault.__cause__ = OSError("the wire")
    with pytest.raises(ConnectionFailedError) as caught:
        Attempts(fault).run(policy=RetryPolicy(attempts=1))
    assert isinstance(caught.value.__cause__, OSError)


def test_a_failure_that_seldom_passes_is_tried_less_often() -> None:
    attempts = Attempts(*(network(attempts=2) for _ in range(5)))
    with pytest.raises(ConnectionFailedError):
        attempts.run()
    assert attempts.calls == 2


def test_throttling_has_its_own_count() -> None:
    failures = [throttled(20.0)] * 9 + [network()] * 4
    attempts = Attempts(*failures)
    assert attempts.run() == "done"
    assert attempts.waits == [20.0] * 9 + [1.0, 2.0, 4.0, 8.0]


def test_ten_times_throttled_is_enough() -> None:
    attempts = Attempts(*[throttled(3.0)] * 10)
    with pytest.raises(ServerError):
        attempts.run()
    assert attempts.waits == [3.0] * 9


def test_throttling_without_a_time_backs_off() -> None:
    attempts = Attempts(throttled(), throttled(), throttled())
    attempts.run()
    assert attempts.waits == [1.0, 2.0, 4.0]


def test_a_wait_of_zero_becomes_a_second_and_jitter_only_adds() -> None:
    attempts = Attempts(throttled(0.0), throttled(100.0))
    attempts.run(chance=lambda: 1.0)
    assert attempts.waits == pytest.approx([1.1, 110.0])


def test_the_waits_of_one_request_have_a_limit() -> None:
    attempts = Attempts(*[throttled(300.0)] * 9)
    with pytest.raises(ServerError):
        attempts.run(policy=RetryPolicy(max_total_wait=700.0))
    assert attempts.waits == [300.0, 300.0]


def test_other_errors_pass_through() -> None:
    attempts = Attempts(ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        attempts.run()
    assert attempts.calls == 1


def test_on_retry_hears_of_every_wait() -> None:
    heard: list[tuple[bool, float]] = []
    Attempts(throttled(5.0), network()).run(
        on_retry=lambda failure, seconds: heard.append((failure.throttled, seconds))
    )
    assert heard == [(True, 5.0), (False, 1.0)]


def test_pause_waits() -> None:
    began = time.monotonic()
    retry.pause(0.05)
    assert time.monotonic() - began >= 0.05


def test_pause_ends_when_the_process_is_asked_to_stop() -> None:
    ended = threading.Event()

    def wait_long() -> None:
        try:
            retry.pause(600.0)
        except SignalReceivedException:
            ended.set()

    thread = threading.Thread(target=wait_long, daemon=True)
    thread.start()
    signals.set_received_signal(int(signal.SIGTERM))
    try:
        signals.wake_all()
        assert ended.wait(30.0)
    finally:
        signals.set_received_signal(0)
        thread.join(30.0)
