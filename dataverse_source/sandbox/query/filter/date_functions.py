"""Query functions on dates: the span of time that each means, in the caller's time zone."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

from dataverse_source.sandbox.environment.base_rows import FISCAL_START_COLUMN
from dataverse_source.sandbox.query.filter.periods import (
    FiscalCalendar,
    Span,
    calendar_span,
    last_span,
    midnight,
    next_span,
    shift,
)
from dataverse_source.sandbox.query.filter.scope import Scope
from dataverse_source.sandbox.query.syntax.odata import bad_query
from dataverse_source.sandbox.schema.tables import Column
from dataverse_source.sandbox.store.layout import literal
from dataverse_source.sandbox.store.values import ValueRefused, milliseconds, parse_moment

_CALENDAR = re.compile(r"(Last|This|Next)(Week|Month|Year)")
_COUNTED = re.compile(r"(Last|Next|OlderThan)X(Minutes|Hours|Days|Weeks|Months|Years)")
_FISCAL = re.compile(r"(Last|This|Next)(X?)Fiscal(Period|Year)s?")
_WHICH = {"Last": -1, "This": 0, "Next": 1}
_DAYS = {"Yesterday": -1, "Today": 0, "Tomorrow": 1}
_ON_DAY = ("On", "OnOrAfter", "OnOrBefore")
_IN_FISCAL = (
    "InFiscalPeriod",
    "InFiscalYear",
    "InFiscalPeriodAndYear",
    "InOrAfterFiscalPeriodAndYear",
    "InOrBeforeFiscalPeriodAndYear",
)

Number = Callable[[str], int]
"""Gives the whole number of an argument by its name."""
Word = Callable[[str], str]
"""Gives the text of an argument by its name."""


def is_date_function(name: str) -> bool:
    """Whether a query function is one on dates."""
    patterns = (_CALENDAR, _COUNTED, _FISCAL)
    return name in (*_DAYS, *_ON_DAY, *_IN_FISCAL, "Last7Days", "Next7Days") or any(
        pattern.fullmatch(name) for pattern in patterns
    )


def date_condition(
    name: str, key: str, column: Column, scope: Scope, number: Number, word: Word
) -> str:
    """SQL: the date-time ``key`` is in the span that the function means.

    Raises:
        DataverseFault: the function asks for a time of day where the column has none, or its
            arguments are wrong.
    """
    if column.type != "DateTime":
        raise bad_query(f"The function {name} can't be applied to the column '{column.name}'.")
    if column.date_behavior == "DateOnly" and name.endswith(("Hours", "Minutes")):
        raise bad_query(
            f"The operator {name} is not valid for the Date Only column '{column.name}'."
        )
    if name == "InFiscalPeriod":
        if is_local(column, scope):
            key = f"local_milliseconds({key}, {literal(scope.zone.key)})"
        return _any_year(key, fiscal_calendar(scope), number("PropertyValue"))
    if name.endswith(("Hours", "Minutes")):
        return within(key, _span(name, scope.now, scope, number, word), scope)
    span = _span(name, scope.zone.wall_clock(scope.now), scope, number, word)
    return within(key, _as_moments(span, scope) if is_local(column, scope) else span, scope)


def is_local(column: Column, scope: Scope) -> bool:
    """Whether the column's values have to be converted to the caller's time zone."""
    return column.date_behavior == "UserLocal" and not scope.zone.is_utc


def _as_moments(span: Span, scope: Scope) -> Span:
    """A span of local time as a span of moments."""
    start, end = (edge and scope.zone.moment(edge) for edge in (span.start, span.end))
    return Span(start, end)


def within(key: str, span: Span, scope: Scope) -> str:
    """SQL: the date-time ``key`` is within a span."""
    parts = [
        f"{key} {sign} {scope.add(milliseconds(edge))}"
        for sign, edge in ((">=", span.start), ("<", span.end))
        if edge is not None
    ]
    return f"coalesce({' AND '.join(parts)}, 0)"


def fiscal_calendar(scope: Scope) -> FiscalCalendar:
    """The organization's fiscal calendar, from its row; calendar years without one."""
    table = scope.schema.by_logical_name.get("organization")
    if table is None or FISCAL_START_COLUMN not in table.by_name:
        return FiscalCalendar()
    for row in scope.environment.store.rows("organization"):
        start = row[FISCAL_START_COLUMN]
        months = 1 if row.get("isfiscalperiodmonthbased") else 3
        return FiscalCalendar(start.month if start else 1, months)
    return FiscalCalendar()


def _span(name: str, now: datetime, scope: Scope, number: Number, word: Word) -> Span:
    today = midnight(now)
    if name in _DAYS:
        start = today + timedelta(days=_DAYS[name])
        return Span(start, start + timedelta(days=1))
    if name in _ON_DAY:
        return _on_day(name, word("PropertyValue"))
    if name in ("Last7Days", "Next7Days"):
        return (last_span if name[0] == "L" else next_span)(7, "Days", now)
    match = _CALENDAR.fullmatch(name)
    if match:
        return calendar_span(match[2], _WHICH[match[1]], now)
    match = _COUNTED.fullmatch(name)
    if match:
        count, unit = number("PropertyValue"), match[2]
        if match[1] == "OlderThan":
            end = shift(now, -count, unit)
            return Span(None, end if unit in ("Minutes", "Hours") else midnight(end))
        return (last_span if match[1] == "Last" else next_span)(count, unit, now)
    return _fiscal_span(name, now, scope, number)


def _on_day(name: str, text: str) -> Span:
    try:
        day = midnight(parse_moment(text))
    except ValueRefused as error:
        raise bad_query(str(error)) from None
    after = day + timedelta(days=1)
    return Span(
        None if name == "OnOrBefore" else day,
        None if name == "OnOrAfter" else after,
    )


def _fiscal_span(name: str, now: datetime, scope: Scope, number: Number) -> Span:
    calendar = fiscal_calendar(scope)
    if name == "InFiscalYear":
        return calendar.year(number("PropertyValue"))
    if name in _IN_FISCAL:
        span = calendar.period(number("PropertyValue2"), number("PropertyValue1"))
        return Span(
            None if "OrBefore" in name else span.start,
            None if "OrAfter" in name else span.end,
        )
    match = _FISCAL.fullmatch(name)
    if match is None:
        raise bad_query(f"The function {name} is not known.")
    which, counted, unit = match.groups()
    year, period = calendar.year_of(now), calendar.period_of(now)
    near, far = _WHICH[which], _WHICH[which] * (number("PropertyValue") if counted else 1)
    first, last = sorted((near, far))
    if unit == "Year":
        return Span(calendar.year(year + first).start, calendar.year(year + last).end)
    return Span(
        calendar.period(year, period + first).start, calendar.period(year, period + last).end
    )


def _any_year(key: str, calendar: FiscalCalendar, period: int) -> str:
    """SQL: the month of ``key`` belongs to a fiscal period, whatever the year."""
    size = calendar.months_per_period
    months = [
        (calendar.month - 1 + (period - 1) * size + offset) % 12 + 1 for offset in range(size)
    ]
    if not 1 <= period <= calendar.periods:
        return "0"
    month = f"CAST(strftime('%m', {key} / 1000, 'unixepoch') AS INTEGER)"
    return f"coalesce({month} IN ({', '.join(map(str, months))}), 0)"
