"""How many bytes a row takes in destinations that limit it when a table is made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dlt.common.schema.typing import TColumnSchema

_FIXED = {"bigint": 8, "double": 8, "timestamp": 8, "date": 3, "bool": 1}

_ON_PAGE = 8126
"""Half of one of InnoDB's pages, less its own bytes: what MariaDB 10.11 says when a table does not
fit. Tables that just fit and just do not were made there for each type."""

_ON_PAGE_OF_DLT = 4 * 21 + 20
"""What dlt's and this package's own columns, and the row's own bytes, take of it."""

_IN_ROW = 65_535
"""Bytes of a row, text in other pages not counted (MySQL docs: "Limits on Table Column Count and
Row Size")."""

_FIXED_TSQL = 8060
"""Bytes of the columns whose length is fixed (SQL Server docs: "Maximum capacity specifications").
Other columns move to other pages."""


@dataclass(frozen=True)
class TooLarge:
    """A row that does not fit.

    Attributes:
        bytes: that a row would take.
        most: that it may take.
        why: ends the sentence that says so.
        first_remedy: a sentence; empty if there is none but to load fewer columns.
    """

    bytes: int
    most: int
    why: str = ""
    first_remedy: str = ""


def too_large(columns: Iterable[TColumnSchema], dialect: str) -> TooLarge | None:
    """Why a row of these columns does not fit; None if it does, or if the size is not limited.

    Args:
        columns: dlt's hints.
        dialect: sqlglot's name of the destination's SQL.
    """
    hints = list(columns)
    if dialect == "tsql":
        size = sum(map(_tsql_bytes, hints)) + len(hints) // 8
        why = " for numbers and times"
        return TooLarge(size, _FIXED_TSQL, why) if size > _FIXED_TSQL else None
    if dialect != "mysql":
        return None
    lengths = any(_length(one) for one in hints)
    remedy = "Set text_lengths = false for it: text of any length takes few bytes. "
    for size, most, why in (
        (sum(map(_row_bytes, hints)), _IN_ROW, ""),
        (sum(map(_page_bytes, hints)) + len(hints) // 8 + _ON_PAGE_OF_DLT, _ON_PAGE, " a page"),
    ):
        if size > most:
            return TooLarge(size, most, why, remedy if lengths else "")
    return None


def _length(hint: TColumnSchema) -> int | None:
    return hint.get("precision") if hint.get("data_type") == "text" else None


def _row_bytes(hint: TColumnSchema) -> int:
    """Bytes in a row of MySQL: characters take four, text without a length a pointer."""
    length = _length(hint)
    if length is not None:
        return 4 * length + 2
    return _FIXED.get(str(hint.get("data_type"))) or _mysql_decimal(hint) or 12


def _page_bytes(hint: TColumnSchema) -> int:
    """Bytes on InnoDB's page: what can have more than 255 bytes may move to another one."""
    length = _length(hint)
    if length is not None and 4 * length <= 255:
        return 4 * length + 1
    return _FIXED.get(str(hint.get("data_type"))) or _mysql_decimal(hint) or 21


def _mysql_decimal(hint: TColumnSchema) -> int:
    """Nine digits take four bytes (MySQL docs: "Data Type Storage Requirements"); 0: no decimal."""
    if hint.get("data_type") != "decimal":
        return 0
    precision, scale = hint.get("precision") or 38, hint.get("scale") or 0
    return sum(4 * (one // 9) + (one % 9 + 1) // 2 for one in (precision - scale, scale))


def _tsql_bytes(hint: TColumnSchema) -> int:
    """Bytes of a column of fixed length (SQL Server docs: "decimal and numeric", "datetimeoffset").

    0 for others.
    """
    kind = hint.get("data_type")
    if kind == "decimal":
        digits = hint.get("precision") or 38
        return next(size for most, size in ((9, 5), (19, 9), (28, 13), (38, 17)) if digits <= most)
    if kind == "timestamp" and hint.get("timezone") is not False:
        return 10
    return _FIXED.get(str(kind), 0)
