"""Makes the `TableRun` of each table: reader, destination, fingerprint, labels."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace

from dataverse_source.client.lasting_errors import unknown_property
from dataverse_source.client.retry import pause
from dataverse_source.config.log import logger
from dataverse_source.errors import DataverseError, ResponseError, UnknownNameError
from dataverse_source.loading.catalog.resource import table_references
from dataverse_source.loading.column_access import hidden_columns
from dataverse_source.loading.connection import Connection
from dataverse_source.loading.load_package import Package
from dataverse_source.loading.table_reading import audit_changes, labels_for, names_of, open_table
from dataverse_source.loading.table_resource import TableResource
from dataverse_source.loading.user_hints import check_columns
from dataverse_source.sync.abilities import Abilities
from dataverse_source.sync.changes import has_expired
from dataverse_source.sync.context import TableRun
from dataverse_source.sync.read.query_reader import QueryReader
from dataverse_source.sync.read.table_reader import TableReader
from dataverse_source.sync.read.workers import WorkerPool
from dataverse_source.sync.retention import Retention
from dataverse_source.sync.state import fingerprint

WAITS = (1.0, 3.0, 6.0)
"""Seconds between attempts to query a new column: not every web server knows it at once."""


class TableRuns:
    """Makes the runs of all tables of a source; they share one worker pool.

    Args:
        connection: to the environment; opened with the first run.

    Attributes:
        abilities: of the destination; set before the first run.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._workers = WorkerPool()
        self._retention: Retention | None = None
        self._run_id = secrets.token_hex(4)
        self._lock = threading.Lock()
        self._known: dict[tuple[str | None, str, str], bool] = {}
        self.abilities: Abilities | None = None
        self._hidden: tuple[Package, dict[str, dict[str, str]] | None] | None = None

    def new(
        self,
        logical_name: str,
        package: Package,
        refused_columns: Sequence[str] | None = None,
    ) -> TableRun:
        """The run of one table.

        Args:
            logical_name: of the table.
            package: the load package that takes its rows.
            refused_columns: columns that Dataverse refuses in queries; None for those of earlier
                runs that it still refuses.

        Raises:
            DataverseError: metadata cannot be read.
        """
        connection = self._connection
        if refused_columns is None:
            name = str(connection.metadata.resolve(logical_name).entity_set_name)
            stored = package.state_of(name, logical_name)
            refused_columns = [
                name
                for name in stored.get("refused_columns", ())
                if not self._is_known(package, logical_name, name)
            ]
        reader = open_table(connection, logical_name, without=refused_columns)
        resource = package.resource(reader.name)
        wanted = resource if isinstance(resource, TableResource) else None
        if wanted is not None:
            hints = wanted.user_columns, wanted.user_primary_key
            check_columns(reader.name, reader.table.key_columns, *hints)
            if wanted.replaces:
                reader = replace(reader, settings=replace(reader.settings, sync="full"))
        labels = labels_for(connection, reader)
        types = connection.adapters.types(reader.columns)
        types |= wanted.type_hints if wanted else {}
        if self._retention is None:
            self._retention = Retention(connection.client)
        files_url = connection.settings.files_url
        return TableRun(
            reader,
            package.destination(reader.name, reader.key, connection.settings.environment_column),
            fingerprint(
                connection.environment,
                reader.schema,
                reader.condition,
                labels.fingerprint,
                history=reader.settings.history,
                feed=reader.settings.write == "append",
                types=types,
                files=[f"{one.name} in {files_url}" for one in reader.file_columns],
            ),
            self._retention,
            labels,
            lambda: table_references(connection, reader.schema),
            self._workers,
            load_began=package.began,
            load_id=package.load_id,
            run_id=self._run_id,
            sync_is_explicit=connection.settings.sync_is_explicit(
                *names_of(connection, reader.table)
            ),
            hidden_columns=self._hidden_columns(reader, package),
            refused_columns=tuple(refused_columns),
            abilities=self.abilities,
            table_format=(wanted and wanted.own_table_format) or reader.settings.table_format,
            column_hints=types,
            is_sample=wanted is not None and wanted.limit is not None,
            audit_changes=audit_changes(connection, reader),
            environment=connection.settings.environment_column,
        )

    def after_refusal(
        self,
        run: TableRun,
        package: Package,
        error: ResponseError,
        attempt: int,
    ) -> TableRun | None:
        """A run with the columns that can be read now, if that explains ``error``.

        A new column may be in the metadata before every web server knows it: it is waited for,
        and left out if it is still refused after the last attempt.

        Args:
            run: that failed.
            package: as for `new`.
            error: that it failed with.
            attempt: how many runs of the table have failed before, from 0.
        """
        expired = has_expired(error)
        if not expired and error.status not in (400, 404):
            return None
        logical_name = run.reader.table.logical_name
        self._connection.metadata.refresh()
        try:
            changed = self.new(logical_name, package, run.refused_columns)
            if expired or changed.columns != run.columns:
                return changed
            refused = self._refused_column(run, error)
            if refused is None:
                return None
            if attempt < len(WAITS):
                logger.info("%s: waiting for the new column %s", run.name, refused)
                pause(WAITS[attempt])
                return changed
            logger.warning(
                "%s: read without the column %s, which is in the metadata but which Dataverse "
                "refuses in queries. Later runs try again; to leave it out for good, add it to "
                "exclude_columns",
                run.name,
                refused,
            )
            refused_columns = (*run.refused_columns, refused)
            return self.new(logical_name, package, refused_columns)
        except UnknownNameError:
            return None

    def _refused_column(self, run: TableRun, error: ResponseError) -> str | None:
        """Logical name of the column that Dataverse does not know; None: another error."""
        name = unknown_property(error)
        found = (one.name for one in run.reader.columns if one.wire_name == name)
        column = next(found, None)
        return None if column in run.reader.table.key_columns else column

    def _is_known(self, package: Package, logical_name: str, column: str) -> bool:
        """Whether queries may name a column that an earlier run left out; asked once a package."""
        asked = package.load_id, logical_name, column
        if asked not in self._known:
            self._known[asked] = self._accepts(logical_name, column)
        return self._known[asked]

    def _accepts(self, logical_name: str, column: str) -> bool:
        table = self._connection.metadata.table(logical_name)
        if not table.has(column):
            return True  # the column is gone, and so is the reason to leave it out
        query = {"$select": table.column(column).wire_name, "$top": "1"}
        try:
            self._connection.client.get_json(str(table.entity_set_name), query)
        except ResponseError as error:
            return unknown_property(error) is None
        return True

    def _hidden_columns(self, reader: TableReader, package: Package) -> Mapping[str, str] | None:
        """The columns of one table that column security hides; asked for all tables at once."""
        if not any(one.secured for one in reader.columns):
            return {}
        connection = self._connection
        if isinstance(reader, QueryReader):
            return _hidden_in_query(connection, reader)
        with self._lock:
            if self._hidden is None or self._hidden[0].load_id != package.load_id:
                tables = []
                for overview in connection.metadata.configured_tables():
                    try:
                        tables.append(connection.metadata.table(overview.logical_name))
                    except DataverseError:
                        continue  # told when that table is read
                self._hidden = package, hidden_columns(connection.client, tables)
            found = self._hidden[1]
        if found is None:
            return None
        own = found.get(reader.table.logical_name, {})
        return {one.name: own[one.name] for one in reader.columns if one.name in own}


def _hidden_in_query(connection: Connection, reader: QueryReader) -> Mapping[str, str] | None:
    """The columns of a query that column security hides."""
    origins = reader.query.origins
    tables = {table.logical_name: table for table, column in origins.values() if column.secured}
    found = hidden_columns(connection.client, list(tables.values()))
    if found is None:
        return None
    return {
        name: found[table.logical_name][column.name]
        for name, (table, column) in origins.items()
        if column.name in found.get(table.logical_name, {})
    }
