"""Looks at the tables of a load package before the first is read: which of them may be read."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from dataverse_source.client.lasting_errors import cannot_be_listed
from dataverse_source.config.log import logger
from dataverse_source.config.values import is_pattern
from dataverse_source.errors import DataverseError
from dataverse_source.loading.connection import Connection
from dataverse_source.loading.load_package import Package
from dataverse_source.loading.read_access import first_look
from dataverse_source.loading.run_context import RunContext
from dataverse_source.loading.table_reading import names_of
from dataverse_source.metadata.model import Table


class NewTables:
    """Asks once a load package, for all its tables.

    Args:
        connection: to the environment.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._refused: tuple[str | None, frozenset[str]] = None, frozenset()

    def refused(self, package: Package, run: RunContext, tables: Sequence[Table]) -> frozenset[str]:
        """Logical names of the tables that the user may not read.

        Args:
            package: that is being filled.
            run: takes the failures, and how many rows there are.
            tables: that are read.

        Raises:
            DataverseError: a table may not be read and is not isolated.
        """
        if package.load_id is None:
            return frozenset()
        with self._lock:
            if package.load_id != self._refused[0]:
                counted = self._to_count(package, run, tables)
                run.rows_there.update(dict.fromkeys(counted))
                look = first_look(
                    self._connection.client, _new_tables(package, run, tables), counted
                )
                names = frozenset(table.logical_name for table, _ in look.refused)
                self._report_refused(self._leave_out(look.refused, run), run)
                run.rows_there.update(look.rows)
                for table in tables if run.observer is not None else ():
                    if table.logical_name in look.rows:
                        rows = look.rows[table.logical_name]
                        run.observer.expects(str(table.entity_set_name), rows)
                self._refused = package.load_id, names
            return self._refused[1]

    def _to_count(self, package: Package, run: RunContext, tables: Sequence[Table]) -> list[str]:
        """Tables that are read in full and whose rows somebody wants to be told."""
        if run.observer is None:
            return []
        settings, found = self._connection.settings, []
        for table in tables:
            logical_name = table.logical_name
            stored = _state(package, table)
            if stored.get("complete") and stored.get("mode") != "full":
                continue
            own = settings.of_table(*names_of(self._connection, table))
            countable = table.kind in ("standard", "activity") and not own.filter
            if countable and run.includes(logical_name) and logical_name not in run.rows_there:
                found.append(logical_name)
        return found

    def _leave_out(
        self,
        refused: Sequence[tuple[Table, DataverseError]],
        run: RunContext,
    ) -> list[tuple[Table, DataverseError]]:
        """Records tables of patterns that Dataverse cannot list; returns the other failures."""
        others = []
        for table, error in refused:
            name = self._connection.metadata.configured_as(table.logical_name)
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


def _new_tables(package: Package, run: RunContext, tables: Sequence[Table]) -> list[Table]:
    """The tables that have not been read before; none if there is only one to read."""
    if len(tables) <= 1:
        return []
    new = [one for one in tables if one.kind != "query" and not _state(package, one)]
    return [one for one in new if run.includes(one.logical_name)]


def _state(package: Package, table: Table) -> Mapping[str, Any]:
    return package.state_of(str(table.entity_set_name), table.logical_name)
