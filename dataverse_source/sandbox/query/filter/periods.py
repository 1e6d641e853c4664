"""Spans of time that date functions speak of: last week, next three months, fiscal years.

Spans are half open, and of what the clocks of the caller show. Weeks begin on Sunday, the default
of an organization.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

MONTHS_PER_QUARTER = 3
EARLIEST_YEAR, LATEST_YEAR = 1753, 9999


@dataclass(frozen=True)
class Span:
    """From ``start`` up to but without ``end``; None for no limit."""

    start: datetime | None
    end: datetime | None


@dataclass(frozen=True)
class FiscalCalendar:
    """How an organization divides its years.

    Attributes:
        month: month that a fiscal year begins in; it is named after the calendar year of that.
        months_per_period: 3 for quarters, 1 for months.
    """

    month: int = 1
    months_per_period: int = MONTHS_PER_QUARTER

    def year_of(self, moment: datetime) -> int:
        """The fiscal year that a moment falls in."""
        return moment.year if moment.month >= self.month else moment.year - 1

    def period_of(self, moment: datetime) -> int:
        """The fiscal period, from 1, that a moment falls in."""
        return (moment.month - self.month) % 12 // self.months_per_period + 1

    @property
    def periods(self) -> int:
        """Periods in a year."""
        return 12 // self.months_per_period

    def year(self, year: int) -> Span:
        """A fiscal year."""
        start = _first_of(year, self.month)
        return Span(start, add_months(start, 12))

    def period(self, year: int, period: int) -> Span:
        """A fiscal period; numbers beyond the year's go on into the next or previous one."""
        start = add_months(_first_of(year, self.month), (period - 1) * self.months_per_period)
        return Span(start, add_months(start, self.months_per_period))


def midnight(moment: datetime) -> datetime:
    """The start of a moment's day."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def add_months(moment: datetime, months: int) -> datetime:
    """The same day so many months later, or the month's last day when it has no such day."""
    index = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(index, 12)
    year = min(max(year, EARLIEST_YEAR), LATEST_YEAR)
    day = min(moment.day, monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def shift(moment: datetime, count: int, unit: str) -> datetime:
    """A moment moved by a number of Minutes, Hours, Days, Weeks, Months or Years."""
    if unit in ("Months", "Years"):
        return add_months(moment, count * (12 if unit == "Years" else 1))
    try:
        return moment + timedelta(**{unit.lower(): count})
    except OverflowError:
        year = EARLIEST_YEAR if count < 0 else LATEST_YEAR
        return moment.replace(year=year, month=1, day=1)


def calendar_span(name: str, which: int, now: datetime) -> Span:
    """The present (0), last (-1) or next (1) Week, Month or Year."""
    today = midnight(now)
    if name == "Week":
        start = today - timedelta(days=(today.weekday() + 1) % 7) + timedelta(weeks=which)
        return Span(start, start + timedelta(weeks=1))
    start = today.replace(day=1) if name == "Month" else today.replace(day=1, month=1)
    months = 1 if name == "Month" else 12
    start = add_months(start, which * months)
    return Span(start, add_months(start, months))


def last_span(count: int, unit: str, now: datetime) -> Span:
    """The last so many hours up to now, or days and longer from that day's midnight up to now."""
    start = shift(now, -count, unit)
    return Span(start if unit == "Hours" else midnight(start), now + timedelta(milliseconds=1))


def next_span(count: int, unit: str, now: datetime) -> Span:
    """The next so many hours from now, or days and longer to the end of that day."""
    end = shift(now, count, unit)
    return Span(now, end if unit == "Hours" else midnight(end) + timedelta(days=1))


def _first_of(year: int, month: int) -> datetime:
    year = min(max(year, EARLIEST_YEAR), LATEST_YEAR)
    return datetime(year, month, 1, tzinfo=timezone.utc)
