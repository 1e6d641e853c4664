"""What one run of one table works with, and what it outputs: rows and keys of deleted rows."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, Union

import pyarrow as pa
from dlt.common.schema.typing import TColumnSchema, TTableReferenceInline, TTableSchemaColumns

from dataverse_source.arrow.keys import concat, no_keys
from dataverse_source.arrow.labels import NO_LABELS, Labels
from dataverse_source.config.settings import TableSettings
from dataverse_source.sync.abilities import DELETE_INSERT, Abilities
from dataverse_source.sync.audit_changes import AuditChanges
from dataverse_source.sync.first_links import FirstLinks
from dataverse_source.sync.read.table_reader import TableReader
from dataverse_source.sync.read.workers import WorkerPool
from dataverse_source.sync.state import TableState


class RowFile(Protocol):
    """Rows in a Parquet file, with the columns that the destination's table has.

    Attributes:
        rows: how many.
        schema: of the file.
    """

    rows: int
    schema: pa.Schema

    def local(self) -> AbstractContextManager[str]:
        """The path of the file, or of a copy, on this machine; may be asked for once."""


class LandedRows(RowFile, Protocol):
    """Rows of a part in its Parquet file, which can also be read."""

    def tables(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The rows in batches, with some columns; None: all columns of the table's schema."""


@dataclass(frozen=True)
class FilePlace:
    """Where a run writes files with rows.

    Attributes:
        folder: only one run at a time uses it.
        rows: how many a file may have.
    """

    folder: Path
    rows: int


@dataclass(frozen=True)
class RowBatch:
    """Rows as they are in Dataverse now.

    Attributes:
        table: with the columns of the table's schema; with a file, key and version are enough.
        replace: this batch and all later ones replace the destination's rows. All batches of a
            run have the same value.
        file: holds the same rows with all columns, and is loaded as it is.
    """

    table: pa.Table
    replace: bool = False
    file: RowFile | None = None


@dataclass(frozen=True)
class DeletedKeys:
    """Keys of rows that Dataverse no longer has; the destination may never have had them."""

    keys: pa.Array


class Watch:
    """Follows one table while it is read; this one keeps nothing. Calls must return quickly."""

    def doing(self, phase: str) -> None:
        """A phase has begun, such as `READING_ROWS`."""

    def page(self, keys: int) -> None:
        """A page of keys has come, of about so many."""

    def read(self, rows: int) -> None:
        """So many more rows have been read, deleted ones among them."""

    @contextmanager
    def meanwhile(self, phase: str) -> Iterator[None]:  # noqa: ARG002
        """While it lasts, another phase holds up the one that has begun."""
        yield


READING_ROWS = "reading rows"
READING_CHANGES = "reading changes"
READING_KEYS = "reading keys for the change token"
COMPARING_KEYS = "comparing keys"


Output = Union[RowBatch, DeletedKeys]  # noqa: UP007 (`X | Y` of classes is not for Python 3.10's generics)
SyncSteps = Generator[Output, None, TableState]
"""A sync mode at work: yields output and returns the new state."""


class Destination(Protocol):
    """What a run asks about the loaded table."""

    def rows(
        self, columns: Sequence[str | None], keys: Sequence[str] | None = None
    ) -> Iterator[Sequence[Sequence[Any]]] | None:
        """Values of ``columns`` of the loaded rows, in chunks; None if it cannot be asked.

        Args:
            columns: names as in the destination; None, or a column that the table does not have
                yet: null instead.
            keys: of the rows; None: all rows.
        """

    def matching(
        self, columns: Sequence[str | None], column: str, value: str
    ) -> Iterator[Sequence[Sequence[Any]]] | None:
        """As `rows`: those with this text in a column."""

    def tables(
        self, columns: Sequence[str], keys: Sequence[str] | None = None
    ) -> Iterator[pa.Table] | None:
        """As `rows`, as Arrow tables; only of files, Delta and Iceberg tables."""

    def add_columns(self, columns: TTableSchemaColumns) -> None:
        """Adds columns to an Iceberg table that lacks them, before rows are merged into it."""

    def versions(self, key: Sequence[str], version: str | None) -> Iterator[pa.Table] | None:
        """Keys and versions of all loaded rows, in chunks; None if it cannot be asked.

        Args:
            key: names of the key columns.
            version: name of the version column; None: the versions are null.

        Returns:
            Tables from `dataverse_source.sync.versions`.
        """

    def recorded(self) -> pa.Array:
        """Keys of the rows that are kept although Dataverse no longer has them."""

    def can_be_asked(self) -> bool:
        """Whether it can return its rows."""

    def has_rows(self) -> bool:
        """Whether any rows are loaded; True if the destination cannot be asked."""

    def columns(self) -> Mapping[str, TColumnSchema]:
        """The columns that dlt knows of the table, by name."""


class Files(Protocol):
    """Stores the files of a table's rows; gives rows of the table of files.

    Attributes:
        watch: is told when files are stored.
    """

    watch: Watch

    def of(self, rows: pa.Table, *, replace: bool) -> Iterator[pa.Table]:
        """The files of rows that have come; ``replace``: all rows come."""

    def gone(self, keys: pa.Array) -> Iterator[pa.Table]:
        """The files of rows that Dataverse no longer has."""

    def check(self) -> None:
        """Has `rest` make sure that each file has its row and its bytes still."""

    def rest(self, read_again: Callable[[pa.Array], Iterator[pa.Table]]) -> Iterator[pa.Table]:
        """What is left after the last row; ``read_again`` reads rows by key."""


@dataclass(frozen=True)
class Landed:
    """Rows of a table that have been read before, see `dataverse_source.sync.landed`.

    Attributes:
        plan: id of the plan that they were read for.
        state: of the table when the plan was made.
        rows: returns the rows, each once, some of them in files.
    """

    plan: str
    state: TableState
    rows: Callable[[], Iterator[pa.Table | LandedRows]]


@dataclass(frozen=True)
class TableRun:
    """One run of one table.

    Attributes:
        reader: reads the table.
        destination: the loaded table.
        columns: fingerprint of the columns that are read.
        retention: returns how long Dataverse keeps tracked changes.
        labels: columns of labels that are added to the rows.
        references: returns the other loaded tables that this table's lookups point at.
        workers: fetch and decode pages.
        load_began: when the load package began that takes the rows.
        load_id: dlt's id of it.
        run_id: id of the pipeline run, which may take several load packages.
        sync_is_explicit: ``sync`` is set for this very table.
        hidden_columns: columns whose values column security hides or masks, each with which of
            the two; None if that is unknown.
        refused_columns: columns of the metadata that Dataverse refuses in queries; not read.
        missing_newest: key of the newest row that was read, if Dataverse does not have it now.
        suspects: keys of rows that a comparison reads again even if their versions are equal.
        watch: is told how far the read is.
        abilities: what the destination can do; None if no pipeline is running.
        table_format: of the destination's table, such as ``delta``; None for the destination's own.
        column_hints: column hints of the user that change types.
        first_links: walks to the first delta links of the run's tables.
        landed: its rows, if they have been read before, in parts.
        audit_changes: makes a second table of the rows: one row a changed column.
        files: stores the files of its rows; None if none are wanted.
        environment: value of the column of environments; None: the table has none.
        is_sample: only the first pages are taken; they come one by one, and no state is stored.
        file_place: returns where files with rows may be written; None: something of the user's has
            to see the rows before they are loaded.
    """

    reader: TableReader
    destination: Destination
    columns: str
    retention: Callable[[], timedelta]
    labels: Labels = NO_LABELS
    references: Callable[[], list[TTableReferenceInline]] = list
    workers: WorkerPool = field(default_factory=WorkerPool)
    load_began: datetime | None = None
    load_id: str | None = None
    run_id: str = ""
    sync_is_explicit: bool = False
    hidden_columns: Mapping[str, str] | None = None
    refused_columns: tuple[str, ...] = ()
    missing_newest: str | None = None
    suspects: pa.Array = field(default_factory=no_keys)
    watch: Watch = field(default_factory=Watch)
    first_links: FirstLinks = field(default_factory=FirstLinks)
    abilities: Abilities | None = None
    table_format: str | None = None
    column_hints: Mapping[str, TColumnSchema] = field(default_factory=dict)
    is_sample: bool = False
    landed: Landed | None = None
    audit_changes: AuditChanges | None = None
    files: Files | None = None
    environment: str | None = None
    file_place: Callable[[], FilePlace | None] = lambda: None

    @property
    def settings(self) -> TableSettings:
        """The settings of the table."""
        return self.reader.settings

    @property
    def name(self) -> str:
        """The table's name in messages."""
        return self.reader.name

    @property
    def merge_strategy(self) -> str | None:
        """Dlt's strategy with which changes are merged; None if the destination has none."""
        return self.abilities.merge_strategy(self.table_format) if self.abilities else DELETE_INSERT

    def now(self) -> datetime:
        """Dataverse's time, in whole seconds."""
        return self.reader.now()


def read_again(run: TableRun, keys: pa.Array) -> Generator[Output, None, pa.Array]:
    """Reads rows by key; returns the keys that Dataverse has."""
    found = []
    for rows in run.reader.rows_of(keys):
        found.append(rows[run.reader.key])
        yield RowBatch(rows)
    return concat(found)
