"""The tables of a source: what configured names stand for, checked before the first is read."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import dlt
from dlt.common.configuration.container import Container
from dlt.common.pipeline import PipelineContext
from dlt.extract.incremental import Incremental

from dataverse_source.columns import select_columns
from dataverse_source.connection import Connection
from dataverse_source.described import table_labels, table_references
from dataverse_source.errors import (
    AuthenticationError,
    ConfigurationError,
    DataverseError,
    ResponseError,
    UnknownNameError,
)
from dataverse_source.labels import NO_LABELS
from dataverse_source.metadata import Table
from dataverse_source.schema import table_schema
from dataverse_source.settings import Settings, table_not_loaded
from dataverse_source.sync.changes import has_expired
from dataverse_source.sync.cursor import read_range
from dataverse_source.sync.destination import LoadedTable, NothingLoaded
from dataverse_source.sync.history import check_history
from dataverse_source.sync.isolation import current_isolation, put_aside
from dataverse_source.sync.plan import make_plan
from dataverse_source.sync.reader import TableReader
from dataverse_source.sync.retention import Retention
from dataverse_source.sync.run import Destination, TableRun
from dataverse_source.sync.state import TableState, fingerprint
from dataverse_source.sync.table import range_items, table_items
from dataverse_source.table_names import is_pattern

SHARED_BY_ALL = (ConfigurationError, UnknownNameError, AuthenticationError)
"""Failures that no other table can be better off with."""


class Tables:
    """Reads the tables of one source.

    Args:
        connection: to the environment; opened when the first table is read.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._found: dict[str, list[Table]] | None = None
        self._retention: Retention | None = None

    def items(
        self, name: str, state: dict[str, Any], cursor: Incremental[datetime] | None
    ) -> Iterator[Any]:
        """Items for dlt of the tables that a configured name stands for.

        Args:
            name: as in the settings.
            state: of the resource.
            cursor: a range of modifiedon that the user has put on the resource.

        Raises:
            DataverseError: what went wrong; when tables are isolated (see
                `dataverse_source.sync.isolation`) only what no table gets by.
        """
        isolation = current_isolation()
        for table in self._tables(name):
            if isolation and isolation.only and table.logical_name not in isolation.only:
                continue
            stored = state.setdefault("tables", {}).setdefault(table.logical_name, {})
            yield from self._isolated_items(table, name, stored, cursor)

    def _isolated_items(
        self,
        table: Table,
        name: str,
        stored: dict[str, Any],
        cursor: Incremental[datetime] | None,
    ) -> Iterator[Any]:
        isolation = current_isolation()
        try:
            items = self._begun(table, name, stored, cursor, aside=isolation is not None)
        except SHARED_BY_ALL:
            raise
        except DataverseError as error:
            if isolation is None:
                raise
            isolation.failed(table.logical_name, str(table.entity_set_name), error)
            return
        yield from items

    def _begun(
        self,
        table: Table,
        name: str,
        stored: dict[str, Any],
        cursor: Incremental[datetime] | None,
        *,
        aside: bool,
    ) -> Iterator[Any]:
        """The table's items, after the first of them (or, ``aside``, all) have come.

        A failure before that may come from a change of the schema while it was read: then it
        is tried once more with the columns that the table has now.
        """
        run = self._run(table, name)
        try:
            return _started(_items(run, stored, cursor), aside=aside)
        except ResponseError as error:
            changed = self._changed(run, name, error)
            if changed is None:
                raise
        return _started(_items(changed, stored, cursor), aside=aside)

    def _changed(self, run: TableRun, name: str, error: ResponseError) -> TableRun | None:
        """The run with the table's present columns, if a change of them explains ``error``."""
        expired = has_expired(error)
        if not expired and error.status not in (400, 404):
            return None
        metadata = self._connection.metadata
        metadata.refresh()
        try:
            changed = self._run(metadata.resolve(run.reader.table.logical_name), name)
        except UnknownNameError:
            return None
        return changed if expired or changed.columns != run.columns else None

    def _run(self, overview: Table, name: str) -> TableRun:
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
            _loaded_table(reader.name, reader.key),
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
        )

    def _tables(self, name: str) -> list[Table]:
        """The tables of one configured name; all of the source are checked at first."""
        with self._lock:
            if self._found is None:
                self._found = self._checked()
            return self._found[name]

    def _checked(self) -> dict[str, list[Table]]:
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
                run = self._run(table, name)
                make_plan(run.reader.table, run.settings, TableState(), run.now())
                check_history(run)
        return found


def _items(
    run: TableRun, stored: dict[str, Any], cursor: Incremental[datetime] | None
) -> Iterator[Any]:
    if cursor is None:
        return table_items(run, stored)
    return range_items(run, read_range(run, cursor))


def _started(items: Iterator[Any], *, aside: bool) -> Iterator[Any]:
    """The items, of which the first (``aside``: each) has come already."""
    if aside:
        return put_aside(items)
    first = list(itertools.islice(items, 1))
    return itertools.chain(first, items)


def _loaded_table(name: str, key: str) -> Destination:
    context = Container()[PipelineContext]
    if not context.is_active():
        return NothingLoaded()
    pipeline = cast(dlt.Pipeline, context.pipeline())
    return LoadedTable(pipeline, dlt.current.source_schema(), name, key)


def _check_table_settings(settings: Settings, found: Mapping[str, Sequence[Table]]) -> None:
    """Refuses settings of tables that no pattern stands for."""
    known = set(found)
    for tables in found.values():
        known |= {name for one in tables for name in (str(one.entity_set_name), one.logical_name)}
    for name in settings.table_settings:
        if name not in known:
            raise table_not_loaded(name, sorted(known))
