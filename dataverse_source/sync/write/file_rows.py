"""Makes the rows of the table of files: which files of changed rows are new, stored, gone.

What is loaded already is asked of the destination. A destination that cannot be asked gets the
files of all rows that come: storing the same bytes again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa

from dataverse_source.arrow.keys import concat, difference, no_keys
from dataverse_source.arrow.schema import TEXT
from dataverse_source.config.log import logger
from dataverse_source.errors import printable
from dataverse_source.sync.context import Watch
from dataverse_source.sync.files.columns import FileColumn, WantedFile
from dataverse_source.sync.files.fetching import FailedFile, Fetched, Fetcher
from dataverse_source.sync.files.journal import Journal
from dataverse_source.sync.files.place import path_of
from dataverse_source.sync.write.columns import DELETED
from dataverse_source.sync.write.file_table import FAILED, FILES, GONE, SCHEMA, STORED, as_table
from dataverse_source.sync.write.lost_files import Loaded, keys_of_lost_files

NAMES = tuple(SCHEMA.names[:-1])

ROWS_AT_ONCE = 5_000
"""Rows whose files are compared with the destination's at a time."""

FILES_A_BATCH = 500

MOST_NAMED = 10
"""Failed files that the log names, of a table in a run; the table of files has all."""

Row = dict[str, Any]
Place = tuple[str, str]
"""Key and column of a file."""


@dataclass
class FileCounts:
    """What was done to the files of a table.

    Attributes:
        stored: files that were stored, or found stored by an earlier run.
        size: their bytes.
        failed: files that could not be read.
        gone: files whose rows were removed or marked.
    """

    stored: int = 0
    size: int = 0
    failed: int = 0
    gone: int = 0


class FileRows:
    """Makes the rows of `FILES` for one table, in one load package.

    Args:
        name: the table's, in messages and rows.
        columns: that hold files.
        fetcher: downloads and stores.
        journal: of files that are stored, but whose rows may not be loaded.
        loaded: the table of files in the destination.
        keeps: rows of files that are gone stay, marked.
        tried: files that the run has tried to store, in earlier load packages too; changed.
        refuses_nul: texts of the destination cannot hold U+0000, which names may have.
        table: the loaded table whose rows have the files.
        replaced: is told key and column of a file that is gone or has other bytes now, and their
            digest.
        stored: is told key, column and digest of a file that is stored.

    Attributes:
        watch: is told when files are stored.
    """

    def __init__(
        self,
        name: str,
        columns: Sequence[FileColumn],
        fetcher: Fetcher,
        journal: Journal,
        loaded: Loaded,
        *,
        table: Loaded,
        keeps: bool,
        tried: set[Place],
        refuses_nul: bool = False,
        replaced: Callable[[str, str, str | None], None] | None = None,
        stored: Callable[[str, str, str], None] | None = None,
    ) -> None:
        self._name, self._columns, self._fetcher = name, columns, fetcher
        self._journal, self._loaded, self._keeps = journal, loaded, keeps
        self._table = table
        self._listed: set[str] | None = None
        self._refuses_nul, self._replaced, self._stored = refuses_nul, replaced, stored
        self._seen: list[pa.Array] = []
        self._all_seen = False
        self._tried = tried
        self._begun = False
        self.counts = FileCounts()
        self.watch = Watch()

    def of(self, rows: pa.Table, *, replace: bool) -> Iterator[pa.Table]:
        """The files of rows that have come: new ones are stored first, missing ones are removed.

        Args:
            rows: with the columns that the file columns need.
            replace: all rows come, and replace those in the destination.

        Raises:
            DataverseError: files cannot be read or stored, for a reason that is not theirs alone.
        """
        self._begin()
        self._all_seen |= replace
        if replace:
            self.check()
        for start in range(0, rows.num_rows, ROWS_AT_ONCE):
            yield from self._of_some(rows.slice(start, ROWS_AT_ONCE))

    def check(self) -> None:
        """Has `rest` make sure that each file has its row and its bytes still."""
        if self._listed is None and self._loaded.columns():
            self._listed = self._fetcher.place.listed(self._name)

    def gone(self, keys: pa.Array) -> Iterator[pa.Table]:
        """The files of rows that Dataverse no longer has, also of columns not wanted any more."""
        for start in range(0, len(keys), ROWS_AT_ONCE):
            some = keys.slice(start, ROWS_AT_ONCE).to_pylist()
            known = self._known(some)
            if known is None:
                places = [(key, one.name) for key in some for one in self._columns]
                known = {} if self._keeps else {one: {} for one in places}
            yield from self._without(known)

    def rest(self, read_again: Callable[[pa.Array], Iterator[pa.Table]]) -> Iterator[pa.Table]:
        """What is left after the last row: files that failed before, and those of lost rows.

        Args:
            read_again: reads rows by key.
        """
        self._begin()
        if self.counts.failed > MOST_NAMED:
            logger.warning("%s: %d files cannot be stored", self._name, self.counts.failed)
        if not self._loaded.columns():
            return
        if self._all_seen:
            yield from self.gone(self._keys_beside(self._seen))
        again = [
            key
            for key, column, _ in self._places("status", FAILED)
            if column in self._own and (key, column) not in self._tried
        ]
        orphans = no_keys()
        if not self._keeps:  # marked while `deletes` was "keep"
            marked = self._places("status", GONE)
            yield from self._without({(key, column): {} for key, column, _ in marked})
        if self._listed is not None and not self._all_seen:
            orphans = self._of_no_row()
            missing = self._lost()
            if missing:
                logger.warning(
                    "%s: %d files, or their rows in %s, are gone and are loaded again",
                    self._name,
                    len(missing),
                    FILES,
                )
            again += [*missing, *orphans.to_pylist()]
        keys = pa.array(dict.fromkeys(again), TEXT)
        for found in read_again(keys) if len(keys) else ():
            yield from self._of_some(found)
        yield from self.gone(difference(orphans, concat(self._seen)))

    def _of_no_row(self) -> pa.Array:
        """Keys of files whose row is not loaded.

        It was deleted while no file of the table was wanted, or it is missing and read again.
        """
        chunks = self._table.rows([self._columns[0].key]) if self._table.columns() else None
        if chunks is None:
            return no_keys()
        loaded = [pa.array([str(key) for (key,) in rows], TEXT) for rows in chunks]
        return self._keys_beside([*loaded, *self._seen])

    def _keys_beside(self, rows: Sequence[pa.Array]) -> pa.Array:
        """Keys of files, of any column, whose row is not among these."""
        places = self._places("table", self._name)
        there = pa.array([key for key, _, status in places if status != GONE], TEXT)
        return difference(there, concat(rows))

    def _lost(self) -> list[str]:
        return keys_of_lost_files(
            self._columns,
            self._table,
            self._loaded,
            self._listed or (),
            seen=set(concat(self._seen).to_pylist()),
            tried=self._tried,
        )

    def _places(self, column: str, value: str) -> Iterator[tuple[str, str, str]]:
        """Key, column and status of this table's files with a value in a column."""
        names = ("table", "key", "column", "status")
        for rows in self._loaded.matching(names, column, value) or ():
            for table, key, name, status in rows:
                if table == self._name:
                    yield str(key), str(name), str(status)

    @property
    def _own(self) -> set[str]:
        return {one.name for one in self._columns}

    def _begin(self) -> None:
        """Forgets the journal if its rows are loaded: the last of them tells."""
        if self._begun:
            return
        self._begun = True
        last = self._journal.last()
        if last is None:
            return
        row = (self._known([last.key]) or {}).get((last.key, last.column))
        if row is not None and row["version"] == last.version and row["status"] == STORED:
            self._journal.clear()

    def _of_some(self, rows: pa.Table) -> Iterator[pa.Table]:
        keys = rows[self._columns[0].key].cast(TEXT)
        self._seen.append(concat([keys]))
        known = self._known(keys.to_pylist())
        wanted = {
            (one.key, one.column.name): one
            for column in self._columns
            for one in column.wanted(rows)
        }
        if known is None:
            without = [(key, one) for key in keys.to_pylist() for one in self._own]
            missing: dict[Place, Row] = {one: {} for one in without if one not in wanted}
            missing = {} if self._keeps else missing
            known = {}
        else:
            missing = {
                place: row
                for place, row in known.items()
                if place not in wanted and place[1] in self._own
            }
        yield from self._without(missing)
        todo = [one for place, one in wanted.items() if not self._is_stored(one, known.get(place))]
        self._tried |= {(one.key, one.column.name) for one in todo}
        batch: list[Row] = []
        with self.watch.meanwhile(f"storing {len(todo):,} files") if todo else nullcontext():
            for found in self._fetcher.fetch(todo):
                batch.append(self._row(found, known))
                if len(batch) >= FILES_A_BATCH:
                    yield as_table(batch)
                    batch = []
        if batch:
            yield as_table(batch)

    def _is_stored(self, wanted: WantedFile, row: Row | None) -> bool:
        if row is None or row["status"] != STORED or row["version"] != wanted.version:
            return False
        place = self._fetcher.place
        path = path_of(wanted.column.table, wanted.key, wanted.column.name, str(row["sha256"]))
        is_there = self._listed is None or path in self._listed
        return is_there and bool(row["url"] == place.url_of(path))

    def _row(self, found: Fetched, known: Mapping[Place, Row]) -> Row:
        now = datetime.now(timezone.utc)
        row: Row = {"table": self._name, "loaded_at": now}
        if isinstance(found, FailedFile):
            wanted, error = found.wanted, found.error
            self.counts.failed += 1
            if self.counts.failed <= MOST_NAMED:
                logger.warning(
                    "%s: the file %s of %s cannot be stored, and is tried again in the next run: "
                    "%s",
                    self._name,
                    printable(repr(wanted.name)) if wanted.name else wanted.column.name,
                    wanted.row,
                    error.why or error.what,
                )
            why = " ".join(filter(None, (f"{error.what}.", error.why)))
            return {
                **row,
                "key": wanted.key,
                "column": wanted.column.name,
                "status": FAILED,
                "name": self._shown(wanted.name),
                "mime_type": wanted.mime_type,
                "version": wanted.version,
                "error": printable(why),
            }
        self.counts.stored += 1
        self.counts.size += found.size
        before = known.get((found.key, found.column), {}).get("sha256")
        if self._replaced is not None and before not in (None, found.sha256):
            self._replaced(found.key, found.column, found.sha256)
        if self._stored is not None:
            self._stored(found.key, found.column, found.sha256)
        return {
            **row,
            "key": found.key,
            "column": found.column,
            "status": STORED,
            "name": self._shown(found.name),
            "mime_type": found.mime_type,
            "size": found.size,
            "sha256": found.sha256,
            "url": found.url,
            "version": found.version,
        }

    def _shown(self, name: str | None) -> str | None:
        """A name as the destination can hold it."""
        return name.replace("\0", "\ufffd") if name and self._refuses_nul else name

    def _without(self, rows: Mapping[Place, Row]) -> Iterator[pa.Table]:
        """Removes the rows of files that are gone, or marks them."""
        gone = {place: row for place, row in rows.items() if row.get("status") != GONE}
        if not gone:
            return
        now = datetime.now(timezone.utc)
        found: list[Row] = []
        for (key, column), row in gone.items():
            self.counts.gone += 1
            if self._replaced is not None:
                self._replaced(key, column, None)
            own = {"table": self._name, "key": key, "column": column, "loaded_at": now}
            if self._keeps:
                found.append({**row, **own, "status": GONE})
            else:
                found.append({**own, DELETED: True})
        yield as_table(found)

    def _known(self, keys: Sequence[str]) -> dict[Place, Row] | None:
        """The loaded rows of these keys' files; None if the destination cannot be asked."""
        if not self._loaded.columns():
            return {}
        chunks = self._loaded.rows(NAMES, list(dict.fromkeys(keys)))
        if chunks is None:
            return None
        rows = (dict(zip(NAMES, row, strict=True)) for rows in chunks for row in rows)
        return {
            (str(row["key"]), str(row["column"])): row for row in rows if row["table"] == self._name
        }
