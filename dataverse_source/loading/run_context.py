"""What all threads of one run share: tables to read, observer, failures, clients.

dlt calls the source's resources without arguments of ours, so the run is handed over through
dlt's container.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar
from weakref import WeakSet

import pyarrow as pa
from dlt.common.configuration import configspec
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.base_configuration import ContainerInjectableContext
from dlt.common.normalizers.naming import NamingConvention

from dataverse_source.arrow.keys import no_keys
from dataverse_source.client.counters import Counters, TableCosts
from dataverse_source.config.log import logger
from dataverse_source.errors import DataverseError
from dataverse_source.loading.progress import Observer
from dataverse_source.loading.row_counts import RowCounts
from dataverse_source.sync.context import Landed
from dataverse_source.sync.files.place import FilesPlace
from dataverse_source.sync.first_links import FirstLinks
from dataverse_source.sync.temporary_database import SharedDatabase
from dataverse_source.sync.write.file_rows import FileCounts

_counted: WeakSet[Any] = WeakSet()
"""The clients whose requests a run has counted."""

EVERY_TABLE = "*"
"""Means all tables, in `RunContext.reasons` and `RunContext.comparisons`."""


@dataclass
class FileWork:
    """What a load package does to the files of one table.

    Attributes:
        place: where they are.
        counts: what was done.
        digests: of files that were stored, by table, key and column; None for one that is gone.
        replaced: those whose other bytes are to be removed when the run's packages are loaded.
    """

    place: FilesPlace
    counts: FileCounts = field(default_factory=FileCounts)
    digests: dict[tuple[str, str, str], str | None] = field(default_factory=dict)
    replaced: set[tuple[str, str, str]] = field(default_factory=set)


@configspec
class RunContext(ContainerInjectableContext):
    """One run of `load`, or of a pipeline without it.

    Attributes:
        observer: an `Observer` that follows the run, or None.
        isolates: whether a table that fails is recorded while the others continue; if not, its
            error ends the run. dlt discards what all tables have given when one of them raises,
            so an isolated table gives nothing before it has been read completely.
        only: logical names of the tables to read; None for all.
        failures: name in messages and error of each failed table, by logical name.
        names: logical name of each table that is read, by entity set name.
        resources: logical names of the tables that are read, by resource.
        giving: entity set name of the table whose items dlt is taking, if any.
        reasons: why tables have to be read in full, by table of the destination, see
            `DestinationMemory`.
        comparisons: why tables have to be compared with Dataverse, by table of the destination or
            by logical name.
        is_restored: the environment is an older one than at the last run.
        suspects: keys of rows that these comparisons read again, by table of the destination.
        rows_before: rows in the destination before the run, by table.
        lost: columns that dlt has loaded, and that tables no longer have, by table of the
            destination.
        environments: those that other pipelines of the dataset have loaded, by pipeline.
        up_to_date: logical names of the tables for which ``reasons`` and ``comparisons`` no longer
            hold.
        left_out: tables that patterns match but Dataverse cannot list, with the reason.
        pending: what the load package that is being filled does, by logical name.
        counts: what the loaded packages have done, by logical name.
        file_work: what the load package that is being filled does to files, by logical name.
        files_tried: key and column of files that the run has tried to store, likewise.
        files_done: what the loaded packages have done to files, likewise.
        rows_read: rows that have been read, loaded or not, by entity set name.
        rows_there: about how many rows Dataverse has of tables that are read in full, by logical
            name; None if it does not say.
        schema_changes: what has changed in the metadata of tables, by entity set name.
        clients: the clients used, each with what it had counted for earlier runs.
        landed: rows of tables that have been read before, in parts, by logical name.
        first_links: walks to the first delta links of the tables.
        database: keeps the database of temporary tables open between them.
        in_load: whether `load` runs, which also does what comes after dlt's own load.
    """

    can_create_default: ClassVar[bool] = False
    observer: Any = None
    in_load: bool = False
    isolates: bool = False
    only: frozenset[str] | None = None
    failures: dict[str, tuple[str, DataverseError]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    resources: dict[str, set[str]] = field(default_factory=dict)
    giving: str | None = None
    reasons: dict[str, str] = field(default_factory=dict)
    comparisons: dict[str, str] = field(default_factory=dict)
    is_restored: bool = False
    suspects: dict[str, pa.Array] = field(default_factory=dict)
    rows_before: dict[str, int | None] = field(default_factory=dict)
    lost: Mapping[str, Collection[str]] = field(default_factory=dict)
    environments: Mapping[str, Any] = field(default_factory=dict)
    up_to_date: set[str] = field(default_factory=set)
    left_out: dict[str, str] = field(default_factory=dict)
    pending: dict[str, RowCounts] = field(default_factory=dict)
    counts: dict[str, RowCounts] = field(default_factory=dict)
    file_work: dict[str, FileWork] = field(default_factory=dict)
    files_done: dict[str, list[FileWork]] = field(default_factory=dict)
    files_tried: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    schema_changes: dict[str, list[str]] = field(default_factory=dict)
    rows_read: dict[str, int] = field(default_factory=dict)
    rows_there: dict[str, int | None] = field(default_factory=dict)
    clients: dict[int, tuple[Any, Counters, Mapping[str, TableCosts]]] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.Lock)
    landed: dict[str, Landed] = field(default_factory=dict)
    first_links: Any = field(default_factory=FirstLinks)
    database: Any = field(default_factory=SharedDatabase.of_process)

    def includes(self, logical_name: str) -> bool:
        """Whether a table is to be read."""
        if logical_name in self.failures:
            return False
        return self.only is None or logical_name in self.only

    def reason_to_read_again(self, logical_name: str, table: str) -> str | None:
        """Why a table, by its name in the destination, has to be read in full; None if not."""
        if logical_name in self.up_to_date:
            return None
        return self.reasons.get(table) or self.reasons.get(EVERY_TABLE)

    def reason_to_compare(self, logical_name: str, table: str) -> str | None:
        """Why a table, by its name in the destination, has to be compared; None if not."""
        if logical_name in self.up_to_date:
            return None
        names = (table, logical_name, EVERY_TABLE)
        return next((self.comparisons[one] for one in names if one in self.comparisons), None)

    def lost_columns(self, name: str, table: str) -> Collection[str]:
        """What a table, by entity set name and name in the destination, has lost still."""
        is_loaded = self.names.get(name) in self.up_to_date
        return () if is_loaded else self.lost.get(table, ())

    def suspects_of(self, logical_name: str, table: str) -> pa.Array:
        """Keys of a table, by its name in the destination, that its comparison reads again."""
        if logical_name in self.up_to_date:
            return no_keys()
        return self.suspects.get(table, no_keys())

    def loaded(self, tables: frozenset[str] | None) -> None:
        """A load package with these tables, or with all, has been loaded."""
        for name, counts in self.pending.items():
            self.counts[name] = self.counts.get(name, RowCounts()) + counts
        self.pending.clear()
        for name, work in self.file_work.items():
            self.files_done.setdefault(name, []).append(work)
        self.file_work.clear()
        self.up_to_date |= set(self.names.values()) if tables is None else tables

    def done(self, naming: NamingConvention) -> set[str]:
        """The tables that were loaded, by name in the destination and by logical name."""
        found = self.up_to_date - set(self.failures)
        names = (name for name, logical_name in self.names.items() if logical_name in found)
        return found | {naming.normalize_table_identifier(name) for name in names}

    def name_of(self, logical_name: str) -> str:
        """The name of a table in messages."""
        return next(
            (one for one, other in self.names.items() if other == logical_name), logical_name
        )

    def record_failure(self, logical_name: str, name: str, error: DataverseError) -> None:
        """Records why a table failed; its rows and its state stay as they were."""
        if logical_name in self.failures:
            return
        logger.error("%s was not loaded: %s", name, error.what)  # the run ends with all of it
        self.pending.pop(logical_name, None)
        self.file_work.pop(logical_name, None)
        self.failures[logical_name] = name, error

    def leave_out(self, name: str, pattern: str, error: DataverseError) -> None:
        """Records that a table is not loaded, as Dataverse cannot list it; the run succeeds."""
        logger.warning(
            "The pattern %r leaves out %s: %s. Add it to exclude to stop asking for it",
            pattern,
            name,
            error.why or error.what,
        )
        self.left_out[name] = error.why or error.what

    def count(self, client: Any) -> None:
        """Counts the requests of ``client`` from now on.

        Its first run also has those before it: they found out which tables there are.
        """
        with self.lock:
            if id(client) in self.clients:
                return
            is_new = client not in _counted
            _counted.add(client)
            before = (Counters(), {}) if is_new else (client.counters, client.costs_by_path)
            self.clients[id(client)] = client, *before

    @property
    def counters(self) -> Counters:
        """Sum of the counters of all clients since the run began."""
        with self.lock:
            each = [client.counters.since(before) for client, before, _ in self.clients.values()]
        return Counters.total(each)

    def costs_of(self, table: str) -> TableCosts:
        """What requests to a table's own address have cost since the run began."""
        none = TableCosts()
        with self.lock:
            each = [
                client.costs_by_path.get(table, none) - before.get(table, none)
                for client, _, before in self.clients.values()
            ]
        return sum(each, none)


@contextmanager
def running(context: RunContext) -> Iterator[RunContext]:
    """While it lasts, `current_run` returns ``context`` on dlt's threads."""
    with Container().injectable_context(context):
        yield context


@contextmanager
def observed(observer: Observer) -> Iterator[None]:
    """While it lasts, ``observer`` follows every run."""
    with running(RunContext(observer=observer)):
        yield


def current_run() -> RunContext:
    """The context in force; an empty one if there is none. Call it on dlt's own thread."""
    container = Container()
    return container[RunContext] if RunContext in container else RunContext()
