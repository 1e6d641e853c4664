"""Retries of failed requests: which, how often, and after how many seconds."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TypeVar

from dlt.common.runtime import signals
from requests import exceptions as http

from dataverse_source.config.log import logger
from dataverse_source.errors import DataverseError

__all__ = [
    "CHECK_EVERY",
    "ONCE",
    "USUAL_POLICY",
    "RetryPolicy",
    "TransientError",
    "backoff",
    "http_date",
    "is_transient_error",
    "is_transient_status",
    "pause",
    "retry_after",
    "run",
]

T = TypeVar("T")

# Seconds. Docs "Service protection API limits": limits count over sliding windows of 300 seconds,
# so no wait needs to be longer.
MAX_WAIT = 300.0
# Seconds. A Retry-After of 0, or of a fraction of a second, must not cause a burst of retries.
MIN_WAIT = 1.0
# Part of a wait that is added by chance, so that threads told to wait equally long do not all
# send at the same moment.
JITTER = 0.1
# How often the time that is added by chance doubles, with refusals that follow each other.
MOST_DOUBLINGS = 5

# Longest sleep, in seconds, between two checks for a signal.
CHECK_EVERY = 0.25

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]*)?", re.ASCII)
_TIMEOUT, _TOO_MANY_REQUESTS, _NOT_IMPLEMENTED = 408, 429, 501


@dataclass(frozen=True)
class RetryPolicy:
    """How often one request is tried.

    Attributes:
        attempts: tries in all when the network or the server fails.
        throttled_attempts: tries in all when the server says "too many requests".
        max_total_wait: seconds that one request may wait in all before it fails.
    """

    attempts: int = 5
    throttled_attempts: int = 10
    max_total_wait: float = 1800.0


USUAL_POLICY = RetryPolicy()
ONCE = RetryPolicy(attempts=1, throttled_attempts=1)


class TransientError(Exception):
    """A failure worth another try; `run` raises ``error`` when all tries have failed.

    Args:
        error: raised in the end.
        wait: seconds that the server asked to wait, if it did.
        throttled: the server said "too many requests".
        attempts: tries in all, where fewer than the policy grants make sense.

    Attributes:
        held: seconds for which the concurrency limiter holds back all requests, so that `run`
            need not wait; None when it does not.
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
        headers: of the answer; names in any case if the mapping allows it.
        now: compared with the date when the answer carries no ``Date``; time zone aware.

    Returns:
        Seconds, at most `MAX_WAIT`; None when there is no such header, it cannot be parsed, or
        its date is past.
    """
    text = (headers.get("Retry-After") or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), MAX_WAIT)
    moment = http_date(text)
    if moment is None:
        return None
    seconds = (moment - (http_date(headers.get("Date") or "") or now)).total_seconds()
    return min(seconds, MAX_WAIT) if seconds > 0 else None


def told_to_wait(seconds: float, refusals: int, chance: float) -> float:
    """Seconds to wait where Dataverse says how long.

    A request that waited as told and is refused once more shows that another process reads as the
    same user. Each such request makes all wait longer (docs: "Service protection API limits"), so
    processes that ask in turn would never be let in: they wait for longer times that differ.

    Args:
        seconds: that Dataverse named.
        refusals: how many have followed each other before.
        chance: a random number from 0 to 1.
    """
    spread = JITTER if refusals == 0 else float(2 ** min(refusals, MOST_DOUBLINGS))
    return float(max(seconds, MIN_WAIT) * (1.0 + spread * chance))


def backoff(failures: int, chance: float) -> float:
    """Seconds to wait after so many failures in a row: 1, 2, 4, ..., at most `MAX_WAIT`.

    Args:
        failures: 1 after the first failure.
        chance: a random number from 0 to 1; subtracts up to half of the wait.
    """
    exponent = min(max(failures, 1) - 1, 30)
    return float(min(2.0**exponent, MAX_WAIT) * (1.0 - chance / 2.0))


def is_transient_status(status: int) -> bool:
    """Whether a request answered with this HTTP status may succeed later."""
    if status == _NOT_IMPLEMENTED:
        return False
    return status in (_TIMEOUT, _TOO_MANY_REQUESTS) or 500 <= status <= 599


def is_transient_error(error: BaseException) -> bool:
    """Whether a network error may be temporary: no answer, a broken or an incomplete one."""
    return isinstance(
        error,
        (http.ConnectionError, http.Timeout, http.ChunkedEncodingError, http.ContentDecodingError),
    )


def pause(seconds: float) -> None:
    """Waits; a signal ends it at once, with dlt's exception.

    Raises:
        SignalReceivedException: SIGINT or SIGTERM came while dlt runs the pipeline.
    """
    until = time.monotonic() + seconds
    signals.raise_if_signalled()
    while (left := until - time.monotonic()) > 0:
        # Short sleeps: dlt's sleep misses a signal that comes just before it.
        signals.sleep(min(left, CHECK_EVERY))
        signals.raise_if_signalled()


def run(
    attempt: Callable[[], T],
    *,
    where: str,
    policy: RetryPolicy,
    pause: Callable[[float], None] = pause,
    chance: Callable[[], float] = random.random,
    on_retry: Callable[[TransientError, float], None] | None = None,
) -> T:
    """Calls ``attempt`` until it returns or raises anything but `TransientError`.

    Args:
        attempt: one try.
        where: URL without its query, for the log.
        policy: how often to try.
        pause: waits so many seconds.
        chance: returns random numbers from 0 to 1.
        on_retry: called with each failure before another try, and the seconds until then.

    Raises:
        DataverseError: of the last failure, when all tries have failed.
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
    return told_to_wait(failure.wait, 0, chance)
