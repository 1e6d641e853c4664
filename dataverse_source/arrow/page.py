"""One page of an answer: rows as Arrow, and where to go on."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

ROWS = "value"
NEXT_LINK = "@odata.nextLink"
DELTA_LINK = "@odata.deltaLink"

CONTEXT = "@odata.context"
DELETED_CONTEXT = "$deletedEntity"
DELETED_KEY = "id"
"""A deleted row stands among the rows of a delta as ``{"@odata.context":
"...$metadata#accounts/$deletedEntity", "id": "<its key>", "reason": "deleted"}`` (docs: "Use
change tracking to synchronize data with external systems")."""


def no_keys() -> pa.Array:
    """An empty list of keys."""
    return pa.array([], pa.string())


@dataclass(frozen=True)
class Page:
    """One page of an answer.

    Attributes:
        rows: with exactly the schema of the table (`TableSchema.arrow`).
        next_link: the URL of the next page, None on the last.
        delta_link: the URL that will return the changes since, on the last page of a request
            with ``Prefer: odata.track-changes``.
        deleted: keys of deleted rows, in the order of the page; only a delta has any.
    """

    rows: pa.Table
    next_link: str | None = None
    delta_link: str | None = None
    deleted: pa.Array = field(default_factory=no_keys)
