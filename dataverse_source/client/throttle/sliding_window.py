"""What was spent within a sliding window, and how fast it may be spent on."""

from __future__ import annotations

import math

__all__ = ["PARTS", "SlidingWindow", "even_rate", "rate_of_return", "seconds_until"]

PARTS = 120
"""A window is booked in so many parts."""

_AT_ONCE = 1e-6
"""Seconds: the clock's digits do not suffice for less."""


class SlidingWindow:
    """Amounts spent within a sliding window, never fewer than there are.

    Args:
        window: seconds after which an amount does not count any more.
    """

    def __init__(self, window: float) -> None:
        self._width = window / PARTS
        self._parts: dict[int, float] = {}
        self._total = 0.0
        self._present = 0

    def add(self, now: float, amount: float) -> None:
        """Books an amount."""
        part = self._part(now)
        self._parts[part] = self._parts.get(part, 0.0) + amount
        self._total += amount

    def spent(self, now: float) -> float:
        """What counts now."""
        self._forget(now)
        return self._total

    def correct(self, now: float, spent: float, *, late: float) -> None:
        """Makes the ledger say what the server says.

        Args:
            now: the present.
            spent: what the server has counted.
            late: how much of a surplus may be of requests whose answers are still on the way.
                The rest was spent by somebody else; nobody knows when, so it is taken as
                spread evenly over the window.
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
        """When amounts cease to count: seconds from now, the soonest first, and how much."""
        self._forget(now)
        return [
            (max((index + 1 + PARTS) * self._width - now, _AT_ONCE), self._parts[index])
            for index in sorted(self._parts)
        ]

    def _lower(self, now: float, booked: float, spent: float) -> None:
        """Takes from what the server has begun to forget, then from everything alike."""
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
        """Nothing ceases to count within a part: the next one is waited for."""
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
    """How long until no more than ``most`` counts; what can't be had is had when all is gone."""
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
    """The highest rate, a second, that can be kept up without exceeding ``limit``.

    Args:
        returning: see `Ledger.returning`.
        limit: what may count at once.
        window: of the ledger.
        soonest: seconds from now before which it may be exceeded: a few requests more or less
            would make the rate jump otherwise.
    """
    counted = sum(amount for _, amount in returning)
    rate = limit / window
    for seconds, amount in returning:
        if seconds >= soonest:
            rate = min(rate, (limit - counted) / seconds)
        counted -= amount
    return max(rate, 0.0)


def rate_of_return(
    returning: list[tuple[float, float]], limit: float, under_way: float, soon: float
) -> float:
    """The rate, a second, at which spent budget comes back: spent again, no more counts than now.

    Args:
        returning: see `Ledger.returning`.
        limit: what may count at once; what counts beyond it has to come back first.
        under_way: what will count when requests have ended.
        soon: seconds over which it is looked at.
    """
    counted = sum(amount for _, amount in returning) + under_way
    back = sum(amount for seconds, amount in returning if seconds <= soon)
    return max(back - max(counted - limit, 0.0), 0.0) / soon
