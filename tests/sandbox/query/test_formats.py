"""Formatted values, against Python's own arithmetic on awkward amounts and moments."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataverse_source.sandbox.schema.catalog import default_schema
from tests.support.sandbox.reading import Reading, reading

FORMATTED = "@OData.Community.Display.V1.FormattedValue"
PREFER = f'odata.include-annotations="{FORMATTED[1:]}"'
LARGEST = 922_337_203_685_477

amounts = st.decimals(-LARGEST, LARGEST, places=4) | st.decimals(-2, 2, places=4)
moments = st.datetimes(
    datetime(1753, 1, 1), datetime(9999, 12, 31), timezones=st.just(timezone.utc)
)


def shown_amount(amount: Decimal, symbol: str = "$") -> str:
    cut = amount.quantize(Decimal("0.0001"), ROUND_DOWN)
    text = f"{symbol}{abs(cut).quantize(Decimal('0.01'), ROUND_HALF_UP):,}"
    return f"({text})" if cut < 0 else text


def shown_moment(moment: datetime) -> str:
    hour = (moment.hour + 11) % 12 + 1
    half = "AM" if moment.hour < 12 else "PM"
    day = f"{moment.month}/{moment.day}/{moment.year}"
    return f"{day} {hour}:{moment.minute:02} {half}"


def formatted(crm: Reading, values: list[dict[str, Any]], names: list[str]) -> list[list[str]]:
    """What a page shows for columns of new widgets, in the order of ``values``."""
    for number, each in enumerate(values):
        crm.store.create("new_widget", {**each, "new_count": number})
    query = f"new_widgets?$select={','.join(names)}&$orderby=new_count"
    rows = crm.json(query, PREFER)["value"]
    return [[row[f"{name}{FORMATTED}"] for name in names] for row in rows]


@settings(max_examples=5, deadline=None)
@given(st.lists(amounts, min_size=1, max_size=60))
def test_amounts_are_rounded_to_cents(drawn: list[Decimal]) -> None:
    values = [{"new_price": amount, "new_price_base": amount} for amount in drawn]
    with reading() as crm:
        shown = formatted(crm, values, ["new_price", "new_price_base"])
    assert shown == [[shown_amount(amount)] * 2 for amount in drawn]


def test_base_amounts_have_ten_digits_to_be_rounded() -> None:
    drawn = [Decimal("1.9949999999"), Decimal("0.0050000001"), Decimal("-7.0000000001")]
    with reading() as crm:
        shown = formatted(crm, [{"new_price_base": each} for each in drawn], ["new_price_base"])
    assert shown == [["$1.99"], ["$0.01"], ["($7.00)"]]


@settings(max_examples=5, deadline=None)
@given(st.lists(moments, min_size=1, max_size=60))
def test_moments_before_and_after_1970(drawn: list[datetime]) -> None:
    with reading() as crm:
        shown = formatted(crm, [{"new_madeon": each} for each in drawn], ["new_madeon"])
    assert shown == [[shown_moment(each)] for each in drawn]


@pytest.mark.parametrize("first", [0, 1, 2])
def test_amounts_show_the_symbol_of_their_own_currency(first: int) -> None:
    symbols = ["€", None, "%d"]
    symbols = symbols[first:] + symbols[:first]
    with reading(default_schema()) as crm:
        for symbol in symbols:
            currency = crm.store.create("transactioncurrency", {"currencysymbol": symbol})
            for revenue in (5, Decimal("-1.005")):
                values = {"revenue": revenue, "transactioncurrencyid": currency}
                crm.store.create("account", {**values, "name": symbol or "none"})
        rows = crm.json("accounts?$select=name,revenue", PREFER)["value"]
    assert {(row["name"], row[f"revenue{FORMATTED}"]) for row in rows} == {
        ("%d", "%d5.00"),
        ("%d", "(%d1.01)"),
        ("none", "$5.00"),
        ("none", "($1.01)"),
        ("€", "€5.00"),
        ("€", "(€1.01)"),
    }
