"""What a load package asks before its first row, for all its tables, and all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dataverse_source.client.side_by_side import side_by_side
from dataverse_source.errors import DataverseError
from dataverse_source.loading.connection import Connection
from dataverse_source.loading.load_package import Package
from dataverse_source.loading.new_tables import NewTables
from dataverse_source.loading.run_context import RunContext
from dataverse_source.loading.world_check import World, WorldCheck
from dataverse_source.metadata.model import Table
from dataverse_source.sync.active_pipeline import active_pipeline


class FirstQuestions:
    """Asks what does not depend on each other side by side. Call it on dlt's own thread.

    Args:
        connection: to the environment.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._new_tables = NewTables(connection)
        self._world_check = WorldCheck(connection)
        self._looked: str | None = None

    def tables(self) -> Mapping[str, tuple[Table, ...] | DataverseError]:
        """The tables by configured name; a run will also need to know the organization.

        Raises:
            DataverseError: metadata cannot be read.
        """
        connection = self._connection
        metadata = connection.metadata
        if active_pipeline() is None:
            return metadata.by_configured_name()
        tables, _ = side_by_side(metadata.by_configured_name, lambda: connection.organization_id)
        return tables

    def look(
        self, package: Package, run: RunContext, selected: Sequence[Table]
    ) -> tuple[frozenset[str], World]:
        """Logical names of the tables that may not be read, and what the environment is now.

        Args:
            package: that is being filled.
            run: takes what was found.
            selected: the tables that are read.

        Raises:
            DataverseError: a table may not be read and is not isolated; or sign-in failed.
        """

        def refused() -> frozenset[str]:
            return self._new_tables.refused(package, run, selected)

        def world() -> World:
            return self._world_check.findings(package, run, selected)

        if package.load_id is None or package.load_id == self._looked:
            found = refused(), world()
        else:
            self._looked = package.load_id
            found = side_by_side(refused, world)
        self._world_check.tell(package, run)
        return found
