"""Builds the OData queries that read a table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

from dataverse_source.arrow.schema import LOOKUP_TABLE_ANNOTATION
from dataverse_source.metadata.model import Column

MODIFIED_ON = "modifiedon"

MAX_SELECT_LENGTH = 24_000
"""Longest ``$select`` that is sent. A GET may be 32,768 characters long (docs: "Compose HTTP
requests"), and a next link adds a paging cookie to it; a table with more columns than fit is
read without ``$select``, which returns all of them."""


def rows_query(
    columns: Sequence[Column],
    *,
    filters: Sequence[str] = (),
) -> dict[str, str]:
    """The query options that read ``columns`` of the rows that meet all ``filters``."""
    query: dict[str, str] = {}
    select = ",".join(column.wire_name for column in columns)
    if len(select) <= MAX_SELECT_LENGTH:
        query["$select"] = select
    conditions = [f"({one})" for one in filters] if len(filters) > 1 else list(filters)
    if conditions:
        query["$filter"] = " and ".join(conditions)
    return query


def modified_filters(start: datetime | None, end: datetime | None) -> list[str]:
    """Conditions for rows modified from ``start`` on and before ``end``.

    Bounds are cut to whole seconds and the range includes its start: Dataverse returns
    modifiedon in whole seconds, and the docs do not say what it compares below the second.
    An open range also includes the rows without modifiedon, which no bound selects. A range with
    an end does not: it stands for a closed period of the past.
    """
    filters: list[str] = []
    if start is not None:
        bound = f"{MODIFIED_ON} ge {literal(start)}"
        filters.append(bound if end is not None else f"{bound} or {MODIFIED_ON} eq null")
    if end is not None:
        filters.append(f"{MODIFIED_ON} lt {literal(end)}")
    return filters


def literal(moment: datetime) -> str:
    """``moment`` as an OData literal in UTC, whole seconds."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def preferences(columns: Sequence[Column]) -> list[str]:
    """The ``Prefer`` values of every page, besides its size."""
    if any(column.polymorphic for column in columns):
        return [f'odata.include-annotations="{LOOKUP_TABLE_ANNOTATION}"']
    return []
