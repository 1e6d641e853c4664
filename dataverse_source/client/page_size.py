"""Smaller pages for a query that is too much for Dataverse.

Docs "Query throttling" and "Query anti-patterns": a query that runs too long, or that loads the
database too much, is refused. What it does is in proportion to the rows that it reads.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["REMEDY", "is_too_heavy", "smaller"]

SMALLEST = 50
"""Rows a page; a query that can't give so few in its two minutes won't give fewer."""

# Docs "Query throttling", "Query anti-patterns" and "Web service error codes".
_TOO_HEAVY = {
    "0x80048544",  # the query conflicts with query throttling
    "0x80048644",  # the same
    "0x80044151",  # SqlTimeout
    "0x80048573",  # LeadingWildcardCauseTimeout
    "0x80048574",  # ComputedColumnCauseTimeout
    "0x80048575",  # PerformanceValidationIssuesCauseTimeout
}

REMEDY = (
    "Read fewer columns (select), a simpler filter, or smaller pages (page_size); calculated "
    "columns and filters on long texts cost most."
)

_PREFERENCE = re.compile(r"odata\.maxpagesize=([0-9]+)")


def is_too_heavy(code: str | None) -> bool:
    """Whether an error code says that a query takes too long, or takes too much."""
    return (code or "").lower() in _TOO_HEAVY


def smaller(prefer: Sequence[str]) -> list[str] | None:
    """The preferences with half as many rows a page; None when there is no going lower."""
    size = rows_a_page(prefer)
    if size is None or size <= SMALLEST:
        return None
    half = f"odata.maxpagesize={max(size // 2, SMALLEST)}"
    return [half if _PREFERENCE.fullmatch(one) else one for one in prefer]


def rows_a_page(prefer: Sequence[str]) -> int | None:
    """Rows a page that preferences ask for, None when they leave it open."""
    found = (_PREFERENCE.fullmatch(one) for one in prefer)
    return next((int(one[1]) for one in found if one), None)
