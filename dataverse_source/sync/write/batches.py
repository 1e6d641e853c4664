"""Makes few large batches of many pages: dlt checks and writes each batch for itself.

A batch becomes a row group of the Parquet file, and destinations read large ones faster.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from dataverse_source.sync.context import Output, RowBatch, SyncSteps
from dataverse_source.sync.state import TableState

ROWS_A_BATCH = 50_000
"""More brings nothing, by measurement."""

BYTES_A_BATCH = 16 * 2**20
"""Wide rows fill a batch sooner, so that memory stays flat."""


class _Batch:
    """Rows of several pages, not yet joined."""

    def __init__(self) -> None:
        self._pages: list[RowBatch] = []
        self._count = self._size = 0

    def add(self, page: RowBatch) -> None:
        """Takes one more page."""
        self._pages.append(page)
        self._count += page.table.num_rows
        self._size += page.table.nbytes  # looks at every column: once is enough

    @property
    def is_full(self) -> bool:
        """Whether it is large enough."""
        return self._count >= ROWS_A_BATCH or self._size >= BYTES_A_BATCH

    def emptied(self) -> Iterator[Output]:
        """The rows joined, if there are any."""
        pages, self._pages = self._pages, []
        self._count = self._size = 0
        if pages:
            tables = [one.table for one in pages]
            yield RowBatch(pa.concat_tables(tables), replace=pages[0].replace)


def gathered(steps: SyncSteps) -> SyncSteps:
    """The same rows in the same order, in larger batches."""
    batch = _Batch()
    while True:
        try:
            output = next(steps)
        except StopIteration as end:
            state: TableState = end.value
            break
        if isinstance(output, RowBatch):
            batch.add(output)
            if batch.is_full:
                yield from batch.emptied()
        else:
            yield from batch.emptied()
            yield output
    yield from batch.emptied()
    return state
