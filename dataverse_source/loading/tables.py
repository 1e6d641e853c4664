"""The tables of a source: what configured names stand for, checked before the first is read."""

from __future__ import annotations

import copy
import itertools
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from dlt.extract.incremental import Incremental

from dataverse_source.arrow.labels import NO_LABELS
from dataverse_source.arrow.schema import table_schema
from dataverse_source.config.log import logger
from dataverse_source.config.settings import Settings, table_not_loaded
from dataverse_source.errors import (
    AuthenticationError,
    ConfigurationError,
    DataverseError,
    ResponseError,
    UnknownNameError,
)
from dataverse_source.loading.catalog.resource import table_labels, table_references
from dataverse_source.loading.connection import Connection
from dataverse_source.loading.load_package import Package, current_package
from dataverse_source.loading.progress import Observer, current_observer, observing, watched
from dataverse_source.loading.read_access import refused_tables
from dataverse_source.loading.run_context import Aside, Isolation, current_isolation
from dataverse_source.loading.scheduler import Job, TableScheduler
from dataverse_source.metadata.column_selection import select_columns
from dataverse_source.metadata.model import Table
from dataverse_source.metadata.table_selection import is_pattern
from dataverse_source.sync.changes import has_expired
from dataverse_source.sync.context import TableRun
from dataverse_source.sync.cursor import read_range
from dataverse_source.sync.plan import Plan, make_plan
from dataverse_source.sync.read.table_reader import TableReader
from dataverse_source.sync.read.workers import WorkerPool
from dataverse_source.sync.retention import Retention
from dataverse_source.sync.run_table import range_items, table_items
from dataverse_source.sync.state import TableState, fingerprint
from dataverse_source.sync.write.destination import merge_strategies
from dataverse_source.sync.write.history import check_history
from dataverse_source.sync.write.items import MERGE

SHARED_BY_ALL = (ConfigurationError, UnknownNameError, AuthenticationError)
"""Failures that no other table can be better off with."""


T = TypeVar("T")

_Complete = tuple[Aside, dict[str, Any]]
"""The items of a table that has been read, and its new state."""


@dataclass(frozen=True)
class _Reading:
    """One table, as it is to be read in this run.

    Attributes:
        table: its overview entry.
        name: what stands for it in the settings.
        stored: its state.
        package: that takes its rows.
        observer: who is told how far it is.
    """

    table: Table
    name: str
    stored: dict[str, Any]
    package: Package
    observer: Observer | None


class Tables:
    """Reads the tables of one source.

    Args:
        connection: to the environment; opened when the first table is read.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._found: dict[str, list[Table]] | None = None
        self._refused: tuple[str | None, frozenset[str]] = None, frozenset()
        self._retention: Retention | None = None
        self._crew = WorkerPool()
        self._at_once = TableScheduler(self._concurrency)
        self._run_id = secrets.token_hex(4)

    def items(
        self, name: str, state: dict[str, Any], cursor: Incremental[datetime] | None
    ) -> Iterator[Any]:
        """Items for dlt of the tables that a configured name stands for.

        Several tables are read at once; None stands for a table that is not complete yet.

        Args:
            name: as in the settings.
            state: of the resource.
            cursor: a range of modifiedon that the user has put on the resource.

        Raises:
            DataverseError: what went wrong; when tables are isolated (see
                `dataverse_source.loading.run_context`) only what no table gets by.
        """
        isolation, package = current_isolation(), current_package()
        tables, readings = self._tables(name, package), []
        refused = self._refused_tables(package, isolation)
        for table in tables:
            if isolation and not isolation.takes(table.logical_name):
                continue
            stored = state.setdefault("tables", {}).setdefault(table.logical_name, {})
            if table.logical_name not in refused:
                readings.append(_Reading(table, name, stored, package, current_observer()))
        if isolation is None and len(list(self._selected(package))) <= 1:
            for reading in readings:
                yield from self._begun(reading, reading.stored, cursor, take=_started)
            return
        jobs = [self._job(reading, isolation, cursor) for reading in readings]
        if cursor is None:
            yield from self._at_once.items(jobs)
            return
        for job in jobs:  # dlt wants to be told of a range on its own thread
            yield from job.give(job.read)

    def _selected(self, package: Package) -> Iterator[tuple[str, Table]]:
        """The tables that are read in this run, each with what stands for it in the settings."""
        for name, tables in (self._found or {}).items():
            if package.selected is None or name in package.selected:
                yield from ((name, table) for table in tables)

    def _refused_tables(self, package: Package, isolation: Isolation | None) -> frozenset[str]:
        """Logical names of the tables that the user may not read; told before any is read."""
        if package.load_id is None:
            return frozenset()
        with self._lock:
            if package.load_id != self._refused[0]:
                refused = refused_tables(self._connection.client, self._new(package, isolation))
                self._tell(refused, isolation)
                names = frozenset(table.logical_name for table, _ in refused)
                self._refused = package.load_id, names
            return self._refused[1]

    def _new(self, package: Package, isolation: Isolation | None) -> list[Table]:
        """The tables that have not been read before; none where there is only one to read."""
        selected = list(self._selected(package))
        if len(selected) <= 1:
            return []
        new = [table for name, table in selected if not package.knows(name, table.logical_name)]
        return [one for one in new if isolation is None or isolation.takes(one.logical_name)]

    def _tell(
        self, refused: Sequence[tuple[Table, DataverseError]], isolation: Isolation | None
    ) -> None:
        """Notes failures of isolated tables; raises the first one of others."""
        client, observer = self._connection.client, current_observer()
        for table, error in refused:
            name = str(table.entity_set_name)
            if isolation is None:
                logger.error("%s can't be read: %s", name, error)
                continue
            isolation.failed(table.logical_name, name, error)
            if observer is not None:
                observer.began(name, client)
                observer.ended(name, error)
        if isolation is None and refused:
            raise refused[0][1]

    def _concurrency(self) -> int:
        return self._connection.client.concurrency

    def _job(
        self,
        reading: _Reading,
        isolation: Isolation | None,
        cursor: Incremental[datetime] | None,
    ) -> Job[_Complete]:
        """Reads a table on a thread of its own; its state changes with its last item."""

        def read() -> _Complete:
            state = copy.deepcopy(reading.stored)
            with observing(reading.observer):
                return self._begun(reading, state, cursor, take=Aside), state

        def give(result: Callable[[], _Complete]) -> Iterator[Any]:
            try:
                items, state = result()
            except SHARED_BY_ALL:
                raise
            except DataverseError as error:
                if isolation is None:
                    raise
                table = reading.table
                isolation.failed(table.logical_name, str(table.entity_set_name), error)
                return
            yield from items
            if state != reading.stored:
                reading.stored.clear()
                reading.stored.update(state)

        return Job(read, give, lambda complete: complete[0].close())

    def _begun(
        self,
        reading: _Reading,
        stored: dict[str, Any],
        cursor: Incremental[datetime] | None,
        *,
        take: Callable[[Iterator[Any]], T],
    ) -> T:
        """The table's items, of which ``take`` takes the first, or all.

        A failure before that may come from a change of the schema while it was read: then it
        is tried once more with the columns that the table has now.
        """
        run = self._run(reading.table, reading.name, reading.package)
        try:
            return take(_items(run, stored, cursor))
        except ResponseError as error:
            changed = self._changed(run, reading, error)
            if changed is None:
                raise
        return take(_items(changed, stored, cursor))

    def _changed(self, run: TableRun, reading: _Reading, error: ResponseError) -> TableRun | None:
        """The run with the table's present columns, if a change of them explains ``error``."""
        expired = has_expired(error)
        if not expired and error.status not in (400, 404):
            return None
        metadata = self._connection.metadata
        metadata.refresh()
        try:
            table = metadata.resolve(run.reader.table.logical_name)
            changed = self._run(table, reading.name, reading.package)
        except UnknownNameError:
            return None
        return changed if expired or changed.columns != run.columns else None

    def _run(self, overview: Table, name: str, package: Package) -> TableRun:
        settings = self._connection.settings.of_table(
            name, str(overview.entity_set_name), overview.logical_name
        )
        table = self._connection.metadata.table(overview.logical_name)
        columns = tuple(select_columns(table, settings.select))
        schema = table_schema(table, columns)
        labels = table_labels(self._connection, schema) if settings.labels else NO_LABELS
        client = self._connection.client
        reader = TableReader(client, table, columns, schema, settings)
        if self._retention is None:
            self._retention = Retention(client)
        return TableRun(
            reader,
            package.place(reader.name, reader.key),
            fingerprint(
                self._connection.environment,
                schema,
                settings.filter,
                labels.fingerprint,
                history=settings.history,
            ),
            self._retention,
            labels,
            lambda: table_references(self._connection, schema),
            self._crew,
            load_began=package.began,
            run_id=self._run_id,
        )

    def _tables(self, name: str, package: Package) -> list[Table]:
        """The tables of one configured name; all of the source are checked at first."""
        with self._lock:
            if self._found is None:
                self._found = self._checked(package)
            return self._found[name]

    def _checked(self, package: Package) -> dict[str, list[Table]]:
        settings, metadata = self._connection.settings, self._connection.metadata
        found: dict[str, list[Table]] = {}
        taken: set[str] = set()
        named = [one for one in settings.tables if not is_pattern(one)]
        for name in (*named, *(one for one in settings.tables if one not in named)):
            tables = [one for one in metadata.select([name]) if one.logical_name not in taken]
            taken |= {one.logical_name for one in tables}
            found[name] = tables
        _check_table_settings(settings, found)
        for name, tables in found.items():
            for table in tables:
                run = self._run(table, name, package)
                plan = make_plan(run.reader.table, run.settings, TableState(), run.now())
                check_history(run)
                _check_merging(run, plan)
        return found


def _check_merging(run: TableRun, plan: Plan) -> None:
    """Refuses what takes merges where dlt would append rows, deleted ones too, with a warning."""
    strategies = merge_strategies()
    if strategies is None or MERGE["strategy"] in strategies:
        return
    settings = run.settings
    if plan.mode == "full" and settings.deletes == "remove" and not settings.max_rows_per_load:
        return
    raise ConfigurationError(
        f"Table {run.name} can't be kept in step at this destination: rows that have changed "
        "can't be merged there, as dlt does not offer its strategy "
        f"{MERGE['strategy']} and would append them",
        where=f"[sources.dataverse.table_settings.{run.name}]",
        remedy="Load into a database; or set sync = 'full', with neither deletes = 'keep' nor "
        "max_rows_per_load, to have all rows replaced in each run.",
    )


def _items(
    run: TableRun, stored: dict[str, Any], cursor: Incremental[datetime] | None
) -> Iterator[Any]:
    if cursor is None:
        items = table_items(run, stored)
    else:
        items = range_items(run, read_range(run, cursor))
    return watched(run.name, run.reader.client, items)


def _started(items: Iterator[Any]) -> Iterable[Any]:
    """The items, of which the first has come already."""
    return itertools.chain(list(itertools.islice(items, 1)), items)


def _check_table_settings(settings: Settings, found: Mapping[str, Sequence[Table]]) -> None:
    """Refuses settings of tables that no pattern stands for."""
    known = set(found)
    for tables in found.values():
        known |= {name for one in tables for name in (str(one.entity_set_name), one.logical_name)}
    for name in settings.table_settings:
        if name not in known:
            raise table_not_loaded(name, sorted(known))
