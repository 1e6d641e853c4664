"""Reads the tables of a source: finds them, checks them, and gives dlt their items."""

from __future__ import annotations

import copy
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from dlt.common.schema.typing import TTableSchema
from dlt.extract.incremental import Incremental

from dataverse_source.client.lasting_errors import cannot_be_listed
from dataverse_source.config.log import logger
from dataverse_source.config.values import is_pattern
from dataverse_source.errors import DataverseError, ResponseError
from dataverse_source.loading.connection import Connection
from dataverse_source.loading.delete_limit import limit_deletes
from dataverse_source.loading.environment_check import check_environment
from dataverse_source.loading.item_file import ItemFile
from dataverse_source.loading.load_package import Package, current_package
from dataverse_source.loading.pipeline_errors import stops_the_run, table_error
from dataverse_source.loading.progress import TableWatch, watched
from dataverse_source.loading.read_access import first_look
from dataverse_source.loading.row_counts import PackageCounter
from dataverse_source.loading.run_context import RunContext, current_run
from dataverse_source.loading.scheduler import Job, TableScheduler
from dataverse_source.loading.table_checks import Selection, select_tables
from dataverse_source.loading.table_runs import WAITS, TableRuns
from dataverse_source.loading.user_rights import CHANGED
from dataverse_source.loading.world_check import WorldCheck
from dataverse_source.metadata.model import Table
from dataverse_source.sync.context import TableRun
from dataverse_source.sync.cursor import read_range
from dataverse_source.sync.run_table import range_items, table_items
from dataverse_source.sync.state import COMPARED
from dataverse_source.sync.write.dlt_thread import DltThread

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
        configured_as: the name or pattern in the settings that matches it.
        stored: its state.
        package: takes its rows.
        run: the run that reads it.
        cursor: a range of modifiedon that the user has put on the resource.
        missing_newest: key of the newest row that was read, if Dataverse does not have it now.
    """

    table: Table
    configured_as: str
    stored: dict[str, Any]
    package: Package
    run: RunContext
    cursor: Incremental[datetime] | None
    missing_newest: str | None = None


class Tables:
    """Reads the tables of one source.

    Args:
        connection: to the environment; opened when the first table is read.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._runs = TableRuns(connection)
        self._dlt_thread = DltThread()
        self._scheduler = TableScheduler(lambda: connection.client.concurrency, self._dlt_thread)
        self._lock = threading.Lock()
        self._selection: Selection | None = None
        self._checked: str | None = None
        self._refused: tuple[str | None, frozenset[str]] = None, frozenset()
        self._world_check = WorldCheck(connection)

    def items(
        self, name: str, state: dict[str, Any], cursor: Incremental[datetime] | None
    ) -> Iterator[Any]:
        """Items for dlt of the tables that a configured name matches.

        Several tables are read at once; None means that no table is complete yet.

        Args:
            name: as in the settings.
            state: of the resource.
            cursor: a range of modifiedon that the user has put on the resource.

        Raises:
            DataverseError: a table failed; if the run isolates tables, only errors that affect
                all of them are raised.
        """
        with self._dlt_thread:
            yield from self._items(name, state, cursor)

    def _items(
        self, name: str, state: dict[str, Any], cursor: Incremental[datetime] | None
    ) -> Iterator[Any]:
        run, package = current_run(), current_package(self._dlt_thread.ask, self._clock_offset)
        run.count(self._connection.client)
        self._check_environment(package)
        tables, readings = self._tables(name, package, run), []
        refused = self._refused_tables(package, run)
        world = self._world_check.findings(package, run, self._selected(package))
        for table in tables:
            if not run.includes(table.logical_name):
                continue
            table_name = str(table.entity_set_name)
            run.names[table_name] = table.logical_name
            run.resources.setdefault(name, set()).add(table.logical_name)
            stored = state.setdefault("tables", {}).setdefault(table.logical_name, {})
            if table.logical_name not in refused:
                organizations = state.setdefault("organizations", {})
                finding = world.newest.get(table.logical_name)
                missing = stored.get("newest", {}).get("key") if finding == "gone" else None
                if missing and stored.get("mode") == "cursor":
                    stored.pop(COMPARED, None)  # deleted, or never there
                if world.rights:
                    rights = state.setdefault("rights", {})
                    if rights.get(table.logical_name, world.rights) != world.rights:
                        run.comparisons.setdefault(package.loaded_as(table_name), CHANGED)
                    rights[table.logical_name] = world.rights
                self._restart_if_moved(table, stored, organizations, package, run)
                readings.append(_Reading(table, name, stored, package, run, cursor, missing))
        if not run.isolates and len(list(self._selected(package))) <= 1:
            for reading in readings:
                yield from self._read(reading, reading.stored, take=_started)
            return
        jobs = [self._job(reading) for reading in readings]
        if cursor is None:
            yield from self._scheduler.items(jobs)
            return
        for job in jobs:  # dlt must be told of a range on its own thread
            yield from job.on_complete(job.read)

    def _clock_offset(self) -> timedelta:
        """By how much Dataverse's clock is ahead; asked only if versions of rows need it."""
        connection = self._connection
        return connection.clock_offset if connection.settings.has_histories else timedelta()

    def _check_environment(self, package: Package) -> None:
        """Once a load package, before the first table."""
        if package.source_state is None or package.load_id == self._checked:
            return
        connection = self._connection
        check_environment(package.source_state, connection.organization_id, connection.environment)
        self._checked = package.load_id

    def _restart_if_moved(
        self,
        table: Table,
        stored: dict[str, Any],
        organizations: dict[str, str],
        package: Package,
        run: RunContext,
    ) -> None:
        """Empties the table's state if it no longer describes the source or the destination."""
        name = str(table.entity_set_name)
        loaded_as = package.loaded_as(name)
        organization = self._connection.organization_id
        known = organizations.get(table.logical_name)
        reason = run.reason_to_read_again(table.logical_name, loaded_as)
        compared_for = run.reason_to_compare(table.logical_name, loaded_as)
        if table.kind == "elastic":  # its rows can't be compared
            reason, compared_for = reason or compared_for, None
        if organization and known not in (None, organization):
            reason = f"the environment is another one than before (organization id {organization})"
        if stored and reason:
            logger.warning("%s: %s; all its rows are read again", name, reason)
            stored.clear()
        elif stored.get("complete") and compared_for:
            logger.warning("%s: %s; all its rows are compared", name, compared_for)
            stored.pop(COMPARED, None)
        if organization:
            organizations[table.logical_name] = organization
        if package.schema and not stored and loaded_as in package.schema.tables:
            # A changed schema has dlt look at the destination's table, and repair it.
            mark: dict[str, Any] = {
                "name": loaded_as,
                "columns": {},
                "x-dataverse-read": package.load_id,
            }
            package.schema.update_table(cast("TTableSchema", mark))

    def _selected(self, package: Package) -> Iterator[tuple[str, Table]]:
        """The tables that are read in this run, each with the name or pattern that matches it."""
        found = self._selection.tables if self._selection else {}
        for name, tables in found.items():
            if package.selected is None or name in package.selected:
                yield from ((name, table) for table in tables)

    def _refused_tables(self, package: Package, run: RunContext) -> frozenset[str]:
        """Logical names of the tables that the user may not read; asked once a load package."""
        if package.load_id is None:
            return frozenset()
        with self._lock:
            if package.load_id != self._refused[0]:
                counted = self._to_count(package, run)
                run.rows_there.update(dict.fromkeys(counted))
                new = self._new_tables(package, run)
                look = first_look(self._connection.client, new, counted)
                names = frozenset(table.logical_name for table, _ in look.refused)
                self._report_refused(self._leave_out(look.refused, package, run), run)
                run.rows_there.update(look.rows)
                if run.observer is not None:
                    for _, table in self._selected(package):
                        if table.logical_name in look.rows:
                            run.observer.expects(
                                str(table.entity_set_name), look.rows[table.logical_name]
                            )
                self._refused = package.load_id, names
            return self._refused[1]

    def _new_tables(self, package: Package, run: RunContext) -> list[Table]:
        """The tables that have not been read before; none if there is only one to read."""
        selected = list(self._selected(package))
        if len(selected) <= 1:
            return []
        new = [table for name, table in selected if not package.knows(name, table.logical_name)]
        return [one for one in new if run.includes(one.logical_name)]

    def _to_count(self, package: Package, run: RunContext) -> list[str]:
        """Tables that are read in full and whose rows somebody wants to be told."""
        if run.observer is None:
            return []
        settings, found = self._connection.settings, []
        for name, table in self._selected(package):
            logical_name = table.logical_name
            states = package.states.get(name, {}).get("tables", {})
            stored = states.get(logical_name, {})
            if stored.get("complete") and stored.get("mode") != "full":
                continue
            own = settings.of_table(name, str(table.entity_set_name), logical_name)
            countable = table.kind in ("standard", "activity") and not own.filter
            if countable and run.includes(logical_name) and logical_name not in run.rows_there:
                found.append(logical_name)
        return found

    def _leave_out(
        self,
        refused: Sequence[tuple[Table, DataverseError]],
        package: Package,
        run: RunContext,
    ) -> list[tuple[Table, DataverseError]]:
        """Records tables of patterns that Dataverse cannot list; returns the other failures."""
        configured = {table.logical_name: name for name, table in self._selected(package)}
        others = []
        for table, error in refused:
            name = configured[table.logical_name]
            if cannot_be_listed(error) and is_pattern(name):
                run.leave_out(str(table.entity_set_name), name, error)
            else:
                others.append((table, error))
        return others

    def _report_refused(
        self, refused: Sequence[tuple[Table, DataverseError]], run: RunContext
    ) -> None:
        """Records the failures of isolated tables; raises the first one otherwise."""
        for table, error in refused:
            name = str(table.entity_set_name)
            if not run.isolates:
                logger.error("%s cannot be read: %s", name, error)
                continue
            run.record_failure(table.logical_name, name, error)
            if run.observer is not None:
                run.observer.began(name, self._connection.client)
                run.observer.ended(name, error)
        if refused and not run.isolates:
            raise refused[0][1]

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
                configured_as = reading.configured_as
                if (
                    isinstance(error, DataverseError)
                    and cannot_be_listed(error)
                    and is_pattern(configured_as)
                    and not reading.stored
                ):
                    run.leave_out(name, configured_as, error)
                    return
                run.record_failure(reading.table.logical_name, name, table_error(name, error))
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
        run = self._runs.new(reading.table.logical_name, reading.configured_as, reading.package)
        for attempt in range(MOST_ATTEMPTS):
            try:
                return take(_items(reading, run, stored))
            except ResponseError as error:
                changed = self._runs.after_refusal(
                    run, reading.configured_as, reading.package, error, attempt
                )
                if changed is None:
                    raise
                run = changed
        return take(_items(reading, run, stored))

    def _tables(self, name: str, package: Package, run: RunContext) -> list[Table]:
        """The tables that a name matches; the first call checks all tables of the source."""
        with self._lock:
            if self._selection is None:
                self._selection = select_tables(self._connection, self._runs, package, run)
            for logical_name, (shown, error) in self._selection.failures.items():
                run.record_failure(logical_name, shown, error)
            return self._selection.tables[name]


def _items(reading: _Reading, run: TableRun, stored: dict[str, Any]) -> Iterator[Any]:
    name = reading.package.loaded_as(run.name)
    suspects = reading.run.suspects_of(reading.table.logical_name, name)
    if run.name not in reading.run.names:  # renamed since the tables were found
        reading.run.names[run.name] = reading.table.logical_name
    watch = TableWatch(run.name, reading.run.observer, reading.run.rows_read)
    there = reading.run.rows_there.get(reading.table.logical_name)
    run = replace(
        run,
        reader=replace(run.reader, rows=there),
        suspects=suspects,
        missing_newest=reading.missing_newest,
        watch=watch,
    )
    if reading.cursor is None:
        items = table_items(run, stored)
    else:
        items = range_items(run, read_range(run, reading.cursor))
    items = limit_deletes(run, items, reading.run.rows_before.get(name))
    items = watched(reading.run.observer, run.name, run.reader.client, items)
    if reading.package.load_id is None:
        return items
    return _counted(reading, run, items, reading.run.rows_before.get(name))


def _counted(
    reading: _Reading, run: TableRun, items: Iterator[Any], rows: int | None
) -> Iterator[Any]:
    counter = PackageCounter(run, rows)
    yield from counter.items(items)
    reading.run.pending[reading.table.logical_name] = counter.counts


def _started(items: Iterator[Any]) -> Iterable[Any]:
    """The items, of which the first has been fetched already."""
    return itertools.chain(list(itertools.islice(items, 1)), items)
