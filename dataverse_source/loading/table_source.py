"""The dlt source whose resources are the tables: they are found when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

from dlt.common.schema import Schema
from dlt.extract import DltResource, DltSource
from dlt.extract.source import DltResourceDict

from dataverse_source.config.mentions import is_mentioned
from dataverse_source.config.values import is_pattern
from dataverse_source.loading.catalog.resource import CATALOG
from dataverse_source.loading.connection import Connection
from dataverse_source.loading.table_feed import TableFeed
from dataverse_source.loading.table_resource import TableResource
from dataverse_source.loading.tables import Tables


class TableSource(DltSource):
    """A source with a resource for each table.

    Which tables there are, Dataverse's metadata tells. It is asked when something asks for the
    resources, so that nothing is requested while a source is built.

    Args:
        schema: of the source.
        section: where dlt looks for the configuration.
        tables: reads the tables.
        others: further resources.
    """

    def __init__(
        self, schema: Schema, section: str, tables: Tables, others: Sequence[DltResource]
    ) -> None:
        self._tables, self._others = tables, list(others)
        self._awaits: list[Callable[[DltSource], Any]] | None = []
        super().__init__(schema, section)

    def find_tables(self) -> None:
        """Asks for metadata and makes the resources, unless it is done.

        Raises:
            DataverseError: metadata cannot be read.
        """
        if self._awaits is None:
            return
        names = self._tables.names()
        awaits, self._awaits = self._awaits, None
        looks_up = is_mentioned("incremental")
        made = [
            TableResource.make(
                name, TableFeed(self._tables, name), section=self.section, looks_up=looks_up
            )
            for name in names
        ]
        super().resources.add(*made, *self._others)
        for change in awaits:
            change(self)

    @property
    def connection(self) -> Connection:
        """The connection to the environment."""
        return self._tables.connection

    @property
    def has_patterns(self) -> bool:
        """Whether patterns name some of its tables."""
        return any(map(is_pattern, self._tables.configured_names))

    @property
    def resources(self) -> DltResourceDict:
        """The resources by name; a table's resource is called like the table."""
        self.find_tables()
        return super().resources

    @property
    def selected_resources(self) -> dict[str, DltResource]:
        """Those that will be loaded."""
        self.find_tables()
        return super().selected_resources

    @property
    def exhausted(self) -> bool:
        """Whether a resource has been read already."""
        return False if self._awaits is not None else super().exhausted

    def clone(self, with_name: str | None = None) -> DltSource:
        """A copy; see dlt."""
        self.find_tables()
        return super().clone(with_name)  # type: ignore[arg-type]

    def with_resources(self, *resource_names: str) -> DltSource:
        """A copy that loads some resources.

        Args:
            *resource_names: of the resources; also names and patterns as in the setting
                ``tables``, which stand for all their tables.
        """
        self.find_tables()
        known = super().resources
        names: list[str] = []
        for name in resource_names:
            names += [name] if name in known else self._tables.configured_as(name) or [name]
        return super().with_resources(*dict.fromkeys(names))

    def add_limit(self, *args: Any, **kwargs: Any) -> DltSource:
        """See dlt."""
        return self._when_found(lambda found: DltSource.add_limit(found, *args, **kwargs))

    def parallelize(self) -> DltSource:
        """See dlt."""
        return self._when_found(DltSource.parallelize)

    def _when_found(self, change: Callable[[DltSource], Any]) -> DltSource:
        if self._awaits is None:
            change(self)
        else:
            self._awaits.append(change)
        return self

    def __iter__(self) -> Generator[Any, None, None]:
        self.find_tables()
        return super().__iter__()

    def __repr__(self) -> str:
        """Never asks: notebooks, debuggers and logs show sources."""
        if self._awaits is None:
            return super().__repr__()
        names = ", ".join(self._tables.configured_names)
        return f"<{type(self).__name__}(name='{self.name}', section='{self.section}', {names})>"

    def __getattr__(self, resource_name: str) -> DltResource:
        # No table begins with "_": notebooks look for methods of such names, and so does Python.
        if resource_name.startswith("_") and resource_name != CATALOG:
            raise AttributeError(resource_name)
        self.find_tables()
        return super().__getattr__(resource_name)
