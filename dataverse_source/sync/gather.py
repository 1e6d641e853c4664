"""Makes few large batches of many pages: dlt checks and writes each batch for itself.

A batch becomes a row group of the Parquet file, and destinations read large ones faster.
"""

from __future__ import annotations

from collections.abc import Generator

import pyarrow as pa

from dataverse_source.sync.run import Output, Rows, Steps
from dataverse_source.sync.state import TableState

ROWS_A_BATCH = 50_000
"""More brings nothing, by measurement."""

BYTES_A_BATCH = 16 * 2**20
"""Wide rows fill a batch sooner, so that memory stays flat."""


def gathered(steps: Steps) -> Steps:
    """The same rows in the same order, in larger batches."""
    rows: list[Rows] = []
    while True:
        try:
            output = next(steps)
        except StopIteration as end:
            state: TableState = end.value
            break
        if isinstance(output, Rows):
            rows.append(output)
            if _is_full(rows):
                yield from _joined(rows)
                rows = []
        else:
            yield from _joined(rows)
            rows = []
            yield output
    yield from _joined(rows)
    return state


def _is_full(rows: list[Rows]) -> bool:
    count = sum(one.table.num_rows for one in rows)
    size = sum(one.table.nbytes for one in rows)
    return bool(count >= ROWS_A_BATCH or size >= BYTES_A_BATCH)


def _joined(rows: list[Rows]) -> Generator[Output, None, None]:
    if rows:
        yield Rows(pa.concat_tables([one.table for one in rows]), replace=rows[0].replace)
