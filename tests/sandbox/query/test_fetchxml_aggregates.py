"""Aggregate FetchXML."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.support.sandbox.fetchxml import ALL, ATTRIBUTE, FORMATTED, LINK, entity, rows, widgets
from tests.support.sandbox.reading import Reading


@pytest.fixture(scope="module")
def crm() -> Iterator[Reading]:
    with widgets() as side:
        yield side


def aggregate(side: Reading, attributes: str, inside: str = "", prefer: str = "") -> Any:
    return rows(side, "new_widgets", entity(inside, attributes, "aggregate='true'"), prefer)


def test_aggregates(crm: Reading) -> None:
    functions = "".join(
        f"<attribute name='new_count' alias='{name}' aggregate='{name}'/>"
        for name in ("count", "countcolumn", "sum", "avg", "min", "max")
    )
    distinct = "<attribute name='new_count' alias='d' aggregate='countcolumn' distinct='true'/>"
    (row,) = aggregate(crm, functions + distinct)
    assert row == {"count": 4, "countcolumn": 3, "sum": 19, "avg": 6, "min": 5, "max": 7, "d": 2}
    money = "<attribute name='new_price' alias='total' aggregate='sum'/>"
    (row,) = aggregate(crm, money, prefer=ALL)
    assert row == {
        f"total{ATTRIBUTE}": "new_price",
        f"total{FORMATTED}": "$110.75",
        "total": Decimal("110.750000000"),
    }
    assert str(row["total"]) == "110.750000000"


def test_groups(crm: Reading) -> None:
    attributes = (
        "<attribute name='new_makerid' alias='maker' groupby='true'/>"
        "<attribute name='new_count' alias='total' aggregate='sum'/>"
        "<attribute name='new_widgetid' alias='n' aggregate='count'/>"
        "<order alias='maker' descending='true'/>"
    )
    found = aggregate(crm, attributes, prefer=ALL)
    shown = [(row.get(f"maker{FORMATTED}"), row.get("total"), row["n"]) for row in found]
    # No sum over nothing but nulls, no member for the group of nulls.
    assert shown == [("Bolt", None, 1), ("Acme", 12, 2), (None, 7, 1)]
    assert found[0]["maker@Microsoft.Dynamics.CRM.lookuplogicalname"] == "new_maker"
    by_count = attributes.replace("alias='maker' descending='true'", "alias='n'")
    assert [row["n"] for row in aggregate(crm, by_count)] == [1, 1, 2]
    linked = LINK.format("alias='m'", "<attribute name='new_name' alias='maker' groupby='true'/>")
    count = "<attribute name='new_widgetid' alias='n' aggregate='count'/>"
    assert aggregate(crm, count, linked) == [
        {"n": 2, "maker": "Acme"},
        {"n": 1, "maker": "Bolt"},
    ]


def test_groups_by_parts_of_a_date(crm: Reading) -> None:
    parts = "".join(
        f"<attribute name='new_madeon' alias='{part}' groupby='true' dategrouping='{part}'/>"
        for part in ("day", "week", "month", "quarter", "year")
    )
    (row,) = aggregate(crm, parts, prefer=ALL)
    numbers = {name: value for name, value in row.items() if "@" not in name}
    assert numbers == {"day": 27, "week": 35, "month": 8, "quarter": 3, "year": 2024}
    assert row[f"year{FORMATTED}"] == "2,024"
