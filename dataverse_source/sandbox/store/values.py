"""A column's value in its three shapes: Python value, JSON text on the wire, sort key.

The wire text is what a row prints for the column. The sort key compares as SQL Server
compares the value: text without regard to case, GUIDs in uniqueidentifier order, decimals
exactly, moments in milliseconds.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

from dataverse_source.sandbox.schema.tables import LOOKUP_TYPES, Column

SqlValue = str | int | float | None

MONEY_DIGITS = 4
BASE_MONEY_DIGITS = 10
"""``revenue_base`` prints ten digits where ``revenue`` prints four (recorded rows)."""

EARLIEST = datetime(1753, 1, 1, tzinfo=timezone.utc)
"""The first moment that SQL Server's datetime holds (docs page "Date and time columns")."""

ACCENTS = "\x01"
"""Stands in the sort key of text with accents between its base letters and the text itself."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_quoted = json.JSONEncoder(ensure_ascii=False).encode
_SORT_DIGITS = 12
_SORT_OFFSET = 10**34
_SORT_LIMIT = 10**34 - 1
_SURROGATE = re.compile("[\ud800-\udfff]")
_GUID = re.compile(r"\{?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\}?")

TEXT_TYPES = frozenset({"String", "Memo", "EntityName"})
INTEGER_TYPES = frozenset({"Integer", "BigInt", "Picklist", "State", "Status"})
GUID_TYPES = frozenset({"Uniqueidentifier", "File"}) | LOOKUP_TYPES
EXACT_TYPES = frozenset({"Decimal", "Money"})
UNSTORED_TYPES = frozenset({"PartyList", "CalendarRules", "Virtual"})
"""Types that are collections of other rows, or nothing of their own."""


class ValueRefused(ValueError):
    """A value that a column can't hold."""


def has_sort_key(column: Column) -> bool:
    """Whether the column's sort key differs from its wire text, and so is held beside it."""
    return (
        column.type in TEXT_TYPES
        or column.type in EXACT_TYPES
        or column.type in ("Double", "DateTime", "Uniqueidentifier", "File")
    )


def digits(column: Column) -> int:
    """Digits after the point that a Decimal or Money column prints."""
    if column.type == "Money":
        return BASE_MONEY_DIGITS if column.calculation_of else MONEY_DIGITS
    return column.precision if column.precision is not None else 2


def caseless(text: str) -> str:
    """Text as ``contains`` and the like compare it: without case."""
    folded = text.casefold()
    return folded if folded.isascii() else _SURROGATE.sub("\ufffd", folded)


def fold(text: str) -> str:
    """Text as comparisons and orders use it: without case, base letters first, then accents."""
    folded = caseless(text)
    if folded.isascii():
        return folded
    parts = unicodedata.normalize("NFKD", folded)
    base = "".join(c for c in parts if not unicodedata.combining(c))
    return folded if base == folded else f"{base}{ACCENTS}{folded}"


def json_text(text: str) -> str:
    """A JSON string; lone surrogates are escaped, everything else stays as it is."""
    quoted = _quoted(text)
    if quoted.isascii():
        return quoted
    return _SURROGATE.sub(lambda m: f"\\u{ord(m[0]):04x}", quoted)


def guid_order(guid: str) -> str:
    """A GUID's text rearranged so that it sorts as SQL Server's uniqueidentifier.

    SQL Server compares the last six bytes first (.NET type SqlGuid).
    """
    a, b, c, d, e = guid.split("-")
    return (
        f"{e}{d}{c[2:]}{c[:2]}{b[2:]}{b[:2]}{a[6:]}{a[4:6]}{a[2:4]}{a[:2]}"  # little endian groups
    )


def exact_order(number: Decimal) -> str:
    """A decimal's text that sorts as the number, for up to 22 digits before the point."""
    scaled = number.scaleb(_SORT_DIGITS)
    whole = int(scaled.to_integral_value(rounding="ROUND_FLOOR"))
    key = f"{min(max(whole, -_SORT_LIMIT), _SORT_LIMIT) + _SORT_OFFSET:035d}"
    return key if whole == scaled else f"{key}5"


def exact_value(key: str) -> Decimal:
    """The decimal of an ``exact_order`` key."""
    return Decimal(int(key[:35]) - _SORT_OFFSET).scaleb(-_SORT_DIGITS)


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970 of an aware moment."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def moment_of(milliseconds_: int) -> datetime:
    """The aware UTC moment of milliseconds since 1970."""
    return _EPOCH + timedelta(milliseconds=milliseconds_)


def parse_guid(text: str) -> str:
    """A GUID in lower case, without braces.

    Raises:
        ValueRefused: it is none.
    """
    match = _GUID.fullmatch(text.strip())
    if not match:
        raise ValueRefused(f"'{text}' is not a GUID.")
    return match[1].lower()


_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?"
    r"(Z|[+-]\d\d:?\d\d)?)?",
    re.IGNORECASE,
)


def parse_moment(text: str) -> datetime:
    """An aware UTC moment from ISO 8601 text; a bare date is its midnight.

    Raises:
        ValueRefused: it is none.
    """
    match = _MOMENT.fullmatch(text.strip())
    if not match:
        raise ValueRefused(f"Cannot convert the literal '{text}' to the expected type.")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    micro = int((fraction or "0").ljust(6, "0")[:6])
    try:
        moment = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0),
            micro, timezone.utc,
        )  # fmt: skip
    except ValueError:
        raise ValueRefused(f"Cannot convert the literal '{text}' to the expected type.") from None
    if zone and zone.upper() != "Z":
        sign = -1 if zone[0] == "-" else 1
        moment -= sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return moment


def encode(column: Column, value: Any) -> tuple[SqlValue, SqlValue]:
    """A value's wire text and its sort key (the same when the column has no key of its own).

    Raises:
        ValueRefused: the column can't hold it.
    """
    if value is None:
        return None, None
    return _encoder(column.type)(column, value)


def decode(column: Column, wire: SqlValue) -> Any:
    """The Python value of a wire text: Decimal, int, str, bool, aware datetime, date, None."""
    if wire is None or isinstance(wire, int):
        return wire
    text = str(wire)
    if column.type == "Boolean":
        return text == "true"
    if column.type in EXACT_TYPES:
        return Decimal(text)
    if column.type == "Double":
        return float(text)
    if column.type == "DateTime":
        moment = parse_moment(text[1:-1])
        return moment.date() if column.date_behavior == "DateOnly" else moment
    return json.loads(text)


def _encoder(type_: str) -> Callable[[Column, Any], tuple[SqlValue, SqlValue]]:
    return _ENCODERS.get(type_, _encode_json)


def _encode_text(_column: Column, value: Any) -> tuple[str, str]:
    if not isinstance(value, str):
        raise ValueRefused(_cannot_convert(value, "Edm.String"))
    return json_text(value), fold(value)


def _encode_integer(column: Column, value: Any) -> tuple[int, int]:
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal, float)):
        raise ValueRefused(_cannot_convert(value, "Edm.Int32"))
    try:
        number = int(value)
        if number != Decimal(str(value)):
            raise ValueError
    except (ValueError, ArithmeticError):
        raise ValueRefused(_cannot_convert(value, "Edm.Int32")) from None
    limit = 2**63 if column.type == "BigInt" else 2**31
    if not -limit <= number < limit:
        raise ValueRefused(_cannot_convert(value, "Edm.Int32"))
    return number, number


def _encode_boolean(_column: Column, value: Any) -> tuple[str, str]:
    if not isinstance(value, bool):
        raise ValueRefused(_cannot_convert(value, "Edm.Boolean"))
    wire = "true" if value else "false"
    return wire, wire


def _encode_exact(column: Column, value: Any) -> tuple[str, str]:
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal, float)):
        raise ValueRefused(_cannot_convert(value, "Edm.Decimal"))
    try:
        number = Decimal(str(value))
        number = number.quantize(Decimal(1).scaleb(-digits(column)), rounding="ROUND_HALF_EVEN")
    except ArithmeticError:
        raise ValueRefused(_cannot_convert(value, "Edm.Decimal")) from None
    if number == 0:
        number = abs(number)
    return f"{number:f}", exact_order(number)


def _encode_double(_column: Column, value: Any) -> tuple[str, float]:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
        raise ValueRefused(_cannot_convert(value, "Edm.Double"))
    try:
        number = float(value)
    except ValueError:
        raise ValueRefused(_cannot_convert(value, "Edm.Double")) from None
    if number - number != 0:
        raise ValueRefused(_cannot_convert(value, "Edm.Double"))
    return repr(number), number


def _encode_moment(column: Column, value: Any) -> tuple[str, int]:
    if isinstance(value, str):
        value = parse_moment(value)
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
        moment = moment.astimezone(timezone.utc)
    elif isinstance(value, date):
        moment = datetime(value.year, value.month, value.day, tzinfo=timezone.utc)
    else:
        raise ValueRefused(_cannot_convert(value, "Edm.DateTimeOffset"))
    if moment < EARLIEST:
        raise ValueRefused(
            "DateTime is less than minimum value supported by CrmDateTime. "
            f"Actual value: {moment:%m/%d/%Y %H:%M:%S}, Minimum value supported: "
            "01/01/1753 00:00:00"
        )
    if column.date_behavior == "DateOnly":
        moment = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        return f'"{moment.date().isoformat()}"', milliseconds(moment)
    # isoformat and not strftime, which drops the zeros of years below 1000 on some systems.
    return f'"{moment.replace(tzinfo=None, microsecond=0).isoformat()}Z"', milliseconds(moment)


def _encode_guid(_column: Column, value: Any) -> tuple[str, str]:
    if not isinstance(value, (str, UUID)):
        raise ValueRefused(_cannot_convert(value, "Edm.Guid"))
    guid = parse_guid(str(value))
    return f'"{guid}"', guid_order(guid)


def _encode_lookup(column: Column, value: Any) -> tuple[str, str]:
    wire, _ = _encode_guid(column, value)
    return wire, wire


def _encode_choices(_column: Column, value: Any) -> tuple[str, str]:
    if isinstance(value, str):
        numbers = [part.strip() for part in value.split(",") if part.strip()]
    elif isinstance(value, (list, tuple)):
        numbers = [str(part) for part in value]
    else:
        raise ValueRefused(_cannot_convert(value, "Edm.String"))
    if not all(re.fullmatch(r"-?\d+", number) for number in numbers):
        raise ValueRefused(_cannot_convert(value, "Edm.String"))
    wire = f'"{",".join(numbers)}"'
    return wire, wire


def _encode_json(_column: Column, value: Any) -> tuple[str, str]:
    wire = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return wire, wire


def _cannot_convert(value: Any, edm: str) -> str:
    return f"Cannot convert the literal '{value}' to the expected type '{edm}'."


_ENCODERS: dict[str, Callable[[Column, Any], tuple[SqlValue, SqlValue]]] = {
    **dict.fromkeys(TEXT_TYPES, _encode_text),
    **dict.fromkeys(INTEGER_TYPES, _encode_integer),
    **dict.fromkeys(EXACT_TYPES, _encode_exact),
    **dict.fromkeys(("Uniqueidentifier", "File"), _encode_guid),
    **dict.fromkeys(LOOKUP_TYPES, _encode_lookup),
    "Boolean": _encode_boolean,
    "Double": _encode_double,
    "DateTime": _encode_moment,
    "MultiSelectPicklist": _encode_choices,
}
