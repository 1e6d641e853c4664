"""Amounts spent within a sliding window, and the rate at which more may be spent."""

from __future__ import annotations

import math

__all__ = ["PARTS", "SlidingWindow", "even_rate", "rate_of_return", "seconds_until"]

PARTS = 120
"""Buckets of a window."""

_SHORTEST = 1e-6
"""Seconds; the clock is not more precise."""


class SlidingWindow:
    """Sliding-window sum; may over-count by one bucket, never under-counts.

    Args:
        window: seconds after which an amount no longer counts.
    """

    def __init__(self, window: float) -> None:
        self._width = window / PARTS
        self._parts: dict[int, float] = {}
        self._total = 0.0
        self._present = 0

    def add(self, now: float, amount: float) -> None:
        """Adds an amount."""
        part = self._part(now)
        self._parts[part] = self._parts.get(part, 0.0) + amount
        self._total += amount

    def spent(self, now: float) -> float:
        """The sum within the window."""
        self._forget(now)
        return self._total

    def correct(self, now: float, spent: float, *, late: float) -> None:
        """Sets the sum to what the server has counted.

        Args:
            now: the present.
            spent: the server's sum.
            late: a surplus up to this is put down to requests that are still in flight. A larger
                one was spent by another client at an unknown time, so it is spread evenly over
                the window.
        """
        booked = self.spent(now)
        if spent <= booked:
            self._lower(now, booked, spent)
        elif spent - booked <= late:
            self.add(now, spent - booked)
        else:
            for index in range(PARTS):
                self.add(now - index * self._width, (spent - booked) / PARTS)

    def returning(self, now: float) -> list[tuple[float, float]]:
        """When amounts leave the window: seconds from now, the soonest first, and how much."""
        self._forget(now)
        return [
            (max((index + 1 + PARTS) * self._width - now, _SHORTEST), self._parts[index])
            for index in sorted(self._parts)
        ]

    def _lower(self, now: float, booked: float, spent: float) -> None:
        """Takes from the oldest bucket first, as the server may have dropped it, then from all."""
        forgotten = self._part(now) - PARTS
        if forgotten in self._parts:
            taken = min(booked - spent, self._parts[forgotten])
            self._parts[forgotten] -= taken
            booked -= taken
        if booked > spent:
            kept = spent / booked
            self._parts = {index: amount * kept for index, amount in self._parts.items()}
        self._total = sum(self._parts.values())

    def _forget(self, now: float) -> None:
        """Drops whole buckets only, so that nothing leaves the window too early."""
        present = self._part(now)
        if present == self._present:
            return
        self._present = present
        oldest = present - PARTS
        self._parts = {index: some for index, some in self._parts.items() if index >= oldest}
        self._total = sum(self._parts.values())

    def _part(self, now: float) -> int:
        return math.floor(now / self._width)


def seconds_until(window: SlidingWindow, now: float, most: float) -> float:
    """Seconds until the sum drops to ``most``; if it never does, until the window is empty."""
    spent = window.spent(now)
    if spent <= most:
        return 0.0
    wait = 0.0
    for wait, amount in window.returning(now):  # noqa: B007 (the last one is wanted)
        spent -= amount
        if spent <= most:
            break
    return wait


def even_rate(
    returning: list[tuple[float, float]], limit: float, window: float, soonest: float = 0.0
) -> float:
    """The highest rate per second that never exceeds ``limit``.

    Args:
        returning: see `SlidingWindow.returning`.
        limit: highest sum.
        window: length of the window in seconds.
        soonest: seconds from now in which the limit may be exceeded; otherwise a few requests
            more or less would make the rate jump.
    """
    counted = sum(amount for _, amount in returning)
    rate = limit / window
    for seconds, amount in returning:
        if seconds >= soonest:
            rate = min(rate, (limit - counted) / seconds)
        counted -= amount
    return max(rate, 0.0)


def rate_of_return(
    returning: list[tuple[float, float]], limit: float, in_flight: float, soon: float
) -> float:
    """The rate per second at which spent budget returns; spending at this rate keeps the sum.

    Args:
        returning: see `SlidingWindow.returning`.
        limit: highest sum; what exceeds it must return first.
        in_flight: what requests in flight will add.
        soon: seconds over which the rate is measured.
    """
    counted = sum(amount for _, amount in returning) + in_flight
    back = sum(amount for seconds, amount in returning if seconds <= soon)
    return max(back - max(counted - limit, 0.0), 0.0) / soon
