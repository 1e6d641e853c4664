"""One page of an answer: rows as Arrow, and where to go on."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

ROWS = "value"
NEXT_LINK = "@odata.nextLink"
DELTA_LINK = "@odata.deltaLink"


@dataclass(frozen=True)
class Page:
    """One page of an answer.

    Attributes:
        rows: with exactly the schema of the table (`TableSchema.arrow`).
        next_link: the URL of the next page, None on the last.
        delta_link: the URL that will return the changes since, on the last page of a request
            with ``Prefer: odata.track-changes``.
    """

    rows: pa.Table
    next_link: str | None = None
    delta_link: str | None = None
