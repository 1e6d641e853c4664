"""Compares the cells of a table in Dataverse with those in the destination.

Some changes move no version: a rollup that is calculated again, a value that was changed in the
destination. Only reading the rows finds them. Rows with other versions are left out: a comparison
of versions (`dataverse_source.sync.reconcile.compare`) has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from dataverse_source.arrow.cells import typed
from dataverse_source.arrow.keys import first_parts, no_keys, one_key
from dataverse_source.arrow.schema import TEXT
from dataverse_source.sync.context import TableRun
from dataverse_source.sync.temporary_database import TemporaryDatabase
from dataverse_source.sync.versions import keys_and_versions
from dataverse_source.sync.write.history import row_versions
from dataverse_source.sync.write.items import variants
from dataverse_source.sync.written_rows import version_column

LOOKED_AT = 1_000
"""Most rows that are read a second time, as they may have changed meanwhile."""

_TABLES = """
CREATE TEMP TABLE dataverse (key VARCHAR, version BIGINT, digest VARCHAR);
CREATE TEMP TABLE loaded (key VARCHAR, version BIGINT, digest VARCHAR);
"""

_SAME_VERSION = (
    "FROM dataverse AS a JOIN loaded AS b ON a.key = b.key "
    "AND a.version IS NOT DISTINCT FROM b.version"
)


@dataclass(frozen=True)
class CellReport:
    """How the cells of rows with the same version compare.

    Attributes:
        compared: rows that were compared.
        different: rows with other values in the destination.
        examples: the columns with other values, by key, of some of these rows.
        not_loaded: columns that the destination does not have.
        keys: of all rows with other values.
    """

    compared: int
    different: int
    examples: dict[str, list[str]] = field(default_factory=dict)
    not_loaded: list[str] = field(default_factory=list)
    keys: pa.Array = field(default_factory=no_keys)

    @property
    def is_equal(self) -> bool:
        """Whether no cell differs."""
        return not self.different and not self.not_loaded


def compare_cells(run: TableRun, sample: int | None, examples: int = 10) -> CellReport | None:
    """Compares cells without changing anything; None if the destination cannot be asked.

    Args:
        run: the run of the table; call it on dlt's own thread, while its pipeline is active.
        sample: rows to compare, chosen at random; None: all.
        examples: how many rows to return with the columns that differ.

    Raises:
        DataverseError: the table can't be read.
    """
    cells = _Cells(run)
    with TemporaryDatabase(_TABLES) as database:
        if not _read(cells, database, sample):
            return None
        compared = database.number(f"SELECT count(DISTINCT a.key) {_SAME_VERSION}")
        suspects = f"SELECT DISTINCT a.key {_SAME_VERSION} WHERE a.digest <> b.digest"
        found = database.ask(f"{suspects} ORDER BY ALL")
    keys = [key for (key,) in found]
    confirmed = cells.different(keys[:LOOKED_AT])
    keys = [*confirmed, *keys[LOOKED_AT:]]
    some = dict(list(confirmed.items())[:examples])
    return CellReport(compared, len(keys), some, cells.not_loaded, pa.array(keys, TEXT))


def _read(cells: _Cells, database: TemporaryDatabase, sample: int | None) -> bool:
    """Reads both sides into the database; False if the destination cannot be asked."""
    keys = None
    if sample is not None:
        keys = cells.sample(database, sample)
        if keys is None:
            return False
    loaded = cells.loaded(keys)
    if loaded is None:
        return False
    for rows in loaded:
        database.add("loaded", rows)
    for rows in cells.in_dataverse(keys):
        database.add("dataverse", rows)
    return True


class _Cells:
    """Reads rows of both sides in the same form.

    Attributes:
        not_loaded: columns that the destination does not have.
    """

    def __init__(self, run: TableRun) -> None:
        self._run = run
        known = run.destination.columns()
        hints = run.reader.schema.hints | run.labels.hints
        shown = variants(hints, known)
        whole = run.labels.add_to(run.reader.schema.arrow.empty_table()).schema
        self._loaded_as = {
            name: shown.get(name, name) for name in whole.names if shown.get(name, name) in known
        }
        self.not_loaded = [name for name in whole.names if name not in self._loaded_as]
        self._schema = pa.schema([whole.field(name) for name in self._loaded_as])
        version = version_column(run)
        self._version = version if version in self._loaded_as else None

    def in_dataverse(self, keys: Sequence[str] | None) -> Iterator[pa.Table]:
        """Key, version and digest of the rows there, of all or of those with these keys."""
        for rows in self._in_dataverse(keys):
            yield self._digests(rows, row_versions(rows))

    def loaded(self, keys: Sequence[str] | None) -> Iterator[pa.Table] | None:
        """The same of the destination; None if it cannot be asked."""
        found = self._in_destination(keys)
        return None if found is None else self._loaded(found)

    def sample(self, database: TemporaryDatabase, count: int) -> list[str] | None:
        """Keys of loaded rows, chosen at random; None if the destination cannot be asked."""
        found = self._run.destination.rows(self._keys)
        if found is None:
            return None
        for rows in found:
            keys = pa.array([one_key(row) for row in rows], TEXT)
            empty = pa.nulls(len(keys), TEXT)
            database.add("loaded", pa.table({"key": keys, "version": empty, "digest": empty}))
        chosen = database.ask(
            f"SELECT key FROM loaded USING SAMPLE reservoir({count} ROWS)"  # noqa: S608
        )
        database.ask("TRUNCATE loaded")
        return [key for (key,) in chosen]

    def different(self, keys: Sequence[str]) -> dict[str, list[str]]:
        """The columns that still differ, by key, of rows with the same version."""
        found: dict[str, list[str]] = {}
        there = {
            self._key_of(row): row for rows in self._in_dataverse(keys) for row in rows.to_pylist()
        }
        for chunk in self._in_destination(keys) or ():
            rows, misfits = typed(chunk, self._schema)
            for number, row in enumerate(rows.to_pylist()):
                key = self._key_of(row)
                other = there.get(key)
                if key not in keys or other is None or self._moved(row, other):
                    continue
                wrong = misfits.get(number, set())
                names = [name for name in row if name in wrong or row[name] != other[name]]
                if names:
                    found[key] = names
        return found

    @property
    def _keys(self) -> Sequence[str]:
        return self._run.reader.table.key_columns

    def _key_of(self, row: dict[str, Any]) -> str:
        return one_key([row[name] for name in self._keys])

    def _in_destination(
        self, keys: Sequence[str] | None
    ) -> Iterator[Sequence[Sequence[Any]]] | None:
        return self._run.destination.rows(list(self._loaded_as.values()), self._ids(keys))

    def _ids(self, keys: Sequence[str] | None) -> Sequence[str] | None:
        """What the first key column holds."""
        return keys if keys is None or len(self._keys) == 1 else first_parts(keys)

    def _moved(self, row: dict[str, Any], other: dict[str, Any]) -> bool:
        return self._version is not None and row[self._version] != other[self._version]

    def _in_dataverse(self, keys: Sequence[str] | None) -> Iterator[pa.Table]:
        reader = self._run.reader
        ids = self._ids(keys)
        found = reader.batches() if ids is None else reader.rows_of(pa.array(ids, TEXT))
        for rows in found:
            yield self._run.labels.add_to(rows).select(list(self._loaded_as))

    def _loaded(self, chunks: Iterator[Sequence[Sequence[Any]]]) -> Iterator[pa.Table]:
        for chunk in chunks:
            rows, misfits = typed(chunk, self._schema)
            digests = row_versions(rows).to_pylist()
            for number in misfits:
                digests[number] = "a value that Dataverse cannot have"
            yield self._digests(rows, pa.array(digests, TEXT))

    def _digests(self, rows: pa.Table, digests: pa.Array) -> pa.Table:
        found = keys_and_versions(rows, self._keys, self._version)
        return found.append_column("digest", digests)
