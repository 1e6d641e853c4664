"""Intervals of createdon: they divide a table into parts that can be read in parallel.

createdon never changes while a row exists, so intervals that do not overlap never hold the same
row twice. Bounds are whole seconds; an interval includes its start and excludes its end.
Dataverse shows date-times in whole seconds, and the docs do not say what it compares below the
second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

import pyarrow as pa
import pyarrow.compute as pc

from dataverse_source.sync.read.query import literal

CREATED_ON = "createdon"

SECOND = timedelta(seconds=1)

LINKS_AT_MOST = 7_000
"""Characters of links that a table's state keeps for its intervals, so that the whole state stays
below 10 kB. Most links are shorter than 800; they grow with names and with the filter."""


@dataclass(frozen=True)
class Interval:
    """Rows created from ``low`` on and before ``high``, or the rows without a createdon.

    Attributes:
        low: whole seconds, UTC; None: from the first row.
        high: whole seconds, UTC; None: to the last row.
        undated: only the rows without a createdon.
        link: next link where reading continues, without host and columns (see
            `dataverse_source.sync.read.stored_links.shorten`); None: reading starts at ``low``.
    """

    low: datetime | None = None
    high: datetime | None = None
    undated: bool = False
    link: str | None = None

    @property
    def condition(self) -> str:
        """OData filter for its rows."""
        if self.undated:
            return f"{CREATED_ON} eq null"
        bounds = []
        if self.low is not None:
            bounds.append(f"{CREATED_ON} ge {literal(self.low)}")
        if self.high is not None:
            bounds.append(f"{CREATED_ON} lt {literal(self.high)}")
        return " and ".join(bounds) or f"{CREATED_ON} ne null"

    def cut(self, points: list[datetime]) -> tuple[Interval, ...]:
        """The parts of the interval, in order.

        Args:
            points: where to cut, in order, each above ``low`` and below ``high``.
        """
        lows = [self.low, *points]
        highs = [*points, self.high]
        parts = [Interval(low, high) for low, high in zip(lows, highs, strict=True)]
        return (replace(parts[0], link=self.link), *parts[1:])


MOST_STRETCHES = 20_000
"""Stretches of time that are counted apart; beyond that, two become one."""


class CreatedOnCounts:
    """Counts the rows of a table by the time at which they were created.

    Memory stays flat: a stretch of time is a second long at first, and twice as long whenever there
    are too many of them.

    Attributes:
        rows: all of them.
        undated: those without a createdon.
    """

    def __init__(self) -> None:
        self.rows = self.undated = 0
        self._seconds = 1
        self._stretches: dict[int, int] = {}

    def add(self, rows: pa.Table) -> None:
        """Counts the rows of a page, which have a column createdon."""
        created = rows[CREATED_ON]
        self.rows += rows.num_rows
        self.undated += created.null_count
        seconds = created.drop_null().cast(pa.timestamp("s", "UTC"), safe=False).cast(pa.int64())
        found = pc.value_counts(pc.divide(seconds, self._seconds))
        starts, counts = found.field("values").to_pylist(), found.field("counts").to_pylist()
        for start, count in zip(starts, counts, strict=True):
            self._stretches[start] = self._stretches.get(start, 0) + count
        while len(self._stretches) > MOST_STRETCHES:
            self._seconds *= 2
            stretches: dict[int, int] = {}
            for start, count in self._stretches.items():
                stretches[start // 2] = stretches.get(start // 2, 0) + count
            self._stretches = stretches

    def parts(self, most: int) -> list[tuple[Interval, int]]:
        """Intervals that together hold every row with a createdon, each with its rows.

        They are of about the same size. A second is never cut, so many rows of one second stay
        together; there are fewer parts then.

        Args:
            most: how many intervals at most.
        """
        wanted = max((self.rows - self.undated) / most, 1)
        points: list[datetime] = []
        sizes, before = [0], 0
        for start, count in sorted(self._stretches.items()):
            # Cut where the sum comes closest to its share.
            share = wanted * len(sizes)
            if sizes[-1] and len(sizes) < most and before + count / 2 >= share:
                moment = start * self._seconds
                points.append(datetime.fromtimestamp(moment, timezone.utc))
                sizes.append(0)
            sizes[-1] += count
            before += count
        return list(zip(Interval().cut(points), sizes, strict=True))


WHOLE = (Interval(), Interval(undated=True))
"""Two intervals that together hold every row of a table."""


def cut_points(low: datetime, high: datetime, count: int, *, near: bool = False) -> list[datetime]:
    """Whole seconds between ``low`` and ``high`` that divide the time between them.

    Args:
        low: start; every point is later.
        high: end; every point is earlier.
        count: number of points; fewer when the span has too few whole seconds.
        near: make each part half as long as the next, instead of all equally long. For rows that
            lie close together soon after ``low``.
    """
    span = (high - low).total_seconds()
    if near:
        offsets = [span / 2**place for place in range(count, 0, -1)]
    else:
        offsets = [span * place / (count + 1) for place in range(1, count + 1)]
    found = sorted({whole(low + timedelta(seconds=max(offset, 1))) for offset in offsets})
    return [point for point in found if low < point < high]


def whole(moment: datetime) -> datetime:
    """``moment`` cut to whole seconds."""
    return moment.replace(microsecond=0)


def to_state(interval: Interval) -> dict[str, str]:
    """The interval as JSON values."""
    bounds = {
        "low": None if interval.low is None else interval.low.isoformat(),
        "high": None if interval.high is None else interval.high.isoformat(),
        "link": interval.link,
        "undated": "yes" if interval.undated else None,
    }
    return {name: value for name, value in bounds.items() if value is not None}


def to_states(intervals: Iterable[Interval]) -> tuple[dict[str, str], ...]:
    """The intervals as a table's state stores them, without the links that do not fit.

    An interval without its link is read from its start, the second of the last row read. One
    link is always kept: otherwise an interval of one second, or the rows without a createdon,
    could be started over for ever.
    """
    kept: list[dict[str, str]] = []
    room = LINKS_AT_MOST
    for interval in sorted(intervals, key=lambda one: not one.undated):
        room -= len(interval.link or "")
        stays = room >= 0 or not kept
        kept.append(to_state(interval if stays else replace(interval, link=None)))
    return tuple(kept)


def from_state(stored: Mapping[str, str]) -> Interval:
    """The interval that `to_state` wrote."""
    low, high = stored.get("low"), stored.get("high")
    return Interval(
        None if low is None else datetime.fromisoformat(low),
        None if high is None else datetime.fromisoformat(high),
        "undated" in stored,
        stored.get("link"),
    )
