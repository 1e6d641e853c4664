"""Remembers what a run outputs, so that a comparison knows what the destination will hold."""

from __future__ import annotations

from functools import partial
from types import TracebackType

import pyarrow as pa
import pyarrow.compute as pc

from dataverse_source.arrow.keys import concat
from dataverse_source.arrow.schema import TEXT
from dataverse_source.arrow.spool import Spool
from dataverse_source.sync.comparison import Comparison
from dataverse_source.sync.context import DeletedKeys, SyncSteps, TableRun
from dataverse_source.sync.drain import Drain
from dataverse_source.sync.read.query import MODIFIED_ON
from dataverse_source.sync.read.query_reader import QueryReader
from dataverse_source.sync.read.table_reader import VERSION
from dataverse_source.sync.state import NewestRow
from dataverse_source.sync.versions import keys_and_versions
from dataverse_source.sync.write.environment import add_environment
from dataverse_source.sync.write.history import row_versions


class WrittenRows:
    """Keys and versions of what a run outputs, in a file.

    Attributes:
        replaces: the rows replace the destination's table.
        newest: the newest row of all that this run and earlier ones have read.
    """

    def __init__(self, run: TableRun, newest: NewestRow | None = None) -> None:
        self._key, self._version = run.reader.key, version_column(run)
        self._has_one_key = len(run.reader.table.key_columns) == 1
        self.newest = newest
        self._rows, self._deleted = Spool(), Spool()
        self._digest = partial(digests, run) if run.settings.history else None
        self.replaces = False

    def __enter__(self) -> WrittenRows:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._rows.close()
        self._deleted.close()

    def record(self, steps: SyncSteps) -> SyncSteps:
        """The same output, recorded."""
        outputs = Drain(steps)
        for output in outputs:
            if isinstance(output, DeletedKeys):
                self._forget(output.keys)
                self._deleted.add(keys_and_versions(pa.table({"key": output.keys}), ["key"], None))
            else:
                self.replaces = output.replace
                self._note(output.table)
                if not self.replaces:
                    self._rows.add(self._recorded(output.table))
            yield output
        return outputs.result

    def _note(self, rows: pa.Table) -> None:
        """Takes the newest of the rows, if it is newer than the one before."""
        if self._version is None or not self._has_one_key or not rows.num_rows:
            return
        found = keys_and_versions(rows, [self._key], self._version)
        highest = pc.max(found["version"])
        newest = self.newest
        if highest.as_py() is None or (newest and highest.as_py() < newest.version):
            return
        position = pc.index(found["version"], highest).as_py()
        key, modified = found["key"][position].as_py(), None
        if self._version != MODIFIED_ON and MODIFIED_ON in rows.column_names:
            row = rows.slice(position, 1)
            modified = keys_and_versions(row, [self._key], MODIFIED_ON)["version"][0].as_py()
        self.newest = NewestRow(key, self._version, highest.as_py(), modified)

    def _forget(self, deleted: pa.Array) -> None:
        newest = self.newest
        if newest and pc.is_in(pa.scalar(newest.key), value_set=deleted.cast(TEXT)).as_py():
            self.newest = None

    def add_to(self, comparison: Comparison) -> None:
        """Adds all that was recorded."""
        for rows in self._rows:
            digests = concat([rows["digest"]]) if self._digest else None
            comparison.add_written(rows.select(["key", "version"]), digests=digests)
        for rows in self._deleted:
            comparison.add_written(rows, deleted=True)

    def _recorded(self, rows: pa.Table) -> pa.Table:
        found = keys_and_versions(rows, [self._key], self._version)
        return found.append_column("digest", self._digest(rows)) if self._digest else found


def version_column(run: TableRun) -> str | None:
    """The column that changes with every change of a row; None if the table has none."""
    reader = run.reader
    found = [one for one in (VERSION, MODIFIED_ON) if one in reader.schema.arrow.names]
    if isinstance(reader, QueryReader):
        found = [one for one in found if reader.query.tells_versions(one)]
    return found[0] if found else None


def known_columns(run: TableRun) -> list[str]:
    """Key columns and version: all that a run has to know of rows that are loaded in a file."""
    version = version_column(run)
    return [*run.reader.table.key_columns, *([version] if version else [])]


def digests(run: TableRun, rows: pa.Table) -> pa.Array:
    """Digests of the rows' contents, as a history has them."""
    return row_versions(add_environment(run.labels.add_to(rows), run.environment))
