"""Filter, order and paging of random queries against a plain Python evaluation of the same rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import cmp_to_key
from operator import eq, ge, gt, le, lt, ne
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataverse_source.sandbox.store.values import fold, guid_order
from tests.support.sandbox.reading import Reading, reading

Row = dict[str, Any]
START = datetime(2024, 1, 1, tzinfo=timezone.utc)
NAMES = [
    "alpha",
    "Alpha",
    "BETA",
    "beta 2",
    "Ünï",
    "ünï",
    "O'Brien",
    "100%",
    "a_b",
    "axb",
    "",
    None,
]
POOLS: dict[str, list[Any]] = {
    "new_name": NAMES,
    "new_count": [-3, 0, 1, 2, None],
    "new_rate": [Decimal("-1.500"), Decimal("0.001"), Decimal("1"), Decimal("10"), None],
    "new_price": [Decimal("0.0001"), Decimal("9.9900"), Decimal("100"), Decimal("12345"), None],
    "new_weight": [-0.5, 0.0, 1.25, 1e10, None],
    "new_ready": [True, False, None],
    "new_madeon": [START + timedelta(hours=h) for h in (0, 1, 30, 31)] + [None],
    "new_day": [date(2024, 1, 1), date(2024, 1, 2), date(1999, 12, 31), None],
    "new_serial": ["00000000-0000-0000-0000-00000000000a", "a0000000-0000-0000-0000-000000000000",
                   "00000001-0000-0000-0000-000000000000", None],
}  # fmt: skip
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": eq, "ne": ne, "gt": gt, "ge": ge, "lt": lt, "le": le,
}  # fmt: skip


@dataclass(frozen=True)
class Condition:
    """A piece of ``$filter`` and what it means."""

    text: str
    holds: Callable[[Row], bool]


def literal(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return f"{Decimal(repr(value)):f}"
    if isinstance(value, str) and value[8:9] != "-":
        return "'" + value.replace("'", "''") + "'"
    return str(value)


def order_key(column: str, value: Any) -> Any:
    """What a value is compared by."""
    if column == "new_name":
        return fold(value)
    return guid_order(value) if column == "new_serial" else value


def compare(column: str, sign: str, value: Any) -> Condition:
    def holds(row: Row) -> bool:
        found = row[column]
        if found is None or value is None:
            return COMPARISONS[sign](found, value) if sign in ("eq", "ne") else False
        return COMPARISONS[sign](order_key(column, found), order_key(column, value))

    return Condition(f"{column} {sign} {literal(value)}", holds)


def text_function(name: str, part: str) -> Condition:
    tests = {"contains": str.__contains__, "startswith": str.startswith, "endswith": str.endswith}

    def holds(row: Row) -> bool:
        found = row["new_name"]
        return found is not None and tests[name](found.casefold(), part.casefold())

    return Condition(f"{name}(new_name,{literal(part)})", holds)


def comparisons() -> st.SearchStrategy[Condition]:
    columns = st.sampled_from(sorted(POOLS))
    return columns.flatmap(
        lambda column: st.builds(
            compare,
            st.just(column),
            st.sampled_from(["eq", "ne"] if column == "new_ready" else sorted(COMPARISONS)),
            st.sampled_from(POOLS[column]),
        )
    )


LEAVES = comparisons() | st.builds(
    text_function,
    st.sampled_from(["contains", "startswith", "endswith"]),
    st.sampled_from(["a", "ALPHA", "'", "ünï", "2", ""]),
)


def joined(word: str, left: Condition, right: Condition) -> Condition:
    both = all if word == "and" else any
    return Condition(
        f"({left.text}) {word} ({right.text})",
        lambda row: both((left.holds(row), right.holds(row))),
    )


def denied(inner: Condition) -> Condition:
    return Condition(f"not ({inner.text})", lambda row: not inner.holds(row))


CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(joined, st.sampled_from(["and", "or"]), inner, inner) | st.builds(denied, inner)
    ),
    max_leaves=5,
)
ORDERS = st.lists(
    st.tuples(st.sampled_from(sorted(POOLS)), st.booleans()), max_size=3, unique_by=lambda t: t[0]
)


@pytest.fixture(scope="module")
def side() -> Iterator[Reading]:
    random = Random(7)
    with reading() as made:
        for _ in range(60):
            values = {column: random.choice(pool) for column, pool in POOLS.items()}
            made.store.create("new_widget", values)
        yield made


def expected(
    side: Reading, holds: Callable[[Row], bool], order: list[tuple[str, bool]]
) -> list[str]:
    def compare_rows(one: Row, other: Row) -> int:
        for column, descending in order:
            left, right = one[column], other[column]
            if left is None or right is None:
                sign = (left is not None) - (right is not None)
            else:
                a, b = order_key(column, left), order_key(column, right)
                sign = (a > b) - (a < b)
            if sign:
                return -sign if descending else sign
        a, b = guid_order(one["new_widgetid"]), guid_order(other["new_widgetid"])
        return (a > b) - (a < b)

    rows = [row for row in side.store.rows("new_widget") if holds(row)]
    return [row["new_widgetid"] for row in sorted(rows, key=cmp_to_key(compare_rows))]


def order_text(order: list[tuple[str, bool]]) -> str:
    terms = ",".join(f"{column} desc" if descending else column for column, descending in order)
    return f"&$orderby={terms}" if terms else ""


@settings(deadline=None, max_examples=150)
@given(condition=CONDITIONS, order=ORDERS)
def test_filter_and_order(
    side: Reading, condition: Condition, order: list[tuple[str, bool]]
) -> None:
    text = condition.text.replace("%", "%25")
    page = side.json(f"new_widgets?$select=new_name&$filter={text}{order_text(order)}&$count=true")
    wanted = expected(side, condition.holds, order)
    assert [row["new_widgetid"] for row in page["value"]] == wanted
    assert page["@odata.count"] == len(wanted)
    assert int(side.ask(f"new_widgets/$count?$filter={text}").body.decode("utf-8-sig")) == len(
        wanted
    )


@settings(deadline=None, max_examples=80)
@given(order=ORDERS, size=st.integers(1, 25))
def test_pages_give_every_row_once_and_in_order(
    side: Reading, order: list[tuple[str, bool]], size: int
) -> None:
    rest = f"new_widgets?$select=new_name{order_text(order)}"
    pages = list(side.pages(rest, f"odata.maxpagesize={size}"))
    keys = [[row["new_widgetid"] for row in page["value"]] for page in pages]
    assert [key for page in keys for key in page] == expected(side, lambda row: True, order)
    assert all(len(page) == size for page in keys[:-1])
    assert 1 <= len(keys[-1]) <= size


def test_a_page_goes_on_after_its_last_row_though_rows_come_and_go() -> None:
    with reading() as side:
        side.store.seed("new_maker", 30)
        first = side.json("new_makers?$select=new_name", "odata.maxpagesize=10")
        keys = [row["new_makerid"] for row in first["value"]]
        for key in keys[3:]:
            side.store.delete("new_maker", key)
        rest = first["@odata.nextLink"].split("/v9.2/")[1]
        second = side.json(rest, "odata.maxpagesize=10")
        everything = [row["new_makerid"] for row in side.store.rows("new_maker")]
        assert [row["new_makerid"] for row in second["value"]] == everything[3:13]
