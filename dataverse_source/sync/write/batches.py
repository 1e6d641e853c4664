"""Joins pages to larger batches, because dlt checks and writes each batch separately.

A batch becomes a row group of the Parquet file; destinations read large row groups faster.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from dataverse_source.sync.context import Output, RowBatch, SyncSteps
from dataverse_source.sync.drain import Drain

ROWS_A_BATCH = 50_000
"""Measured: larger batches are not faster."""

BYTES_A_BATCH = 16 * 2**20
"""A batch of wide rows ends at this size, so that memory stays flat."""


class _Batch:
    """Rows of several pages."""

    def __init__(self) -> None:
        self._pages: list[RowBatch] = []
        self._count = self._size = 0

    def add(self, page: RowBatch) -> None:
        """Adds a page."""
        self._pages.append(page)
        self._count += page.table.num_rows
        self._size += page.table.nbytes  # slow: looks at every column

    @property
    def is_full(self) -> bool:
        """Whether it is large enough."""
        return self._count >= ROWS_A_BATCH or self._size >= BYTES_A_BATCH

    def flush(self) -> Iterator[Output]:
        """The rows in one batch, if there are any."""
        pages, self._pages = self._pages, []
        self._count = self._size = 0
        if pages:
            tables = [one.table for one in pages]
            yield RowBatch(pa.concat_tables(tables), replace=pages[0].replace)


def large_batches(steps: SyncSteps) -> SyncSteps:
    """The same output in the same order, its rows in larger batches."""
    batch = _Batch()
    outputs = Drain(steps)
    for output in outputs:
        if isinstance(output, RowBatch) and output.file is None:
            batch.add(output)
            if batch.is_full:
                yield from batch.flush()
        else:
            yield from batch.flush()
            yield output
    yield from batch.flush()
    return outputs.result
