"""Reads the tables of a source: finds them, checks them, and gives dlt their items."""

from __future__ import annotations

import copy
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

from dlt.extract.hints import TResourceHints
from dlt.extract.incremental import Incremental

from dataverse_source.client.lasting_errors import cannot_be_listed
from dataverse_source.config.log import logger
from dataverse_source.config.setting_names import in_section
from dataverse_source.config.values import is_pattern
from dataverse_source.errors import DataverseError, ResponseError
from dataverse_source.loading.connection import Connection
from dataverse_source.loading.contracts import was_kept_out
from dataverse_source.loading.delete_limit import limit_deletes
from dataverse_source.loading.environment_check import (
    Environment,
    check_environment,
    check_other_pipelines,
)
from dataverse_source.loading.environment_column import check_loaded_tables, check_pipeline
from dataverse_source.loading.file_loading import FilesOfSource
from dataverse_source.loading.first_questions import FirstQuestions
from dataverse_source.loading.item_file import ItemFile
from dataverse_source.loading.left_over import announced
from dataverse_source.loading.load_package import Package, current_package, is_selected
from dataverse_source.loading.moved_table import MovedTable
from dataverse_source.loading.own_staging import use_own_staging
from dataverse_source.loading.pipeline_errors import stops_the_run, table_error
from dataverse_source.loading.progress import TableWatch, watched
from dataverse_source.loading.row_counts import PackageCounter
from dataverse_source.loading.run_context import RunContext, current_run
from dataverse_source.loading.scheduler import Job, ManyEnds, TableScheduler
from dataverse_source.loading.table_checks import Selection, select_tables
from dataverse_source.loading.table_reading import check_name, hints_from_metadata
from dataverse_source.loading.table_runs import WAITS, TableRuns
from dataverse_source.loading.table_states import resource_state
from dataverse_source.loading.taken_files import place_of_files
from dataverse_source.metadata.model import Table
from dataverse_source.sync.active_pipeline import active_pipeline
from dataverse_source.sync.context import FilePlace, TableRun
from dataverse_source.sync.ranges import read_range
from dataverse_source.sync.run_table import range_items, table_items
from dataverse_source.sync.write.dlt_thread import DltThread
from dataverse_source.sync.write.items import Item
from dataverse_source.sync.write.nothing_loaded import NothingLoaded
from dataverse_source.sync.write.version_upserts import as_upserts

MOST_ATTEMPTS = len(WAITS) + 3
"""Attempts to read a table whose columns change meanwhile, or are refused."""

T = TypeVar("T")

_ReadTable = tuple[ItemFile, dict[str, Any]]
"""The items of a table that has been read, and its new state."""


@dataclass(frozen=True)
class _Reading:
    """One table to read in this load package.

    Attributes:
        table: its overview entry.
        stored: its state.
        package: takes its rows.
        run: the run that reads it.
        incremental: a range of a column that the user has put on the resource.
        missing_newest: key of the newest row that was read, if Dataverse does not have it now.
        file_place: returns where files with rows may be written that dlt takes as they are.
    """

    table: Table
    stored: dict[str, Any]
    package: Package
    run: RunContext
    incremental: Incremental[Any] | None
    missing_newest: str | None = None
    file_place: Callable[[], FilePlace | None] = lambda: None

    @property
    def is_limited(self) -> bool:
        """Whether the user has put a limit on the resource."""
        resource = self.package.resource(str(self.table.entity_set_name))
        return resource is not None and resource.limit is not None


class Tables:
    """Reads the tables of one source.

    Args:
        connection: to the environment; opened when the first table is read.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._runs = TableRuns(connection)
        self._files = FilesOfSource(connection.settings)
        self._dlt_thread = DltThread()
        self._scheduler = TableScheduler(lambda: connection.client.concurrency, self._dlt_thread)
        self._lock = threading.Lock()
        self._selection: Selection | None = None
        self._checked: str | None = None
        self._selected_in: str | None = None
        self._selected_tables: Sequence[Table] = ()
        self._questions = FirstQuestions(connection)
        self._ends = ManyEnds()

    @property
    def connection(self) -> Connection:
        """The connection to the environment."""
        return self._connection

    @property
    def configured_names(self) -> tuple[str, ...]:
        """Names and patterns in the settings, and names of queries."""
        settings = self._connection.settings
        return (*settings.tables, *settings.queries)

    def names(self) -> list[str]:
        """The names of the tables, each once; those that Dataverse does not have as configured.

        Raises:
            DataverseError: metadata cannot be read.
        """
        found: list[str] = []
        for name, tables in self._questions.tables().items():
            if isinstance(tables, DataverseError):
                found.append(name)
            else:
                found += [str(one.entity_set_name) for one in tables]
        return list(dict.fromkeys(found))

    def configured_as(self, name: str) -> list[str]:
        """The names of the tables that a configured name or pattern stands for."""
        tables = self._connection.metadata.by_configured_name().get(name)
        if tables is None or isinstance(tables, DataverseError):
            return []
        return [str(one.entity_set_name) for one in tables]

    def hints(self, name: str) -> TResourceHints:
        """Hints of a table, from its metadata.

        Raises:
            DataverseError: metadata cannot be read.
        """
        check_name(self._connection, name)
        return hints_from_metadata(self._connection, name)

    def key(self, name: str) -> str:
        """The key column of a table."""
        return self._connection.metadata.resolve(name).primary_id

    def is_selected(self, name: str) -> bool:
        """Whether the rows of a table are loaded; if not, they only feed transformers."""
        return is_selected(name)

    def items(self, name: str, incremental: Incremental[Any] | None) -> Iterator[Item | None]:
        """Items of a table; None while there is nothing to give, as several are read at once.

        Args:
            name: of the table.
            incremental: a range of a column that the user has put on the resource.

        Raises:
            DataverseError: the table failed; if the run isolates tables, only errors that affect
                all of them are raised.
        """
        try:
            with self._dlt_thread:
                yield from self._items(name, incremental)
        except DataverseError as error:
            in_section(error, self._connection.section)
            raise
        yield from self._ends.wait()

    def _items(self, name: str, incremental: Incremental[Any] | None) -> Iterator[Item | None]:
        run, package = current_run(), current_package(self._dlt_thread.ask, self._clock_offset)
        run.count(self._connection.client)
        self._check_environment(package, run)
        table = self._table(name, package, run)
        selected = self._selected(package)
        refused, world = self._questions.look(package, run, selected)
        if table is None or not run.includes(table.logical_name):
            return
        loads = package.selected is None or name in package.selected
        if loads:
            run.names[name] = table.logical_name
            run.resources.setdefault(name, set()).add(table.logical_name)
        else:  # the rows feed transformers only: the table itself is not loaded
            package = replace(package, destination=lambda *_: NothingLoaded())
        state = resource_state(package, name, table.logical_name, loads=loads)
        stored = state.setdefault("tables", {}).setdefault(table.logical_name, {})
        if table.logical_name in refused:
            return
        missing = None
        if loads:
            moved = MovedTable(table, state, stored, package, run)
            missing = moved.follow(world, self._connection.organization_id)
        as_files = place_of_files(package, name, self._dlt_thread.ask)
        reading = _Reading(table, stored, package, run, incremental, missing, as_files)
        alone = not run.isolates and len(selected) <= 1
        if alone or reading.is_limited:
            yield from self._read(reading, stored, take=_started)
        elif incremental is None:
            yield from self._scheduler.items([self._job(reading)])
        else:  # dlt must be told of a range on its own thread
            job = self._job(reading)
            yield from job.on_complete(job.read)

    def _clock_offset(self) -> timedelta:
        """By how much Dataverse's clock is ahead; asked only if versions of rows need it."""
        connection = self._connection
        return connection.clock_offset if connection.settings.has_histories else timedelta()

    def _check_environment(self, package: Package, run: RunContext) -> None:
        """Once a load package, before the first table."""
        if package.source_state is None or package.load_id == self._checked:
            return
        connection, pipeline = self._connection, active_pipeline()
        now = Environment(
            connection.organization_id,
            connection.environment,
            connection.settings.environment_column,
        )
        if pipeline is not None:  # `load` has done so; dlt's own run has not begun to load yet
            use_own_staging(pipeline)
            check_pipeline(pipeline, package, run.environments, now)
        check_other_pipelines(run.environments, now)
        check_environment(package.source_state, now)
        self._checked = package.load_id

    def _selected(self, package: Package) -> Sequence[Table]:
        """The tables that are read in this run, found once a load package."""
        if package.load_id is None or package.load_id != self._selected_in:
            self._selected_tables = [
                table
                for table in (self._selection.all if self._selection else ())
                if package.selected is None or str(table.entity_set_name) in package.selected
            ]
            self._selected_in = package.load_id
        return self._selected_tables

    def _job(self, reading: _Reading) -> Job[_ReadTable]:
        """Reads a table on a thread of its own; its state changes with its last item."""

        def read() -> _ReadTable:
            state = copy.deepcopy(reading.stored)
            return self._read(reading, state, take=ItemFile), state

        def on_complete(result: Callable[[], _ReadTable]) -> Iterator[Any]:
            run, name = reading.run, str(reading.table.entity_set_name)
            try:
                items, state = result()
            except Exception as error:  # also those of pyarrow and of the destination's driver
                if not run.isolates or stops_the_run(error, known=bool(reading.stored)):
                    raise
                logical_name = reading.table.logical_name
                configured_as = self._connection.metadata.configured_as(logical_name)
                if (
                    isinstance(error, DataverseError)
                    and cannot_be_listed(error)
                    and is_pattern(configured_as)
                    and not reading.stored
                ):
                    run.leave_out(name, configured_as, error)
                    return
                failure = in_section(table_error(name, error), self._connection.section)
                run.record_failure(logical_name, name, failure)
                return
            run.giving = name
            yield from items
            run.giving = None
            if state != reading.stored:
                reading.stored.clear()
                reading.stored.update(state)

        return Job(read, on_complete, lambda complete: complete[0].close())

    def _read(
        self, reading: _Reading, stored: dict[str, Any], *, take: Callable[[Iterator[Any]], T]
    ) -> T:
        """The table's items, of which ``take`` takes the first, or all.

        If that fails because the table's columns have changed, or because Dataverse does not know
        a new one yet, it is tried again with the columns that can be read.
        """
        run = self._runs.new(reading.table.logical_name, reading.package)
        if stored.get("complete"):
            reason = self._dlt_thread.ask(lambda: was_kept_out(run, reading.package))
            if reason is not None:
                logger.warning("%s: %s; all its rows are read again", run.name, reason)
                stored.clear()
        for attempt in range(MOST_ATTEMPTS):
            try:
                return take(_items(reading, self._with_files(run, reading), stored))
            except ResponseError as error:
                changed = self._runs.after_refusal(run, reading.package, error, attempt)
                if changed is None:
                    raise
                run = changed
        return take(_items(reading, self._with_files(run, reading), stored))

    def _with_files(self, run: TableRun, reading: _Reading) -> TableRun:
        return replace(run, files=self._files.of_table(run, reading.package, reading.run))

    def _table(self, name: str, package: Package, run: RunContext) -> Table | None:
        """The table of a name, None if it failed; the first call checks all of the source."""
        with self._lock:
            if self._selection is None:
                self._selection = select_tables(
                    self._connection, self._runs, package, run, self._files
                )
                if self._connection.settings.environment_column is not None:
                    check_loaded_tables(package, self._selection.all)
            for logical_name, (shown, error) in self._selection.failures.items():
                run.record_failure(logical_name, shown, error)
            if name not in self._selection.failures:
                check_name(self._connection, name)
            return self._selection.by_entity_set.get(name)


def _items(reading: _Reading, run: TableRun, stored: dict[str, Any]) -> Iterator[Any]:
    name = reading.package.loaded_as(run.name)
    suspects = reading.run.suspects_of(reading.table.logical_name, name)
    if run.name not in reading.run.names:  # renamed since the tables were found
        reading.run.names[run.name] = reading.table.logical_name
    watch = TableWatch(run.name, reading.run.observer, reading.run.rows_read)
    if run.files is not None:
        run.files.watch = watch
    there = reading.run.rows_there.get(reading.table.logical_name)
    run = replace(
        run,
        reader=replace(run.reader, rows=there),
        suspects=suspects,
        missing_newest=reading.missing_newest,
        watch=watch,
        first_links=reading.run.first_links,
        landed=reading.run.landed.get(reading.table.logical_name),
        file_place=reading.file_place,
    )
    if reading.incremental is None:
        items = table_items(run, stored)
    else:
        items = range_items(run, read_range(run, reading.incremental))
    items = limit_deletes(run, items, reading.run.rows_before.get(name))
    items = watched(reading.run.observer, run.name, run.reader.client, items)
    if reading.package.load_id is not None:
        items = _counted(reading, run, items, reading.run.rows_before.get(name))
        if not reading.run.in_load and reading.incremental is None:
            items = announced(items, run.name, stored)
    return as_upserts(run, items)


def _counted(
    reading: _Reading, run: TableRun, items: Iterator[Any], rows: int | None
) -> Iterator[Any]:
    counter = PackageCounter(run, rows)
    yield from counter.items(items)
    reading.run.pending[reading.table.logical_name] = counter.counts


def _started(items: Iterator[Any]) -> Iterable[Any]:
    """The items, of which the first has been fetched already."""
    return itertools.chain(list(itertools.islice(items, 1)), items)
