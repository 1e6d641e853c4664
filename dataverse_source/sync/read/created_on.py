"""Intervals of createdon: what is left to be read of a table, and where it can be shared out.

createdon never changes once a row is there, so intervals that don't overlap never hold the same
row twice. Bounds are whole seconds, and an interval includes its start and not its end:
Dataverse shows date-times in whole seconds, and what it compares below the second is not
documented.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dataverse_source.sync.read.query import literal

CREATED_ON = "createdon"

SECOND = timedelta(seconds=1)

LINKS_AT_MOST = 7_000
"""Characters of links that a table's state keeps for its intervals: with what else is in it, it
stays below 10 kB. Most links are shorter than 800; they grow with names and with the filter."""


@dataclass(frozen=True)
class Interval:
    """Rows that were created from ``low`` on and before ``high``, or those without a createdon.

    Attributes:
        low: in whole seconds, UTC; None: from the first row on.
        high: in whole seconds, UTC; None: to the last row.
        undated: only rows without a createdon.
        link: next link where the reading of the interval goes on, without host and columns
            (see `dataverse_source.sync.read.stored_links.shorten`); None: at its beginning.
    """

    low: datetime | None = None
    high: datetime | None = None
    undated: bool = False
    link: str | None = None

    @property
    def condition(self) -> str:
        """The OData filter for its rows."""
        if self.undated:
            return f"{CREATED_ON} eq null"
        bounds = []
        if self.low is not None:
            bounds.append(f"{CREATED_ON} ge {literal(self.low)}")
        if self.high is not None:
            bounds.append(f"{CREATED_ON} lt {literal(self.high)}")
        return " and ".join(bounds) or f"{CREATED_ON} ne null"

    def cut(self, marks: list[datetime]) -> tuple[Interval, ...]:
        """The parts of the interval, from its start to its end.

        Args:
            marks: where to cut, in order, each above ``low`` and below ``high``.
        """
        lows = [self.low, *marks]
        highs = [*marks, self.high]
        parts = [Interval(low, high) for low, high in zip(lows, highs, strict=True)]
        return (replace(parts[0], link=self.link), *parts[1:])


WHOLE = (Interval(), Interval(undated=True))
"""Two intervals that hold every row of a table."""


def marks(low: datetime, high: datetime, count: int, *, near: bool = False) -> list[datetime]:
    """Moments in whole seconds that cut the time between two others into parts.

    Args:
        low: the start; no mark lies on it or before it.
        high: the end; no mark lies on it or after it.
        count: how many marks; there are fewer where the seconds do not suffice.
        near: each part is half as long as the one after it, instead of all being equally long:
            for rows that lie close together soon after ``low``.
    """
    span = (high - low).total_seconds()
    if near:
        offsets = [span / 2**place for place in range(count, 0, -1)]
    else:
        offsets = [span * place / (count + 1) for place in range(1, count + 1)]
    found = sorted({whole(low + timedelta(seconds=max(offset, 1))) for offset in offsets})
    return [mark for mark in found if low < mark < high]


def whole(moment: datetime) -> datetime:
    """``moment`` without its fraction of a second."""
    return moment.replace(microsecond=0)


def to_state(interval: Interval) -> dict[str, str]:
    """The interval as JSON can keep it."""
    bounds = {
        "low": None if interval.low is None else interval.low.isoformat(),
        "high": None if interval.high is None else interval.high.isoformat(),
        "link": interval.link,
        "undated": "yes" if interval.undated else None,
    }
    return {name: value for name, value in bounds.items() if value is not None}


def to_states(intervals: Iterable[Interval]) -> tuple[dict[str, str], ...]:
    """The intervals as a table's state keeps them, without the links that it has no room for.

    Without its link, an interval goes on from its start: the second of the last row that was
    read. One link stays in any case, so that rows of a single second, or those without a
    createdon, are not begun anew for ever.
    """
    kept: list[dict[str, str]] = []
    room = LINKS_AT_MOST
    for interval in sorted(intervals, key=lambda one: not one.undated):
        room -= len(interval.link or "")
        stays = room >= 0 or not kept
        kept.append(to_state(interval if stays else replace(interval, link=None)))
    return tuple(kept)


def from_state(stored: Mapping[str, str]) -> Interval:
    """The interval that `to_state` has written."""
    low, high = stored.get("low"), stored.get("high")
    return Interval(
        None if low is None else datetime.fromisoformat(low),
        None if high is None else datetime.fromisoformat(high),
        "undated" in stored,
        stored.get("link"),
    )
