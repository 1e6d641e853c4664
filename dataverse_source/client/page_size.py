"""Smaller pages for a query that is too heavy for Dataverse.

Docs "Query throttling" and "Query anti-patterns": Dataverse refuses a query that runs too long
or loads the database too much. Fewer rows a page cost less.
"""

from __future__ import annotations

from dataverse_source.client.body import TooLargeError
from dataverse_source.errors import (
    ConnectionFailedError,
    DataverseError,
    ResponseError,
    ThrottledError,
)

__all__ = ["REMEDY", "TOO_HEAVY", "PageSize", "has_heavy_code", "is_too_heavy", "may_be_heavy"]

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

GATEWAY_STATUSES = (502, 503, 504)
"""What gateways answer when Dataverse takes too long; also when it is down for a moment."""

UNEXPECTED = "0x80040216"
"""UnExpected: also what a query gets that takes too much memory."""

REMEDY = (
    "Read fewer columns (select), a simpler filter, or smaller pages (page_size); calculated "
    "columns and filters on long texts cost most."
)


def is_too_heavy(error: DataverseError) -> bool:
    """Whether fewer rows a page may help: the query took too long or too much, or so it seems."""
    if isinstance(error, ConnectionFailedError):
        return error.timed_out
    return isinstance(error, TooLargeError) or (
        isinstance(error, ResponseError)
        and (
            has_heavy_code(error.code)
            or (may_be_heavy(error.status, error.code) and not isinstance(error, ThrottledError))
        )
    )


def has_heavy_code(code: str | None) -> bool:
    """Whether an error code says that a query takes too long, or too much."""
    return (code or "").lower() in TOO_HEAVY


def may_be_heavy(status: int, code: str | None) -> bool:
    """Whether an error answer is one that heavy queries get, but others too."""
    return status in GATEWAY_STATUSES or (code or "").lower() == UNEXPECTED


class PageSize:
    """How many rows a page the next request of a chain asks for.

    A failure that may have another reason makes pages smaller for as long as they fail; then they
    grow again, up to a size that has failed twice.

    Args:
        rows: at most; None leaves it to Dataverse.
    """

    def __init__(self, rows: int | None) -> None:
        self.rows = rows
        self._most = rows or 0
        self._failed: set[int] = set()
        # A page that begins small does so because its rows are large.
        self._smallest = SMALLEST if rows is not None and rows > SMALLEST else 1

    @property
    def is_smallest(self) -> bool:
        """Whether there is no smaller page to ask for."""
        return self.rows is None or self.rows <= self._smallest

    def make_smaller(self, error: DataverseError) -> bool:
        """Asks for half as many rows; False when there is no smaller page."""
        if isinstance(error, TooLargeError):
            self._smallest = 1
        if self.rows is None or self.is_smallest:
            return False
        half = max(self.rows // 2, self._smallest)
        is_sure = isinstance(error, ResponseError) and has_heavy_code(error.code)
        if is_sure or isinstance(error, TooLargeError) or self.rows in self._failed:
            self._most = half
        self._failed.add(self.rows)
        self.rows = half
        return True

    def went_well(self) -> None:
        """Grows again, if the size was reduced for a reason that may have passed."""
        if self.rows is not None:
            self.rows = min(self.rows * 2, self._most)
