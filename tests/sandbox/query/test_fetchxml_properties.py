"""Random FetchXML against a plain Python evaluation of the same rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from random import Random
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sandbox.query.test_query_properties import COMPARISONS, POOLS, Row, expected, order_key
from tests.support.sandbox.fetchxml import fetch, pages, rows
from tests.support.sandbox.reading import Reading, reading

NUMBERS = ("new_count", "new_rate", "new_price", "new_weight")
PATTERNS = ["a%", "%A", "_xb", "a_b", "%[%]%", "[ab]%", "[^a]%", "%", "", "ünï", "alpha"]


@dataclass(frozen=True)
class Condition:
    """A piece of a filter and what it means."""

    xml: str
    holds: Callable[[Row], bool]


def text_of(value: Any) -> str:
    """A value as FetchXML writes it."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def element(column: str, operator: str, *values: Any) -> str:
    inside = "".join(f"<value>{escaped(text_of(value))}</value>" for value in values)
    return f"<condition attribute='{column}' operator='{operator}'>{inside}</condition>"


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def compare(column: str, sign: str, value: Any) -> Condition:
    def holds(row: Row) -> bool:
        if row[column] is None:
            return sign == "ne"
        return COMPARISONS[sign](order_key(column, row[column]), order_key(column, value))

    attribute = quoteattr(text_of(value))
    return Condition(
        f"<condition attribute='{column}' operator='{sign}' value={attribute}/>", holds
    )


def listed(column: str, operator: str, values: list[Any]) -> Condition:
    wanted = {order_key(column, value) for value in values}

    def holds(row: Row) -> bool:
        found = row[column] is not None and order_key(column, row[column]) in wanted
        return found == (operator == "in")

    return Condition(element(column, operator, *values), holds)


def between(column: str, operator: str, low: Any, high: Any) -> Condition:
    def holds(row: Row) -> bool:
        found = row[column] is not None and low <= row[column] <= high
        return found == (operator == "between")

    return Condition(element(column, operator, low, high), holds)


def like(operator: str, pattern: str) -> Condition:
    shape = {"like": "{}", "begins-with": "{}%", "ends-with": "%{}"}[operator.removeprefix("not-")]
    text = shape.format(pattern).casefold()
    parts = re.findall(r"\[\^?[^\]]*\]|.", text, re.DOTALL)
    known = {"%": ".*", "_": "."}
    regex = "".join(
        known.get(part) or (part if part[0] == "[" else re.escape(part)) for part in parts
    )

    def holds(row: Row) -> bool:
        found = row["new_name"]
        same = found is not None and re.fullmatch(regex, found.casefold(), re.DOTALL) is not None
        return same != operator.startswith("not-")

    spelled = {"not-begins-with": "not-begin-with", "not-ends-with": "not-end-with"}
    return Condition(element("new_name", spelled.get(operator, operator), pattern), holds)


def missing(column: str, operator: str) -> Condition:
    return Condition(
        f"<condition attribute='{column}' operator='{operator}'/>",
        lambda row: (row[column] is None) == (operator == "null"),
    )


def values(column: str) -> st.SearchStrategy[Any]:
    return st.sampled_from([value for value in POOLS[column] if value is not None])


COLUMNS = st.sampled_from(sorted(POOLS))
LEAVES = (
    COLUMNS.flatmap(
        lambda column: st.builds(
            compare,
            st.just(column),
            st.sampled_from(["eq", "ne"] if column == "new_ready" else sorted(COMPARISONS)),
            values(column),
        )
    )
    | COLUMNS.flatmap(
        lambda column: st.builds(
            listed,
            st.just(column),
            st.sampled_from(["in", "not-in"]),
            st.lists(values(column), min_size=1, max_size=3),
        )
    )
    | st.sampled_from(NUMBERS).flatmap(
        lambda column: st.builds(
            between,
            st.just(column),
            st.sampled_from(["between", "not-between"]),
            values(column),
            values(column),
        )
    )
    | st.builds(
        like,
        st.sampled_from(
            ["like", "not-like", "begins-with", "not-begins-with", "ends-with", "not-ends-with"]
        ),
        st.sampled_from(PATTERNS),
    )
    | st.builds(missing, COLUMNS, st.sampled_from(["null", "not-null"]))
)


def group(kind: str, items: list[Condition]) -> Condition:
    joined = all if kind == "and" or not items else any
    return Condition(
        f"<filter type='{kind}'>{''.join(item.xml for item in items)}</filter>",
        lambda row: joined(item.holds(row) for item in items),
    )


GROUPED = COLUMNS.filter(lambda name: name not in ("new_madeon", "new_day"))
FILTERS = st.recursive(
    st.builds(group, st.sampled_from(["and", "or"]), st.lists(LEAVES, max_size=3)),
    lambda inner: st.builds(
        group, st.sampled_from(["and", "or"]), st.lists(LEAVES | inner, max_size=3)
    ),
    max_leaves=4,
)
ORDERS = st.lists(st.tuples(COLUMNS, st.booleans()), max_size=3, unique_by=lambda term: term[0])


def orders_xml(order: list[tuple[str, bool]]) -> str:
    return "".join(
        f"<order attribute='{column}' descending='{str(descending).lower()}'/>"
        for column, descending in order
    )


@pytest.fixture(scope="module")
def side() -> Iterator[Reading]:
    random = Random(11)
    with reading() as made:
        makers: list[str | None] = [
            made.store.create(
                "new_maker", {"new_name": f"Maker {n % 5}", "new_size": n % 3 or None}
            )
            for n in range(8)
        ]
        for _ in range(60):
            chosen = {column: random.choice(pool) for column, pool in POOLS.items()}
            chosen["new_makerid"] = random.choice([*makers, None])
            made.store.create("new_widget", chosen)
        yield made


def query(inside: str, attributes: str = "<attribute name='new_name'/>", head: str = "") -> str:
    return f"<fetch{head}><entity name='new_widget'>{attributes}{inside}</entity></fetch>"


@settings(deadline=None, max_examples=200)
@given(condition=FILTERS, order=ORDERS)
def test_filters_and_orders(
    side: Reading, condition: Condition, order: list[tuple[str, bool]]
) -> None:
    page = fetch(side, "new_widgets", query(condition.xml + orders_xml(order)), more="&$count=true")
    wanted = expected(side, condition.holds, order)
    assert [row["new_widgetid"] for row in page["value"]] == wanted
    assert page["@odata.count"] == len(wanted)


@settings(deadline=None, max_examples=80)
@given(condition=FILTERS, order=ORDERS, size=st.integers(1, 25))
def test_pages_give_every_row_once_and_in_order(
    side: Reading, condition: Condition, order: list[tuple[str, bool]], size: int
) -> None:
    found = pages(side, "new_widgets", query(condition.xml + orders_xml(order)), size)
    keys = [row["new_widgetid"] for page in found for row in page]
    assert keys == expected(side, condition.holds, order)
    assert all(len(page) == size for page in found[:-1])


@settings(deadline=None, max_examples=80)
@given(
    outer=st.booleans(),
    own=FILTERS,
    size=st.none() | st.integers(1, 2),
    pages_of=st.integers(3, 40),
)
def test_links(side: Reading, outer: bool, own: Condition, size: int | None, pages_of: int) -> None:
    kind = "outer" if outer else "inner"
    inside = (
        ""
        if size is None
        else f"<filter><condition attribute='new_size' operator='eq' value='{size}'/></filter>"
    )
    link = (
        f"<link-entity name='new_maker' from='new_makerid' to='new_makerid' link-type='{kind}' "
        f"alias='m'><attribute name='new_name'/>{inside}</link-entity>"
    )
    found = pages(side, "new_widgets", query(own.xml + link), pages_of)
    makers = {row["new_makerid"]: row for row in side.store.rows("new_maker")}
    wanted = []
    for row in filter(own.holds, side.store.rows("new_widget")):
        maker = makers.get(row["new_makerid"])
        if maker is not None and size is not None and maker["new_size"] != size:
            maker = None
        if maker is not None or outer:
            wanted.append((row["new_widgetid"], maker["new_name"] if maker else None))
    got = [(row["new_widgetid"], row.get("m.new_name")) for page in found for row in page]
    assert got == wanted


@settings(deadline=None, max_examples=80)
@given(condition=FILTERS, by=GROUPED, of=st.sampled_from(NUMBERS))
def test_groups(side: Reading, condition: Condition, by: str, of: str) -> None:
    functions = ("count", "countcolumn", "sum", "avg", "min", "max")
    attributes = f"<attribute name='{by}' alias='by' groupby='true'/>" + "".join(
        f"<attribute name='{of}' alias='{name}' aggregate='{name}'/>" for name in functions
    )
    found = rows(side, "new_widgets", query(condition.xml, attributes, " aggregate='true'"))
    groups: dict[Any, list[Row]] = {}
    for row in filter(condition.holds, side.store.rows("new_widget")):
        value = row[by]
        groups.setdefault(None if value is None else order_key(by, value), []).append(row)
    got = {None if "by" not in row else order_key(by, row.pop("by")): row for row in found}
    assert len(got) == len(found)
    if by not in ("new_weight", "new_ready"):
        assert list(got) == sorted(groups, key=lambda key: (key is not None, key))
    wanted = {key: computed([row[of] for row in group], of) for key, group in groups.items()}
    if by == "new_weight":
        got = {None if key is None else float(key): row for key, row in got.items()}
    assert set(got) == set(wanted)
    for key, row in got.items():
        assert row == pytest.approx(wanted[key], rel=Decimal("1e-9"), abs=Decimal("0.0006"))
        for exact in ("sum", "min", "max"):
            assert of == "new_weight" or row.get(exact) == wanted[key].get(exact)


def computed(found: list[Any], of: str) -> Row:
    """What the functions give for the values of one group."""
    present = [Decimal(str(value)) for value in found if value is not None]
    row: Row = {"count": len(found), "countcolumn": len(present)}
    if present:
        average = sum(present) / len(present)
        if of == "new_count":
            average = Decimal(int(average))
        row |= {"sum": sum(present), "avg": average, "min": min(present), "max": max(present)}
    return row
