"""Smaller pages for a query that is too heavy for Dataverse.

Docs "Query throttling" and "Query anti-patterns": Dataverse refuses a query that runs too long
or loads the database too much. Fewer rows a page cost less.
"""

from __future__ import annotations

__all__ = ["REMEDY", "TOO_HEAVY", "is_too_heavy", "smaller"]

SMALLEST = 50
"""Fewest rows a page: a query that can't return these in two minutes won't return fewer."""

# Docs "Query throttling", "Query anti-patterns" and "Web service error codes".
TOO_HEAVY = {
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


def is_too_heavy(code: str | None) -> bool:
    """Whether an error code says that a query takes too long, or too much."""
    return (code or "").lower() in TOO_HEAVY


def smaller(rows: int | None) -> int | None:
    """Half as many rows a page; None when they are as few as they may be, or left open."""
    return None if rows is None or rows <= SMALLEST else max(rows // 2, SMALLEST)
