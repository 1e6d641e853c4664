"""What the concurrency limiter hands out and keeps: permits, totals, and the clock it goes by."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from dataverse_source.client.retry import NAP

__all__ = ["LimiterTotals", "Permit", "Time"]


class Time:
    """The clock that a concurrency limiter goes by, and its waits."""

    def now(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()

    def wait(self, told: threading.Condition, seconds: float | None) -> None:
        """Waits until told, or for so many seconds; may end sooner."""
        told.wait(NAP if seconds is None else min(seconds, NAP))


@dataclass(frozen=True)
class LimiterTotals:
    """What a concurrency limiter has done so far.

    Attributes:
        seconds_held: time in which a request waited for a limit, not only for another request.
        busy_seconds: time in which at least one request was under way.
        request_seconds: the sum of all requests' times.
    """

    seconds_held: float = 0.0
    busy_seconds: float = 0.0
    request_seconds: float = 0.0


class Permit:
    """The right to send one request now.

    Args:
        began: when it was given.
        level: requests under way then, this one among them.
        wanted: whether there was no further slot, so that more might help.
        urgent: whether the request has been refused before.

    Attributes:
        well: no answer has said that something is wrong with the service.
    """

    def __init__(self, began: float, level: int, *, wanted: bool, urgent: bool) -> None:
        self.began = began
        self.level = level
        self.wanted = wanted
        self.urgent = urgent
        self.well = True
        self.answers: list[tuple[float, Mapping[str, str]]] = []

    def answered(self, seconds: float, headers: Mapping[str, str]) -> None:
        """Notes how long an answer took, and its headers."""
        self.answers.append((seconds, headers))
