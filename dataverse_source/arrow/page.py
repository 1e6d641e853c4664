"""One page of rows as Arrow, with its links."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from dataverse_source.arrow.keys import no_keys

ROWS = "value"
NEXT_LINK = "@odata.nextLink"
DELTA_LINK = "@odata.deltaLink"
MORE_RECORDS = "@Microsoft.Dynamics.CRM.morerecords"

CONTEXT = "@odata.context"
DELETED_CONTEXT = "$deletedEntity"
DELETED_KEY = "id"
"""A delta lists a deleted row among its rows as ``{"@odata.context":
"...$metadata#accounts/$deletedEntity", "id": "<its key>", "reason": "deleted"}`` (docs: "Use
change tracking to synchronize data with external systems")."""


@dataclass(frozen=True)
class Page:
    """One page of a response.

    Attributes:
        rows: with exactly the schema of the table (`TableSchema.arrow`).
        next_link: the URL of the next page, None on the last.
        delta_link: the URL that will return the changes since, on the last page of a request
            with ``Prefer: odata.track-changes``.
        deleted: keys of deleted rows, in the order of the page; only a delta has any.
        more: whether the page says that more rows follow; None when it says nothing.
    """

    rows: pa.Table
    next_link: str | None = None
    delta_link: str | None = None
    deleted: pa.Array = field(default_factory=no_keys)
    more: bool | None = None

    @property
    def count(self) -> int:
        """Rows in the page, deleted ones too."""
        return int(self.rows.num_rows) + len(self.deleted)
