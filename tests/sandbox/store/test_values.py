from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataverse_source.sandbox.schema.tables import Column
from dataverse_source.sandbox.store.values import (
    ValueRefused,
    decode,
    encode,
    exact_order,
    exact_value,
    fold,
    guid_order,
    parse_moment,
)

MOMENTS = st.datetimes(datetime(1753, 1, 1), datetime(9999, 12, 31)).map(
    lambda m: m.replace(microsecond=0, tzinfo=timezone.utc)
)
TEXTS = st.text(st.characters(codec="utf-8"))
BY_TYPE: dict[str, tuple[Column, st.SearchStrategy[Any]]] = {
    "String": (Column("c", "String"), TEXTS),
    "Integer": (Column("c", "Integer"), st.integers(-(2**31), 2**31 - 1)),
    "BigInt": (Column("c", "BigInt"), st.integers(-(2**63), 2**63 - 1)),
    "Boolean": (Column("c", "Boolean"), st.booleans()),
    "Decimal": (
        Column("c", "Decimal", precision=5),
        st.decimals(-(10**11), 10**11, places=5),
    ),
    "Money": (Column("c", "Money"), st.decimals(-922337203685477, 922337203685477, places=4)),
    "Double": (Column("c", "Double"), st.floats(allow_nan=False, allow_infinity=False)),
    "DateTime": (Column("c", "DateTime", date_behavior="UserLocal"), MOMENTS),
    "DateOnly": (
        Column("c", "DateTime", date_behavior="DateOnly"),
        st.dates(date(1753, 1, 1), date(9999, 12, 31)),
    ),
    "Lookup": (Column("c", "Lookup", targets=("account",)), st.uuids().map(str)),
}


@pytest.mark.parametrize("kind", BY_TYPE)
@given(st.data())
def test_what_is_encoded_reads_back_the_same(kind: str, data: st.DataObject) -> None:
    column, values = BY_TYPE[kind]
    value = data.draw(values)
    wire, _ = encode(column, value)
    assert decode(column, wire) == value
    json.loads(str(wire))


@pytest.mark.parametrize("kind", ["Integer", "BigInt", "Decimal", "Money", "Double", "DateTime"])
@given(st.data())
def test_sort_keys_compare_as_the_values_do(kind: str, data: st.DataObject) -> None:
    column, values = BY_TYPE[kind]
    one, other = data.draw(values), data.draw(values)
    key, other_key = encode(column, one)[1], encode(column, other)[1]
    assert key is not None
    assert other_key is not None
    assert (key < other_key) == (one < other)  # type: ignore[operator]
    assert (key == other_key) == (one == other)


@pytest.mark.parametrize(
    ("column", "value", "wire"),
    [
        (Column("revenue", "Money"), Decimal("20000"), "20000.0000"),
        (Column("revenue_base", "Money", calculation_of="revenue"), 5000000, "5000000.0000000000"),
        (Column("exchangerate", "Decimal", precision=12), 1, "1.000000000000"),
        (Column("d", "Double"), 47.63, "47.63"),
        (Column("d", "Double"), 5, "5.0"),
        (Column("m", "DateTime"), "2023-04-07T21:59:01.900Z", '"2023-04-07T21:59:01Z"'),
        (Column("m", "DateTime"), "2023-04-07T23:59:01+02:00", '"2023-04-07T21:59:01Z"'),
        (Column("t", "MultiSelectPicklist"), [100000000, 100000001], '"100000000,100000001"'),
        (Column("s", "String"), 'a "b" \n', '"a \\"b\\" \\n"'),
        (Column("s", "String"), "x\ud800", '"x\\ud800"'),
        (Column("g", "Uniqueidentifier"), "{A1B2C3D4-0000-0000-0000-0000000000FF}",
         '"a1b2c3d4-0000-0000-0000-0000000000ff"'),
    ],
)  # fmt: skip
def test_wire_texts_are_those_of_the_docs(column: Column, value: Any, wire: str) -> None:
    assert encode(column, value)[0] == wire


@pytest.mark.parametrize(
    ("kind", "value"),
    [("Integer", 1.5), ("Integer", 2**31), ("Integer", True), ("Boolean", 1), ("String", 5),
     ("DateTime", "1752-12-31T00:00:00Z"), ("DateTime", "soon"), ("Lookup", "x"),
     ("Double", float("nan")), ("Money", "much")],
)  # fmt: skip
def test_what_a_column_cannot_hold_is_refused(kind: str, value: Any) -> None:
    with pytest.raises(ValueRefused):
        encode(Column("c", kind), value)


def test_guids_sort_by_their_last_six_bytes_first_as_in_sql_server() -> None:
    # The worked example of the SqlGuid documentation: the last group decides, the first last.
    ordered = [
        "3aaaaaaa-bbbb-cccc-dddd-1eeeeeeeeeee",
        "2aaaaaaa-bbbb-cccc-dddd-2eeeeeeeeeee",
        "1aaaaaaa-bbbb-cccc-dddd-3eeeeeeeeeee",
    ]
    assert sorted(sorted(ordered), key=guid_order) == ordered
    assert guid_order("01000000-0000-0000-0000-000000000000") < guid_order(
        "00000001-0000-0000-0000-000000000000"
    ), "within the first group the last byte weighs most"


@given(st.decimals(-(10**15), 10**15, places=10))
def test_an_exact_sort_key_gives_the_number_back(number: Decimal) -> None:
    assert exact_value(exact_order(number)) == number


def test_text_compares_without_case_and_accents_decide_last() -> None:
    assert fold("STRASSE") == fold("straße")
    assert fold("Émile") != fold("Emile")
    assert sorted(["f", "é", "e", "z"], key=fold) == ["e", "é", "f", "z"]


def test_moments_are_read_with_offsets_and_fractions() -> None:
    read = parse_moment("2024-01-01T01:30:00.1239999+05:30")
    assert read == datetime(2023, 12, 31, 20, 0, tzinfo=timezone.utc) + timedelta(
        microseconds=123999
    )
