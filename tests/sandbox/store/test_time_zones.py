from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest

from dataverse_source.sandbox.schema.catalog import default_schema
from dataverse_source.sandbox.store.time_zones import (
    BY_CODE,
    BY_NAME,
    TIME_ZONES,
    UTC_CODE,
    local_milliseconds,
)
from tests.support.sandbox.fetchxml import rows
from tests.support.sandbox.reading import USER, Reading, reading

FORMATTED = "@OData.Community.Display.V1.FormattedValue"
SHOWN = f'odata.include-annotations="{FORMATTED[1:]}"'
PACIFIC, INDIA = 4, 190


@pytest.fixture
def crm() -> Iterator[Reading]:
    with reading(default_schema()) as side:
        yield side


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[arg-type,misc]


def live_in(crm: Reading, code: int | None) -> None:
    crm.store.create("usersettings", {"systemuserid": USER, "timezonecode": code})


def test_every_zone_is_known_to_the_tz_database() -> None:
    for zone in TIME_ZONES:
        wall_clock = zone.wall_clock(at(2024, 6, 1))
        assert zone.moment(wall_clock) == at(2024, 6, 1)
    assert len(BY_CODE) == len(BY_NAME) == len(TIME_ZONES)
    assert BY_NAME["Pacific Standard Time"].code == PACIFIC


def test_ends_of_the_calendar() -> None:
    earliest = int(at(1, 1, 1).timestamp() * 1000)
    assert local_milliseconds(earliest, "America/Los_Angeles") == earliest
    assert local_milliseconds(None, "America/Los_Angeles") is None


@pytest.mark.parametrize(
    ("code", "winter", "summer"),
    [
        (None, "1/31/2024 11:30 PM", "7/1/2024 12:05 AM"),
        (UTC_CODE, "1/31/2024 11:30 PM", "7/1/2024 12:05 AM"),
        (PACIFIC, "1/31/2024 3:30 PM", "6/30/2024 5:05 PM"),
        (INDIA, "2/1/2024 5:00 AM", "7/1/2024 5:35 AM"),
    ],
)
def test_moments_are_shown_as_the_users_clocks_show_them(
    crm: Reading, code: int | None, winter: str, summer: str
) -> None:
    live_in(crm, code)
    values = {"createdon": at(2024, 1, 31, 23, 30), "lastusedincampaign": at(2024, 7, 1, 0, 5)}
    crm.store.create("account", values)
    (row,) = crm.json("accounts?$select=createdon,lastusedincampaign", SHOWN)["value"]
    assert row["createdon"] == "2024-01-31T23:30:00Z"
    shown = (row[f"createdon{FORMATTED}"], row[f"lastusedincampaign{FORMATTED}"])
    assert shown == (winter, summer.split(" ")[0])


def test_values_without_a_time_zone_are_shown_as_they_are(crm: Reading) -> None:
    live_in(crm, PACIFIC)
    booked = {"new_bookedon": at(2024, 1, 31, 0, 30)}
    crm.store.create("new_ledgerentry", booked)
    (row,) = crm.json("new_ledgerentries?$select=new_bookedon", SHOWN)["value"]
    assert row[f"new_bookedon{FORMATTED}"] == "1/31/2024 12:30 AM"


def test_a_zone_that_is_not_known(crm: Reading) -> None:
    live_in(crm, 999)
    assert crm.fault("accounts?$select=createdon", SHOWN)[0] == 501
    assert crm.json("accounts?$select=createdon")["value"] == []


def names(crm: Reading, function: str, column: str = "createdon", **more: Any) -> list[str]:
    arguments = "".join(f",{name}={value}" for name, value in more.items())
    call = f"Microsoft.Dynamics.CRM.{function}(PropertyName='{column}'{arguments})"
    found = crm.json(f"accounts?$select=name&$orderby=name&$filter={call}")["value"]
    return [row["name"] for row in found]


def test_days_are_those_of_the_users_clocks(crm: Reading) -> None:
    crm.clock.set(at(2024, 3, 1, 2))  # The last of February in Seattle.
    for name, moment in (
        ("a", at(2024, 2, 29, 7, 59)),
        ("b", at(2024, 2, 29, 8)),
        ("c", at(2024, 3, 1, 1)),
        ("d", at(2024, 3, 1, 8)),
    ):
        crm.store.create("account", {"name": name}, created_on=moment)
    live_in(crm, PACIFIC)
    assert names(crm, "Today") == ["b", "c"]
    assert names(crm, "Yesterday") == ["a"]
    assert names(crm, "Tomorrow") == ["d"]
    assert names(crm, "ThisMonth") == ["a", "b", "c"]
    assert names(crm, "On", PropertyValue="'2024-02-29'") == ["b", "c"]
    assert names(crm, "LastXHours", PropertyValue=2) == ["c"]
    assert names(crm, "InFiscalPeriod", PropertyValue=1) == ["a", "b", "c", "d"]


def test_groups_of_days_are_those_of_the_users_clocks(crm: Reading) -> None:
    crm.store.create("account", {"name": "a"}, created_on=at(2024, 3, 1, 2))
    xml = (
        "<fetch aggregate='true'><entity name='account'><attribute name='createdon' "
        "dategrouping='month' groupby='true' alias='m'/></entity></fetch>"
    )
    assert [row["m"] for row in rows(crm, "accounts", xml)] == [3]
    live_in(crm, PACIFIC)
    assert [row["m"] for row in rows(crm, "accounts", xml)] == [2]
