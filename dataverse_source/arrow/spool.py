"""Keeps Arrow tables in a temporary file, so that memory stays flat."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import IO

import pyarrow as pa

_COMPRESSED = pa.ipc.IpcWriteOptions(
    compression="lz4" if pa.Codec.is_available("lz4") else None  # fast, and a third of the size
)


class Spool:
    """Arrow tables in one temporary file, each with a schema of its own.

    Closing it removes the file.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._count = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, table: pa.Table) -> None:
        """Writes a table behind the others."""
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        self._file.seek(0, os.SEEK_END)
        with pa.ipc.new_stream(self._file, table.schema, options=_COMPRESSED) as writer:
            writer.write_table(table)
        self._count += 1

    def __iter__(self) -> Iterator[pa.Table]:
        """The tables in the order in which they were added; any number of times."""
        position = 0
        for _ in range(self._count):
            assert self._file is not None  # noqa: S101 (it has tables)
            self._file.seek(position)
            with pa.ipc.open_stream(self._file) as reader:
                table = reader.read_all()
            position = self._file.tell()
            yield table

    def close(self) -> None:
        """Removes the file."""
        if self._file is not None:
            self._file.close()
