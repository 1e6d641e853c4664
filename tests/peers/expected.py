"""What clients must show: rows of the sandbox's store in the words of JSON."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from dataverse_source.sandbox import Sandbox

Row = dict[str, Any]

ACCOUNT = (
    "accountid",
    "name",
    "revenue",
    "numberofemployees",
    "creditonhold",
    "industrycode",
    "address1_latitude",
    "modifiedon",
    "versionnumber",
    "_primarycontactid_value",
)
"""Columns of a type each, as they are named in JSON."""


def rows(sandbox: Sandbox, table: str, names: Iterable[str] = ACCOUNT) -> dict[str, Row]:
    """The table's rows now, by key, with the named properties."""
    key = sandbox.store.schema.by_logical_name[table].primary_id
    names = tuple(names)
    return {row[key]: row_of(row, names) for row in sandbox.store.rows(table)}


def row_of(row: Row, names: Iterable[str]) -> Row:
    """The named properties of a row of the store."""
    return {name: _in_json(row[_column(name)]) for name in names}


def arrived(found: Iterable[Row], key: str, names: Iterable[str] = ACCOUNT) -> dict[str, Row]:
    """What a client showed, by key, with the named properties; no key may come twice."""
    names, listed = tuple(names), list(found)
    by_key = {row[key]: {name: _seconds(row[name]) for name in names} for row in listed}
    assert len(by_key) == len(listed), "rows came twice"
    return by_key


def sizes(total: int, page: int) -> list[int]:
    """How many rows each page holds."""
    return [min(page, total - begin) for begin in range(0, total, page)]


def _column(name: str) -> str:
    return name.removeprefix("_").removesuffix("_value") if name.startswith("_") else name


def _seconds(value: Any) -> Any:
    """A moment without the milliseconds that JavaScript adds."""
    if isinstance(value, str) and value.endswith(".000Z"):
        return value.replace(".000Z", "Z")
    return value


def _in_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value
