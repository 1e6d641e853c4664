"""The ``Microsoft.Dynamics.CRM.*`` functions of ``$filter``, at a fixed moment."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from dataverse_source.sandbox.query.filter.periods import FiscalCalendar, add_months, calendar_span
from dataverse_source.sandbox.schema.catalog import default_schema
from tests.support.sandbox.reading import USER, Reading, reading

NOW = datetime(2024, 5, 15, 14, 30, tzinfo=timezone.utc)
"""A Wednesday in the second quarter."""


@pytest.fixture(scope="module")
def side() -> Iterator[Reading]:
    with reading() as made:
        made.clock.set(NOW)
        yield made


def made_on(side: Reading, function: str, **arguments: Any) -> set[datetime]:
    """The moments that a function on new_madeon finds."""
    given = "".join(f",{name}={value}" for name, value in arguments.items())
    text = f"Microsoft.Dynamics.CRM.{function}(PropertyName='new_madeon'{given})"
    page = side.json(f"new_widgets?$select=new_madeon&$filter={text}")
    return {
        datetime.fromisoformat(row["new_madeon"].replace("Z", "+00:00")) for row in page["value"]
    }


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=timezone.utc)


LONG_AGO, FAR = utc(1753, 1, 2), utc(9999, 12, 31)
"""Edges of spans that have none."""

SPANS: list[tuple[str, dict[str, Any], datetime, datetime]] = [
    ("Today", {}, utc(2024, 5, 15), utc(2024, 5, 16)),
    ("Yesterday", {}, utc(2024, 5, 14), utc(2024, 5, 15)),
    ("Tomorrow", {}, utc(2024, 5, 16), utc(2024, 5, 17)),
    ("Last7Days", {}, utc(2024, 5, 8), NOW),
    ("Next7Days", {}, NOW, utc(2024, 5, 23)),
    ("ThisWeek", {}, utc(2024, 5, 12), utc(2024, 5, 19)),
    ("LastWeek", {}, utc(2024, 5, 5), utc(2024, 5, 12)),
    ("NextWeek", {}, utc(2024, 5, 19), utc(2024, 5, 26)),
    ("ThisMonth", {}, utc(2024, 5, 1), utc(2024, 6, 1)),
    ("LastMonth", {}, utc(2024, 4, 1), utc(2024, 5, 1)),
    ("NextYear", {}, utc(2025, 1, 1), utc(2026, 1, 1)),
    ("LastXHours", {"PropertyValue": 12}, utc(2024, 5, 15, 2, 30), NOW),
    ("LastXHours", {"PropertyValue": "'12'"}, utc(2024, 5, 15, 2, 30), NOW),
    ("NextXHours", {"PropertyValue": 3}, NOW, utc(2024, 5, 15, 17, 30)),
    ("LastXDays", {"PropertyValue": 2}, utc(2024, 5, 13), NOW),
    ("NextXWeeks", {"PropertyValue": 1}, NOW, utc(2024, 5, 23)),
    ("LastXMonths", {"PropertyValue": 3}, utc(2024, 2, 15), NOW),
    ("NextXYears", {"PropertyValue": 1}, NOW, utc(2025, 5, 16)),
    ("On", {"PropertyValue": "2024-02-29"}, utc(2024, 2, 29), utc(2024, 3, 1)),
    ("OnOrBefore", {"PropertyValue": "'2024-02-29'"}, LONG_AGO, utc(2024, 3, 1)),
    ("OnOrAfter", {"PropertyValue": "2024-02-29"}, utc(2024, 2, 29), FAR),
    ("OlderThanXMinutes", {"PropertyValue": 30}, LONG_AGO, utc(2024, 5, 15, 14)),
    ("OlderThanXDays", {"PropertyValue": 7}, LONG_AGO, utc(2024, 5, 8)),
    ("OlderThanXMonths", {"PropertyValue": 1}, LONG_AGO, utc(2024, 4, 15)),
    ("ThisFiscalYear", {}, utc(2024, 1, 1), utc(2025, 1, 1)),
    ("ThisFiscalPeriod", {}, utc(2024, 4, 1), utc(2024, 7, 1)),
    ("LastFiscalPeriod", {}, utc(2024, 1, 1), utc(2024, 4, 1)),
    ("NextXFiscalPeriods", {"PropertyValue": 2}, utc(2024, 7, 1), utc(2025, 1, 1)),
    ("LastXFiscalYears", {"PropertyValue": 2}, utc(2022, 1, 1), utc(2024, 1, 1)),
    ("InFiscalYear", {"PropertyValue": 2023}, utc(2023, 1, 1), utc(2024, 1, 1)),
    ("InFiscalPeriodAndYear", {"PropertyValue1": 4, "PropertyValue2": 2023},
     utc(2023, 10, 1), utc(2024, 1, 1)),
    ("InOrAfterFiscalPeriodAndYear", {"PropertyValue1": 2, "PropertyValue2": 2024},
     utc(2024, 4, 1), FAR),
    ("InOrBeforeFiscalPeriodAndYear", {"PropertyValue1": 2, "PropertyValue2": 2024},
     LONG_AGO, utc(2024, 7, 1)),
]  # fmt: skip


@pytest.mark.parametrize(("function", "arguments", "start", "end"), SPANS)
def test_a_date_function_finds_what_lies_in_its_span(
    side: Reading, function: str, arguments: dict[str, Any], start: datetime, end: datetime
) -> None:
    second = timedelta(seconds=1)
    inside = {start, end - second}
    outside = {
        *({start - second} if start != LONG_AGO else ()),
        *({end + second} if end != FAR else ()),
    }
    keys = [side.store.create("new_widget", {"new_madeon": moment}) for moment in inside | outside]
    try:
        assert made_on(side, function, **arguments) == inside
    finally:
        for key in keys:
            side.store.delete("new_widget", key)


def test_a_fiscal_period_of_any_year(side: Reading) -> None:
    moments = [utc(2023, 4, 1), utc(2020, 6, 30), utc(2023, 3, 31), utc(2023, 7, 1)]
    keys = [side.store.create("new_widget", {"new_madeon": moment}) for moment in moments]
    assert made_on(side, "InFiscalPeriod", PropertyValue=2) == set(moments[:2])
    for key in keys:
        side.store.delete("new_widget", key)


def test_hours_make_no_sense_for_days(side: Reading) -> None:
    text = "Microsoft.Dynamics.CRM.LastXHours(PropertyName='new_day',PropertyValue=1)"
    assert side.fault(f"new_widgets?$filter={text}")[0] == 400


def found(side: Reading, text: str, column: str = "new_count") -> list[Any]:
    page = side.json(f"new_widgets?$select={column}&$orderby={column}&$filter={text}")
    return [row[column] for row in page["value"]]


def test_lists_and_ranges() -> None:
    with reading() as side:
        for number, name in ((5, "OBrian"), (7, "O'Brian"), (2001, "Zoë"), (None, None)):
            side.store.create("new_widget", {"new_count": number, "new_name": name})
        crm = "Microsoft.Dynamics.CRM."
        between = f'{crm}Between(PropertyName=\'new_count\',PropertyValues=["5","2000"])'
        assert found(side, between) == [5, 7]
        assert found(side, between.replace("Between", "NotBetween")) == [None, 2001]
        assert found(side, f"not {between}") == [None, 2001]
        names = f'{crm}In(PropertyName=\'new_name\',PropertyValues=["obrian","O\'Brian"])'
        assert found(side, names) == [5, 7]
        alias = f"{crm}In(PropertyName=@p1,PropertyValues=@p2)&@p1='new_name'&@p2=[\"O'Brian\"]"
        assert found(side, alias) == [7]
        assert found(side, names.replace("In(", "NotIn(")) == [None, 2001]
        many = ",".join(f'"{number}"' for number in range(1500))
        text = f"{crm}In(PropertyName='new_count',PropertyValues=[{many}])"
        assert found(side, text) == [5, 7]
        assert side.fault(f"new_widgets?$filter={crm}Nope(PropertyName='new_count')")[0] == 400


def test_values_among_choices() -> None:
    with reading() as side:
        for tags in ([5], [5, 7], [7], None):
            side.store.create("new_widget", {"new_tags": tags})
        text = "Microsoft.Dynamics.CRM.ContainValues(PropertyName='new_tags',PropertyValues=['5'])"
        assert found(side, text, "new_tags") == ["5", "5,7"]
        negative = text.replace("ContainValues", "DoesNotContainValues")
        assert found(side, negative, "new_tags") == [None, "7"]


def test_who_asks_and_who_is_above_whom() -> None:
    with reading(default_schema()) as side:
        boss = side.store.create("systemuser", {"fullname": "Boss"})
        side.store.create(
            "systemuser", {"systemuserid": USER, "fullname": "Me", "parentsystemuserid": boss}
        )
        side.store.create("systemuser", {"fullname": "Report", "parentsystemuserid": USER})

        def names(function: str, *arguments: str) -> list[str]:
            given = ",".join(("PropertyName='systemuserid'", *arguments))
            text = f"Microsoft.Dynamics.CRM.{function}({given})"
            page = side.json(f"systemusers?$select=fullname&$orderby=fullname&$filter={text}")
            return [row["fullname"] for row in page["value"]]

        assert names("EqualUserId") == ["Me"]
        assert names("NotEqualUserId") == ["Boss", "Report"]
        assert names("EqualUserOrUserHierarchy") == ["Me", "Report"]
        me = f"PropertyValue='{USER}'"
        assert names("Under", me) == ["Report"]
        assert names("UnderOrEqual", me) == ["Me", "Report"]
        assert names("Above", me) == ["Boss"]
        assert names("AboveOrEqual", me) == ["Boss", "Me"]
        assert names("NotUnder", me) == ["Boss", "Me"]
        account = side.store.create(
            "account", {"name": "mine", "ownerid": USER, "ownerid@table": "systemuser"}
        )
        for owner in ("'ownerid'", "'_ownerid_value'"):
            text = f"Microsoft.Dynamics.CRM.EqualUserId(PropertyName={owner})"
            (row,) = side.json(f"accounts?$select=name&$filter={text}")["value"]
            assert row["accountid"] == account


def test_months_end_where_they_must_and_years_may_begin_in_july() -> None:
    assert add_months(utc(2024, 1, 31), 1) == utc(2024, 2, 29)
    assert calendar_span("Week", 0, utc(2024, 5, 12)).start == utc(2024, 5, 12), "a Sunday"
    july = FiscalCalendar(month=7)
    assert july.year_of(NOW) == 2023
    assert july.period_of(NOW) == 4
    assert july.period(2023, 4).start == utc(2024, 4, 1)
