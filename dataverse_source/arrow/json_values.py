"""Converts one JSON value of a row to the value of an Arrow column, exactly or with an error."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from decimal import Context, Decimal, DecimalException
from typing import Any

import pyarrow as pa

Converter = Callable[[Any], Any]
"""Converts a value of Python's JSON reader (floats as Decimal), never None; raises ValueError."""

INTEGER_LIMIT = 2**63

EXACT = Context(prec=100)
"""More digits than any column holds, so that nothing is rounded before it is checked."""

EPOCH = date(1970, 1, 1).toordinal()
DAY = 86_400_000_000

LONE_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair: Python's JSON reader joins the halves of whole pairs."""

MOMENT_TEXT = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)"
    r"(?:[Tt ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d+))?)?"
    r"(?P<zone>[Zz]|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)


def converter(target: pa.DataType) -> Converter:
    """The function that converts a JSON value for an Arrow column of type ``target``."""
    if pa.types.is_decimal(target):
        return lambda value: to_decimal(value, target.precision, target.scale)
    return _CONVERTERS[target]


def to_text(value: Any) -> str:
    """Text unchanged; any other value as its JSON.

    Half of a surrogate pair remains when text was cut within a character. It has no UTF-8, so
    U+FFFD replaces it, as the Unicode standard advises.
    """
    if not isinstance(value, str):
        value = _to_json(value)
    return LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value)


def to_integer(value: Any) -> int:
    """A whole number, also written 1.0 or in quotes."""
    number = _number(value)
    # Compare first: converting a number such as 1e999999999 would write all its digits.
    if not -INTEGER_LIMIT <= number < INTEGER_LIMIT:
        raise ValueError("more than 64 bits")
    if number != number.to_integral_value():
        raise ValueError("not a whole number")
    return int(number) if number else 0


def to_decimal(value: Any, precision: int, scale: int) -> Decimal:
    """A number of at most ``precision`` digits, at most ``scale`` of them after the point."""
    number = _number(value)
    if number.copy_abs() >= Decimal((0, (1,), precision - scale)):
        raise ValueError(f"more than {precision - scale} digits before the point")
    exact = number.quantize(Decimal((0, (1,), -scale)), context=EXACT)
    if exact != number:
        raise ValueError(f"more than {scale} digits after the point")
    return exact


def to_double(value: Any) -> float:
    """The nearest double; an overflow is an error, not infinity."""
    special = {"NaN": "nan", "INF": "inf", "-INF": "-inf"}  # OData JSON format, section 7.1
    if isinstance(value, str) and value in special:
        return float(special[value])
    number = float(_number(value))
    if abs(number) == float("inf"):
        raise ValueError("too big for a double")
    return number


def to_bool(value: Any) -> bool:
    """A boolean, also in quotes."""
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise ValueError("neither true nor false")


def to_microseconds(value: Any) -> int:
    """Microseconds since 1970 in UTC; a time without a zone is in UTC, as Dataverse sends it.

    Digits finer than a microsecond are cut off, see `exceeds_microseconds`.
    """
    match = _moment(value)
    fraction = match["fraction"] or ""
    clock = datetime.min.replace(
        hour=int(match["hour"] or 0),
        minute=int(match["minute"] or 0),
        second=int(match["second"] or 0),
        microsecond=int(fraction[:6].ljust(6, "0")),
    )
    days = date.fromisoformat(match["date"]).toordinal() - EPOCH
    time = (clock - datetime.min) - _offset(match["zone"])
    return days * DAY + time // timedelta(microseconds=1)


def exceeds_microseconds(value: Any) -> bool:
    """Whether a time has more digits than a microsecond, as 9999-12-31T23:59:59.9999999Z has."""
    match = MOMENT_TEXT.fullmatch(value) if isinstance(value, str) else None
    return match is not None and bool((match["fraction"] or "")[6:].strip("0"))


def to_date(value: Any) -> date:
    """A date, also one followed by midnight in UTC."""
    match = _moment(value)
    time = "".join(match[part] or "" for part in ("hour", "minute", "second", "fraction"))
    if time.strip("0") or _offset(match["zone"]):
        raise ValueError("a time, not a date")
    return date.fromisoformat(match["date"])


def to_bytes(value: Any) -> bytes:
    """Base64, as Dataverse sends images."""
    if not isinstance(value, str):
        raise ValueError("not base64 text")
    return base64.b64decode(value, validate=True)


def _number(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        raise ValueError("not a number")
    try:
        number = Decimal(value)
    except DecimalException:
        raise ValueError("not a number") from None
    if not number.is_finite():
        raise ValueError("not a number")
    return number


def _moment(value: Any) -> re.Match[str]:
    match = MOMENT_TEXT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("not a date or time")
    return match


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone in "Zz":
        return timedelta(0)
    sign = -1 if zone[0] == "-" else 1
    hours, minutes = int(zone[1:3]), int(zone[3:].lstrip(":") or 0)
    return sign * timezone(timedelta(hours=hours, minutes=minutes)).utcoffset(None)


def _to_json(value: Any) -> str:
    """JSON with the digits of every number unchanged."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{_to_json(k)}:{_to_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_to_json(item) for item in value) + "]"
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


_CONVERTERS: dict[pa.DataType, Converter] = {
    pa.string(): to_text,
    pa.int64(): to_integer,
    pa.bool_(): to_bool,
    pa.float64(): to_double,
    pa.date32(): to_date,
    pa.timestamp("us"): to_microseconds,
    pa.timestamp("us", "UTC"): to_microseconds,
    pa.binary(): to_bytes,
}
