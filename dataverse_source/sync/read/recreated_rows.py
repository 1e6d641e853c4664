"""Keeps a row from being given twice when it is deleted and made anew while its table is read.

Intervals of createdon don't overlap, and createdon does not change. But a row that has been
read can be deleted and created again under the same key, with a createdon that is still to be
read (docs: ``overriddencreatedon`` may set it to any moment). Where rows take the place of all
that are loaded, nothing would remove the second one. It can be told by its version number,
which is higher than any that was there when the read began: such rows are put aside, and given
in the end, but for those whose key has been given already.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc

from dataverse_source.sync.context import common, without
from dataverse_source.sync.read.table_reader import VERSION, VERSION_MARGIN, joined


class RecreatedRowFilter:
    """Gives each row once.

    Args:
        key: the key column.
        highest: version number that no row exceeded when the read began.
    """

    def __init__(self, key: str, highest: int) -> None:
        self._key = key
        self._bound = highest - VERSION_MARGIN
        self._given = _Aside()
        self._late = _Aside()

    def __enter__(self) -> RecreatedRowFilter:
        return self

    def __exit__(self, *_: object) -> None:
        self._given.close()
        self._late.close()

    def now(self, rows: pa.Table) -> pa.Table:
        """Those of ``rows`` that can be given at once; the others are put aside."""
        is_late = pc.greater(rows[VERSION], self._bound)
        late = rows.filter(pc.fill_null(is_late, True))
        if late.num_rows:
            self._late.add(late)
            rows = rows.filter(pc.invert(pc.fill_null(is_late, True)))
        if rows.num_rows:
            self._given.add(rows.select([self._key]))
        return rows

    def rest(self) -> Iterator[pa.Table]:
        """The rows that were put aside, each key once and none that has been given before."""
        keys = joined([rows[self._key] for rows in self._late])
        found = [common(joined([rows[self._key]]), keys) for rows in self._given]
        open_keys = without(keys, joined(found))
        for rows in self._late:
            own = joined([rows[self._key]])
            rows = rows.filter(pc.is_in(own, value_set=open_keys))
            if rows.num_rows:
                open_keys = without(open_keys, own)
                yield rows


class _Aside:
    """Tables of one schema in a temporary file."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        self._writer: Any = None

    def add(self, rows: pa.Table) -> None:
        if self._writer is None:
            self._writer = pa.ipc.new_stream(self._file, rows.schema)
        self._writer.write_table(rows)

    def __iter__(self) -> Iterator[pa.Table]:
        """The tables in their order; no more can be added."""
        if self._writer is None:
            return
        self._writer.close()
        self._file.seek(0)
        with pa.ipc.open_stream(self._file) as reader:
            for batch in reader:
                yield pa.Table.from_batches([batch])

    def close(self) -> None:
        self._file.close()
