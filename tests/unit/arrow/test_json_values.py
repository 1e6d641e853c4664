from __future__ import annotations

import base64
import json
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataverse_source.arrow.json_values import converter

INTEGER = converter(pa.int64())
DECIMAL = converter(pa.decimal128(23, 10))
DOUBLE = converter(pa.float64())
BOOL = converter(pa.bool_())
TEXT = converter(pa.string())
DATE = converter(pa.date32())
MOMENT = converter(pa.timestamp("us", "UTC"))
BYTES = converter(pa.binary())

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        (Decimal("1.0"), 1),
        (Decimal("1e3"), 1000),
        (Decimal("0e999999999"), 0),
        ("638751549947120004", 638751549947120004),
        ("-5", -5),
    ],
)
def test_whole_numbers(value: Any, expected: int) -> None:
    assert INTEGER(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        2**63,
        -(2**63) - 1,
        Decimal("1.5"),
        Decimal("1e-999999999"),
        Decimal("1e999999999"),
        "",
        "x",
        "1,000",
        "NaN",
        True,
        [1],
        {},
    ],
)
def test_what_is_no_whole_number(value: Any) -> None:
    with pytest.raises(ValueError, match=r"not a|more than"):
        INTEGER(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, "5.0000000000"),
        (Decimal("1.23456789010000"), "1.2345678901"),
        (Decimal("1E+3"), "1000.0000000000"),
        (Decimal("-0.0"), "0.0000000000"),
        ("440000.000000000", "440000.0000000000"),
        (Decimal("9999999999999.9999999999"), "9999999999999.9999999999"),
        (Decimal("0." + "0" * 200), "0.0000000000"),
    ],
)
def test_decimals(value: Any, expected: str) -> None:
    assert DECIMAL(value) == Decimal(expected)
    assert pa.array([DECIMAL(value)], pa.decimal128(23, 10)).to_pylist() == [Decimal(expected)]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (Decimal("1.00000000001"), "10 digits after the point"),
        (Decimal("1e-999999999"), "10 digits after the point"),
        (Decimal("0." + "0" * 199 + "1"), "10 digits after the point"),
        (10**13, "13 digits before the point"),
        (Decimal("1e999999999"), "13 digits before the point"),
        (Decimal("99999999999999.99999999999999999999"), "13 digits before the point"),
        ("Infinity", "not a number"),
        ("twelve", "not a number"),
        (False, "not a number"),
    ],
)
def test_decimals_that_would_lose_digits(value: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        DECIMAL(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_doubles_keep_every_bit(number: float) -> None:
    assert DOUBLE(json.loads(json.dumps(number), parse_float=Decimal)) == number
    assert DOUBLE(repr(number)) == number


def test_special_doubles() -> None:
    assert DOUBLE("INF") == float("inf")
    assert DOUBLE("-INF") == float("-inf")
    assert str(DOUBLE("NaN")) == "nan"


@pytest.mark.parametrize("value", [Decimal("1e400"), 10**400, "x", None, True, "Infinity"])
def test_what_is_no_double(value: Any) -> None:
    with pytest.raises(ValueError, match=r"too big|not a number"):
        DOUBLE(value)


def test_booleans() -> None:
    assert [BOOL(value) for value in (True, False, "true", "false")] == [True, False] * 2
    wrong: Any
    for wrong in (0, 1, "yes", "True", []):
        with pytest.raises(ValueError, match="neither true nor false"):
            BOOL(wrong)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ("a\0b", "a\0b"),
        ("\U0001f600", "\U0001f600"),
        ("cut \ud83d", "cut \ufffd"),
        ("\ude00 cut", "\ufffd cut"),
        (7, "7"),
        (True, "true"),
        (Decimal("1.50"), "1.50"),
        ({"Value": True, "n": [1, Decimal("2.0"), None]}, '{"Value":true,"n":[1,2.0,null]}'),
        ({'k"': "v\u00e9\ud800"}, '{"k\\"":"v\u00e9\ufffd"}'),
    ],
)
def test_text(value: Any, expected: str) -> None:
    assert TEXT(value) == expected
    expected.encode("utf-8")


@given(
    moment=st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)),
    offset=st.integers(-14 * 60, 14 * 60),
    zeros=st.integers(0, 3),
)
def test_moments(moment: datetime, offset: int, zeros: int) -> None:
    zone = timezone(timedelta(minutes=offset))
    text = moment.isoformat(timespec="microseconds") + "0" * zeros
    sign = "-" if offset < 0 else "+"
    text += f"{sign}{abs(offset) // 60:02}:{abs(offset) % 60:02}"
    expected = (moment.replace(tzinfo=zone) - EPOCH) // timedelta(microseconds=1)
    assert MOMENT(text) == expected


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2024-02-29T10:20:30Z", "2024-02-29T10:20:30.000000+00:00"),
        ("2024-02-29t10:20:30z", "2024-02-29T10:20:30.000000+00:00"),
        ("2024-02-29T10:20:30", "2024-02-29T10:20:30.000000+00:00"),
        ("2024-02-29 10:20Z", "2024-02-29T10:20:00.000000+00:00"),
        ("2024-02-29", "2024-02-29T00:00:00.000000+00:00"),
        ("2024-02-29T10:20:30.1234560Z", "2024-02-29T10:20:30.123456+00:00"),
        ("2024-02-29T10:20:30.1234569Z", "2024-02-29T10:20:30.123456+00:00"),
        ("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.999999+00:00"),
        ("2024-02-29T10:20:30+0200", "2024-02-29T08:20:30.000000+00:00"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00.000000+14:00"),
    ],
)
def test_ways_to_write_a_moment(text: str, same: str) -> None:
    assert MOMENT(text) == MOMENT(same)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "2024-02-30",
        "2024-01-01T24:00:00Z",
        "2024-01-01T23:59:60Z",
        "0000-01-01T00:00:00Z",
        "2024-01-01Z10:00:00",
        "01/02/2024",
        5,
        " 2024-01-01",
        "10000-01-01T00:00:00Z",
        "٢٠٢٤-01-01",
        "2024-01-01\n",
    ],
)
def test_what_is_no_moment(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        MOMENT(value)


@pytest.mark.parametrize(
    "text",
    ["2024-02-29", "2024-02-29T00:00:00Z", "2024-02-29T00:00:00.0000000+00:00", "2024-02-29 00:00"],
)
def test_dates(text: str) -> None:
    assert DATE(text) == date(2024, 2, 29)


@pytest.mark.parametrize(
    "value",
    [
        "2024-02-30",
        "2024-02-29T01:00:00Z",
        "2024-02-29T00:00:00.001Z",
        "",
        20240229,
        "2024-02-29T00:00:00+02:00",
    ],
)
def test_what_is_no_date(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        DATE(value)


@given(st.binary())
def test_bytes(content: bytes) -> None:
    assert BYTES(base64.b64encode(content).decode()) == content


@pytest.mark.parametrize("value", ["a", "YQ", "YQ==\n", "****", "\u00e9", 5])
def test_what_is_no_base64(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        BYTES(value)
