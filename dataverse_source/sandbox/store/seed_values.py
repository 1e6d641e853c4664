"""Made-up values for a column: plausible, of every type, and the same for the same seed."""

from __future__ import annotations

import zlib
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from random import Random
from typing import Any

from dataverse_source.sandbox.schema.tables import Column, Table
from dataverse_source.sandbox.store.seed_words import (
    CITIES,
    COMPANY_FORMS,
    COMPANY_KINDS,
    COMPANY_STEMS,
    COUNTRIES,
    FIRST_NAMES,
    JOB_TITLES,
    LAST_NAMES,
    SENTENCES,
    STATES,
    STREETS,
)
from dataverse_source.sandbox.store.values import digits

EARLIEST_VALUE = datetime(2024, 1, 1, tzinfo=timezone.utc)
LATEST_VALUE = datetime(2026, 6, 30, tzinfo=timezone.utc)
_SPAN_MINUTES = int((LATEST_VALUE - EARLIEST_VALUE).total_seconds() // 60)

# One pixel, transparent: the smallest PNG.
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5Er"
    "kJggg=="
)
ALWAYS = frozenset(
    {"transactioncurrencyid", "exchangerate", "ownerid", "createdby", "modifiedby", "fullname"}
    | {"firstname", "lastname", "owningbusinessunit", "businessunitid", "organizationid"}
)
PARTITIONS = 20
"""Partitions of an elastic table."""


@lru_cache(maxsize=4096)
def stable(text: str) -> int:
    """A number that stands for a text, the same in every process."""
    return zlib.crc32(text.encode())


def company(random: Random) -> str:
    """A company's name."""
    parts = (random.choice(COMPANY_STEMS), random.choice(COMPANY_KINDS))
    form = random.choice(COMPANY_FORMS)
    return " ".join((*parts, form) if form else parts)


def made_up_row(table: Table, columns: list[Column], random: Random, number: int) -> dict[str, Any]:
    """Values for some columns of one row, by logical column name; lookups are left out."""
    first, last = random.choice(FIRST_NAMES), random.choice(LAST_NAMES)
    row: dict[str, Any] = {}
    for column in columns:
        orphan = bool(column.attribute_of) and row.get(column.attribute_of or "") is None
        empty = orphan or random.random() < _share_of_nulls(table, column)
        row[column.name] = None if empty else _value(column, random, number)
    _make_consistent(row, first, last)
    if "partitionid" in row:
        row["partitionid"] = f"device-{number % PARTITIONS + 1:03d}"
    if "ttlinseconds" in row:
        # A time to live would have run out long ago.
        row["ttlinseconds"] = None
    return row


def _share_of_nulls(table: Table, column: Column) -> float:
    if column.name == table.primary_name or column.name in ALWAYS:
        return 0.0
    if column.type in ("State", "Status", "Boolean"):
        return 0.0
    if column.type in ("Image", "File") or column.attribute_of:
        return 0.9 if column.type == "Image" else 0.0
    return (0.2, 0.6, 0.9, 0.97)[stable(column.name) % 4]


def _make_consistent(row: dict[str, Any], first: str, last: str) -> None:
    """Makes columns that belong together agree."""
    if "fullname" in row:
        row["fullname"] = f"{first} {last}"
    if "firstname" in row:
        row["firstname"] = first
    if "lastname" in row:
        row["lastname"] = last
    rate = row.get("exchangerate", Decimal(1))
    for name in row:
        if name.endswith("_base") and name[:-5] in row:
            amount = row[name[:-5]]
            row[name] = None if amount is None else amount / rate
    if row.get("statecode") is not None and "statuscode" in row:
        row["statuscode"] = 2 if row["statecode"] else 1


def _value(column: Column, random: Random, number: int) -> Any:
    kind = column.type
    if kind in ("String", "Memo", "EntityName"):
        return _text(column, random, number)[: column.max_length or 100]
    if kind in ("Picklist", "Status"):
        return random.choice(column.options).value if column.options else None
    if kind == "State":
        return column.options[int(random.random() < 0.1)].value if column.options else 0
    if kind == "Boolean":
        return random.random() < 0.3
    if kind == "MultiSelectPicklist":
        many = random.randint(1, max(1, min(3, len(column.options))))
        return sorted(option.value for option in random.sample(column.options, many))
    if kind == "Integer":
        return _integer(column, random)
    if kind == "BigInt":
        return random.randint(2**53, 2**62)
    if kind == "Money":
        return Decimal(random.randint(0, 50_000_000_000)) / 10_000 // 1 + Decimal(
            random.choice(("0", "0.5", "0.99", "0.0001"))
        )
    return _other(column, random)


def _other(column: Column, random: Random) -> Any:
    kind = column.type
    if kind == "Decimal":
        if column.name == "exchangerate":
            return Decimal(1)
        return Decimal(random.randint(-(10**9), 10**9)).scaleb(-digits(column))
    if kind == "Double":
        low = max(column.min_value or 0.0, -1_000_000.0)
        high = min(column.max_value or 1.0, 1_000_000.0)
        return round(random.uniform(low, high), min(column.precision or 5, 5))
    if kind == "DateTime":
        moment = EARLIEST_VALUE + timedelta(minutes=random.randrange(_SPAN_MINUTES))
        return (
            date(moment.year, moment.month, moment.day)
            if (column.date_behavior == "DateOnly")
            else moment
        )
    if kind == "Image":
        return PIXEL
    if kind in ("Uniqueidentifier", "File"):
        text = f"{random.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"
    if kind == "ManagedProperty":
        return {"Value": True, "CanBeChanged": True, "ManagedPropertyLogicalName": column.name}
    return None


def _integer(column: Column, random: Random) -> int:
    low = int(max(column.min_value or 0, 0))
    high = int(min(column.max_value if column.max_value is not None else 10_000, 10_000))
    return random.randint(low, max(low, high))


def _text(column: Column, random: Random, number: int) -> str:
    name = column.name
    if column.format in ("Email",) or "email" in name:
        return f"{random.choice(FIRST_NAMES)[:1]}{number}@example.com".lower()
    if column.format == "Url" or name.endswith(("url", "uri")):
        return f"https://www.example.com/{number}"
    if "phone" in name or "fax" in name:
        return f"+{random.randint(1, 99)} {random.randint(200, 999)} 555-01{number % 100:02d}"
    for part, pool in _POOLS:
        if part in name:
            return random.choice(pool)
    if name.endswith("line1"):
        return f"{random.randint(1, 999)} {random.choice(STREETS)}"
    if "postalcode" in name or "number" in name or "code" in name:
        return f"{random.choice('ABCDEFGHKM')}{random.randint(10_000, 99_999)}"
    if name == "name" or name.endswith("name"):
        return company(random)
    if column.type == "Memo" or (column.max_length or 0) > 400:
        return " ".join(random.sample(SENTENCES, 2))
    return f"{column.display_name or name} {random.randint(1, 500)}"


_POOLS = (
    ("city", CITIES),
    ("country", COUNTRIES),
    ("county", CITIES),
    ("stateorprovince", STATES),
    ("firstname", FIRST_NAMES),
    ("lastname", LAST_NAMES),
    ("jobtitle", JOB_TITLES),
    ("description", SENTENCES),
)
