"""What a table tells while it is read: the phase, the pages of keys, the rows."""

from __future__ import annotations

from dataverse_source.sync.context import RowBatch, SyncSteps, TableRun
from dataverse_source.sync.drain import Drain


def counted(run: TableRun, steps: SyncSteps) -> SyncSteps:
    """The same output; each page of rows and each list of deleted keys is reported."""
    outputs = Drain(steps)
    for output in outputs:
        rows = output.table if isinstance(output, RowBatch) else output.keys
        run.watch.read(len(rows))
        yield output
    return outputs.result
