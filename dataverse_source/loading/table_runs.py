"""Makes the `TableRun` of each table: reader, destination, fingerprint, labels."""

from __future__ import annotations

import secrets

from dataverse_source.errors import ResponseError, UnknownNameError
from dataverse_source.loading.catalog.resource import table_references
from dataverse_source.loading.connection import Connection
from dataverse_source.loading.load_package import Package
from dataverse_source.loading.table_reading import labels_for, open_table
from dataverse_source.sync.changes import has_expired
from dataverse_source.sync.context import TableRun
from dataverse_source.sync.read.workers import WorkerPool
from dataverse_source.sync.retention import Retention
from dataverse_source.sync.state import fingerprint


class TableRuns:
    """Makes the runs of all tables of a source; they share one worker pool.

    Args:
        connection: to the environment; opened with the first run.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._workers = WorkerPool()
        self._retention: Retention | None = None
        self._run_id = secrets.token_hex(4)

    def new(self, logical_name: str, configured_as: str, package: Package) -> TableRun:
        """The run of one table.

        Args:
            logical_name: of the table.
            configured_as: the name or pattern in the settings that matches it.
            package: the load package that takes its rows.

        Raises:
            DataverseError: metadata cannot be read.
        """
        connection = self._connection
        reader = open_table(connection, logical_name, configured_as)
        labels = labels_for(connection, reader)
        if self._retention is None:
            self._retention = Retention(connection.client)
        return TableRun(
            reader,
            package.destination(reader.name, reader.key),
            fingerprint(
                connection.environment,
                reader.schema,
                reader.settings.filter,
                labels.fingerprint,
                history=reader.settings.history,
            ),
            self._retention,
            labels,
            lambda: table_references(connection, reader.schema),
            self._workers,
            load_began=package.began,
            run_id=self._run_id,
            sync_is_explicit=connection.settings.sync_is_explicit(
                configured_as, reader.name, logical_name
            ),
        )

    def after_schema_change(
        self, run: TableRun, configured_as: str, package: Package, error: ResponseError
    ) -> TableRun | None:
        """A run with the table's present columns, if a change of them explains ``error``.

        Args:
            run: that failed.
            configured_as: as for `new`.
            package: as for `new`.
            error: that it failed with.
        """
        expired = has_expired(error)
        if not expired and error.status not in (400, 404):
            return None
        self._connection.metadata.refresh()
        try:
            changed = self.new(run.reader.table.logical_name, configured_as, package)
        except UnknownNameError:
            return None
        return changed if expired or changed.columns != run.columns else None
