"""When a failed request is worth another try, how long to wait before it, and how often."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TypeVar

from dlt.common.runtime import signals
from requests import exceptions as http

from dataverse_source.config.log import logger
from dataverse_source.errors import DataverseError

__all__ = [
    "USUAL_POLICY",
    "RetryPolicy",
    "Stopped",
    "TransientError",
    "backoff",
    "http_date",
    "is_transient_error",
    "is_transient_status",
    "pause",
    "raise_if_stopped",
    "retry_after",
    "run",
    "stopping",
]

T = TypeVar("T")

# "Service protection API limits" counts over sliding windows of 300 seconds: no wait needs to
# be longer than one window.
MAX_WAIT = 300.0
# A Retry-After of 0, or of a fraction of a second, must not turn the retries into a burst.
MIN_WAIT = 1.0
# Threads that were told the same number of seconds should not all come back at once.
JITTER = 0.1

# Longest nap before it is asked again whether to stop.
NAP = 0.25

_stop = threading.local()

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]*)?", re.ASCII)
_TIMEOUT, _TOO_MANY_REQUESTS, _NOT_IMPLEMENTED = 408, 429, 501


@dataclass(frozen=True)
class RetryPolicy:
    """How often one request is tried.

    Attributes:
        attempts: tries in all when the network or the server fails.
        throttled_attempts: tries in all when the server says "too many requests".
        max_total_wait: seconds of waiting for one request, after which it fails.
    """

    attempts: int = 5
    throttled_attempts: int = 10
    max_total_wait: float = 1800.0


USUAL_POLICY = RetryPolicy()


class TransientError(Exception):
    """A failure that may pass; `run` tries again, and raises ``error`` when it does not pass.

    Args:
        error: what the caller sees in the end.
        wait: seconds that the server asked to wait, if it did.
        throttled: the server said "too many requests".
        attempts: fewer tries than the policy grants, for failures that seldom pass.

    Attributes:
        held: seconds for which somebody else holds back all requests, so that `run` does not
            wait by itself; None when nobody does.
    """

    def __init__(
        self,
        error: DataverseError,
        *,
        wait: float | None = None,
        throttled: bool = False,
        attempts: int | None = None,
    ) -> None:
        super().__init__(error.what)
        self.error = error
        self.wait = wait
        self.throttled = throttled
        self.attempts = attempts
        self.held: float | None = None


class Stopped(Exception):
    """A wait was ended by the event that was given to `stopping`."""


@contextmanager
def stopping(event: threading.Event) -> Iterator[None]:
    """Within it, waits of this thread end soon after ``event`` is set, with `Stopped`."""
    before = getattr(_stop, "event", None)
    _stop.event = event
    try:
        yield
    finally:
        _stop.event = before


def raise_if_stopped() -> None:
    """Ends a wait that nobody wants any more.

    Raises:
        SignalReceivedException: SIGINT or SIGTERM came while dlt runs the pipeline.
        Stopped: see `stopping`.
    """
    signals.raise_if_signalled()
    event: threading.Event | None = getattr(_stop, "event", None)
    if event is not None and event.is_set():
        raise Stopped


def http_date(text: str) -> datetime | None:
    """The moment of an HTTP date such as ``Wed, 21 Oct 2026 07:28:00 GMT``, None if it is none."""
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            return moment.replace(tzinfo=timezone.utc)
        return moment.astimezone(timezone.utc)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that the ``Retry-After`` header asks to wait.

    Accepts whole seconds, fractions ("34.226", seen from Dataverse) and HTTP dates (RFC 9110,
    section 10.2.3). A date is compared with the answer's own ``Date``, so that a wrong local
    clock does no harm.

    Args:
        headers: the answer's headers; names in any case if the mapping allows it.
        now: what to compare a date with when the answer carries no ``Date``; time zone aware.

    Returns:
        Seconds, at most `MAX_WAIT`; None when there is no such header, or it can't be
        understood, or its moment is past.
    """
    text = (headers.get("Retry-After") or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), MAX_WAIT)
    moment = http_date(text)
    if moment is None:
        return None
    seconds = (moment - (http_date(headers.get("Date") or "") or now)).total_seconds()
    return min(seconds, MAX_WAIT) if seconds > 0 else None


def backoff(failures: int, chance: float) -> float:
    """Seconds to wait after so many failures in a row: 1, 2, 4, ..., at most `MAX_WAIT`.

    Args:
        failures: 1 after the first failure.
        chance: a random number from 0 to 1; takes up to a half away.
    """
    exponent = min(max(failures, 1) - 1, 30)
    return float(min(2.0**exponent, MAX_WAIT) * (1.0 - chance / 2.0))


def is_transient_status(status: int) -> bool:
    """Whether an answer with this HTTP status may turn out well when asked for again."""
    if status == _NOT_IMPLEMENTED:
        return False
    return status in (_TIMEOUT, _TOO_MANY_REQUESTS) or 500 <= status <= 599


def is_transient_error(error: BaseException) -> bool:
    """Whether a fault of the network may pass: no answer, a broken or a cut answer."""
    return isinstance(
        error,
        (http.ConnectionError, http.Timeout, http.ChunkedEncodingError, http.ContentDecodingError),
    )


def pause(seconds: float) -> None:
    """Waits; ends at once with dlt's exception when the process was asked to stop.

    Raises:
        SignalReceivedException: SIGINT or SIGTERM came while dlt runs the pipeline.
        Stopped: see `stopping`.
    """
    until = time.monotonic() + seconds
    raise_if_stopped()
    while (left := until - time.monotonic()) > 0:
        # Short naps: dlt's sleep forgets a signal that comes just before it.
        signals.sleep(min(left, NAP))
        raise_if_stopped()


def run(
    attempt: Callable[[], T],
    *,
    where: str,
    policy: RetryPolicy,
    pause: Callable[[float], None] = pause,
    chance: Callable[[], float] = random.random,
    on_retry: Callable[[TransientError, float], None] | None = None,
) -> T:
    """Calls ``attempt`` until it returns, or raises something else than `TransientError`.

    Args:
        attempt: one try.
        where: what is asked for, in words fit for a log: a URL without its query.
        policy: how often.
        pause: does the waiting.
        chance: gives random numbers from 0 to 1.
        on_retry: told of every failure that is tried again, and the seconds before that.

    Raises:
        DataverseError: the last failure's, when the tries are used up.
    """
    failures = throttles = 0
    waited = 0.0
    while True:
        try:
            return attempt()
        except TransientError as raised:
            failure = raised
        throttles += failure.throttled
        failures += not failure.throttled
        tried, allowed = _tries(failure, failures, throttles, policy)
        seconds = _wait(failure, tried, chance()) if failure.held is None else failure.held
        if tried >= allowed or waited + seconds > policy.max_total_wait:
            failure.error.tries = failures + throttles
            raise failure.error from failure.__cause__
        logger.warning(
            "%s. Trying %s again in %.1f s (%d of %d).",
            failure.error.what,
            where,
            seconds,
            tried,
            allowed - 1,
        )
        if on_retry is not None:
            on_retry(failure, seconds)
        if failure.held is None:
            pause(seconds)
        waited += seconds


def _tries(
    failure: TransientError, failures: int, throttles: int, policy: RetryPolicy
) -> tuple[int, int]:
    if failure.throttled:
        return throttles, policy.throttled_attempts
    return failures, min(policy.attempts, failure.attempts or policy.attempts)


def _wait(failure: TransientError, tried: int, chance: float) -> float:
    if failure.wait is None:
        return backoff(tried, chance)
    return max(failure.wait, MIN_WAIT) * (1.0 + JITTER * chance)
