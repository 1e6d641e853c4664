"""What one run of one table works with, and what it hands over: rows, and keys of gone rows."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, Union

import pyarrow as pa
import pyarrow.compute as pc
from dlt.common.schema.typing import TColumnSchema, TTableReferenceInline

from dataverse_source.arrow.labels import NO_LABELS, Labels
from dataverse_source.config.settings import TableSettings
from dataverse_source.sync.read.table_reader import TableReader, joined
from dataverse_source.sync.read.workers import WorkerPool
from dataverse_source.sync.state import TableState


@dataclass(frozen=True)
class RowBatch:
    """Rows as they are now.

    Attributes:
        table: with the columns of the table's schema.
        replace: they and what follows take the place of all rows that are loaded. Either all
            rows of a run say so, or none.
    """

    table: pa.Table
    replace: bool = False


@dataclass(frozen=True)
class DeletedKeys:
    """Keys of rows that Dataverse does not have any more, or never seen ones."""

    keys: pa.Array


Output = Union[RowBatch, DeletedKeys]  # noqa: UP007 (`X | Y` of classes is not for Python 3.10's generics)
SyncSteps = Generator[Output, None, TableState]
"""What a way to keep a table in step is: it gives output, and in the end the new state."""


class Destination(Protocol):
    """What is asked of the destination."""

    def keys(self) -> pa.Array | None:
        """Keys of the rows that are loaded; None where they can't be asked for."""

    def recorded(self) -> pa.Array:
        """Keys of the rows that are kept although Dataverse does not have them any more."""

    def has_rows(self) -> bool:
        """Whether rows are loaded, or may be."""

    def columns(self) -> Mapping[str, TColumnSchema]:
        """What dlt knows of the table's columns, by name."""


@dataclass(frozen=True)
class TableRun:
    """One run of one table.

    Attributes:
        reader: reads the table.
        destination: where its rows are loaded.
        columns: fingerprint of what is read.
        retention: asks how long Dataverse keeps track of changes.
        labels: columns of labels that are added to the rows.
        references: gives the other loaded tables that this one points at.
        crew: threads that fetch and decode pages.
        load_began: when the load package began that takes the rows.
        run_id: tells one run of the pipeline, of several packages maybe, from others.
    """

    reader: TableReader
    destination: Destination
    columns: str
    retention: Callable[[], timedelta]
    labels: Labels = NO_LABELS
    references: Callable[[], list[TTableReferenceInline]] = list
    crew: WorkerPool = field(default_factory=WorkerPool)
    load_began: datetime | None = None
    run_id: str = ""

    @property
    def settings(self) -> TableSettings:
        """The settings of the table."""
        return self.reader.settings

    @property
    def name(self) -> str:
        """What the table is called in messages."""
        return self.reader.name

    def now(self) -> datetime:
        """Dataverse's time, in whole seconds."""
        return self.reader.now()


def without(keys: pa.Array, others: pa.Array) -> pa.Array:
    """The keys, each once, that are not among ``others``."""
    return pc.unique(keys.filter(pc.invert(pc.is_in(keys, value_set=others))))


def common(keys: pa.Array, others: pa.Array) -> pa.Array:
    """The keys, each once, that are among ``others`` too."""
    return pc.unique(keys.filter(pc.is_in(keys, value_set=others)))


def read_again(run: TableRun, keys: pa.Array) -> Generator[Output, None, pa.Array]:
    """Reads rows by key; returns the keys of those that were there."""
    found = []
    for rows in run.reader.rows_of(keys):
        found.append(rows[run.reader.key])
        yield RowBatch(rows)
    return joined(found)
