"""Writes the rows of a long read to Parquet files beside the read; dlt loads them as they are.

dlt looks at every batch of rows, and writes all of them on its own thread: with many columns that
takes as long as two processors need to read and decode them. So where there are many rows, a
thread of the table writes them, and dlt gets whole files.
"""

from __future__ import annotations

import os
import secrets
import weakref
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataverse_source.errors import PipelineError
from dataverse_source.sync.context import FilePlace, RowBatch, SyncSteps, TableRun
from dataverse_source.sync.drain import Drain
from dataverse_source.sync.write.columns import DELETED
from dataverse_source.sync.write.files_of_rows import file_place

HELD = 2
"""Batches that are held back until it is known whether a table has more: most need no file. All of
its rows go the same way, as DuckDB takes longer for two files than for one."""

BYTES_A_FILE = 2**28
"""Of the file; it ends with the row group that exceeds them."""

WAITING = 2
"""Batches that may wait to be written, so that memory stays flat."""

FORMAT: Mapping[str, Any] = {"use_dictionary": False, "compression": "zstd"}
"""Measured with 166 columns: two thirds of the time to write, a quarter of the time to read and two
thirds of the size that Parquet's defaults take."""

MARK = pa.field(DELETED, pa.bool_())
"""Null in all rows. Files have all columns of the destination's table, so that they can be loaded
as they are."""


def file_schema(schema: pa.Schema) -> pa.Schema:
    """The schema of files with the rows of a table."""
    return schema.append(MARK)


def with_mark(rows: pa.Table) -> pa.Table:
    """Rows of a table with all columns of a file."""
    return rows.append_column(MARK, pa.nulls(rows.num_rows, MARK.type))


class WrittenFile:
    """A file with rows of a table; it is removed when it has been loaded, or will never be.

    Args:
        path: of the file.
        rows: how many.
        schema: of the file.
    """

    def __init__(self, path: Path, rows: int, schema: pa.Schema) -> None:
        self._path, self.rows, self.schema = path, rows, schema
        self._remove = weakref.finalize(self, Path.unlink, path, missing_ok=True)

    @contextmanager
    def local(self) -> Iterator[str]:
        """The path of the file, once: dlt links or copies it."""
        try:
            yield str(self._path)
        finally:
            self._remove()


def in_files(run: TableRun, known: Sequence[str], steps: SyncSteps) -> SyncSteps:
    """The same output in the same order; batches of a large table in files that hold them.

    Args:
        run: the run of the table.
        known: columns that the run has to know of rows in a file.
        steps: what its sync reads, in batches.
    """
    outputs = Drain(steps)
    with closing(_Files(run, known)) as files:
        for output in outputs:
            if isinstance(output, RowBatch) and output.file is None:
                yield from files.take(output)
            else:
                yield from files.rest()
                yield output
        yield from files.rest()
    return outputs.result


class _Files:
    """Puts batches of rows into files, if a run has many and nothing has to see their values."""

    def __init__(self, run: TableRun, known: Sequence[str]) -> None:
        self._run, self._known = run, known
        self._held: list[RowBatch] = []
        self._place: FilePlace | None = None
        self._decided = False
        self._file: _File | None = None

    def take(self, batch: RowBatch) -> Iterator[RowBatch]:
        """Batches for dlt: this one and earlier ones, some of them with a file."""
        self._held.append(batch)
        if not self._decided and batch.replace and len(self._held) <= HELD:
            return
        yield from self._released(is_large=True)

    def rest(self) -> Iterator[RowBatch]:
        """The batches that have been held back, and the file that is being written."""
        yield from self._released(is_large=False)
        file, self._file = self._file, None
        if file is not None:
            yield file.closed()

    def close(self) -> None:
        """Gives up the file that is being written."""
        file, self._file = self._file, None
        if file is not None:
            file.abandon()

    def _released(self, *, is_large: bool) -> Iterator[RowBatch]:
        held, self._held = self._held, []
        if held and not self._decided:
            self._decided = True
            if is_large and held[0].replace:
                self._place = file_place(self._run)
        for batch in held:
            if self._place is None or not batch.table.num_rows:
                yield batch  # without rows: it may be all that there is
            else:
                yield from self._write(batch.table, self._place)

    def _write(self, rows: pa.Table, place: FilePlace) -> Iterator[RowBatch]:
        while rows.num_rows:
            if self._file is None:
                with _named(self._run.name, place.folder):
                    self._file = _File(_new_path(place.folder), self._run, self._known)
            room = place.rows - self._file.rows
            self._file.add(rows.slice(0, room))
            rows = rows.slice(room)
            if self._file.rows >= place.rows or self._file.size >= BYTES_A_FILE:
                file, self._file = self._file, None
                yield file.closed()


@contextmanager
def _named(table: str, folder: Path) -> Iterator[None]:
    """Says what an error of a file means.

    Raises:
        PipelineError: the disk is full, or another error of the file.
    """
    try:
        yield
    except OSError as error:
        raise PipelineError(
            f"Rows of {table} cannot be written to a file before they are loaded",
            where=str(folder),
            why=str(error),
            remedy="Make room on this disk, or have the pipeline work on another (pipelines_dir).",
        ) from error


def _new_path(folder: Path) -> Path:
    """A new file of this process; what a process that was killed has left is removed."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    own = f"{os.getpid()}-"
    for other in folder.iterdir():
        if not other.name.startswith(own):
            other.unlink(missing_ok=True)
    return folder / f"{own}{secrets.token_hex(8)}.parquet"


class _File:
    """A file that is being written, on a thread of its own.

    Attributes:
        rows: that were added.
        size: bytes that have been written.
    """

    def __init__(self, path: Path, run: TableRun, known: Sequence[str]) -> None:
        self._path, self._name, self._known = path, run.name, list(known)
        self._schema = file_schema(run.reader.schema.arrow)
        self.rows, self.size = 0, 0
        self._parts: list[pa.Table] = []
        self._waiting: deque[Future[int]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="dataverse-parquet")
        self._writer = pq.ParquetWriter(path, self._schema, **FORMAT)

    def add(self, rows: pa.Table) -> None:
        """Has rows written; waits while as many wait as may.

        Raises:
            PipelineError: the disk is full, or another error of the file.
        """
        self.rows += rows.num_rows
        self._parts.append(rows.select(self._known))
        self._waiting.append(self._thread.submit(self._write, rows))
        while len(self._waiting) > WAITING:
            with _named(self._name, self._path.parent):
                self.size = self._waiting.popleft().result()

    def closed(self) -> RowBatch:
        """The rows, with the file.

        Raises:
            PipelineError: see `add`.
        """
        try:
            with _named(self._name, self._path.parent):
                while self._waiting:
                    self._waiting.popleft().result()
                self._writer.close()
        except BaseException:
            self.abandon()
            raise
        self._thread.shutdown()
        file = WrittenFile(self._path, self.rows, self._schema)
        return RowBatch(pa.concat_tables(self._parts), replace=True, file=file)

    def abandon(self) -> None:
        """Removes the file."""
        self._thread.shutdown(cancel_futures=True)
        with suppress(OSError, pa.ArrowException):
            self._writer.close()
        self._path.unlink(missing_ok=True)

    def _write(self, rows: pa.Table) -> int:
        self._writer.write_table(with_mark(rows))
        return self._path.stat().st_size
