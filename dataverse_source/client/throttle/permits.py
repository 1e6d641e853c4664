"""Permits of the concurrency limiter, its totals, and its clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from dataverse_source.client.retry import CHECK_EVERY

__all__ = ["LimiterClock", "LimiterTotals", "Permit"]


class LimiterClock:
    """The time that a concurrency limiter sees, and how it waits."""

    def now(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()

    def wait(self, turn: threading.Condition, seconds: float | None) -> None:
        """Waits until notified, or for so many seconds; may return sooner."""
        turn.wait(CHECK_EVERY if seconds is None else min(seconds, CHECK_EVERY))


@dataclass(frozen=True)
class LimiterTotals:
    """What a concurrency limiter has done so far.

    Attributes:
        seconds_held: time in which a request waited for a limit, not only for another request.
        busy_seconds: time with at least one request in flight.
        request_seconds: the durations of all requests together.
    """

    seconds_held: float = 0.0
    busy_seconds: float = 0.0
    request_seconds: float = 0.0


class Permit:
    """The right to send one request now.

    Args:
        began: when it was given.
        in_flight: requests in flight then, this one included.
        used_last: this request took the last permit, so raising the limit may help.
        urgent: the request has been refused before.

    Attributes:
        well: no answer has reported a fault of the service.
    """

    def __init__(self, began: float, in_flight: int, *, used_last: bool, urgent: bool) -> None:
        self.began = began
        self.in_flight = in_flight
        self.used_last = used_last
        self.urgent = urgent
        self.well = True
        self.answers: list[tuple[float, Mapping[str, str]]] = []

    def answered(self, seconds: float, headers: Mapping[str, str]) -> None:
        """Records how many seconds an answer took, and its headers."""
        self.answers.append((seconds, headers))
