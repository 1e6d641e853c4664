"""The tables of a source: those of Dataverse, and its queries, which are loaded like tables."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import replace

from dataverse_source.config.query_settings import QuerySettings
from dataverse_source.errors import ConfigurationError, DataverseError, UnknownNameError
from dataverse_source.metadata.model import Choice, Description, Table
from dataverse_source.metadata.queries.query import Query, compiled
from dataverse_source.metadata.queries.retained import archived_rows_text
from dataverse_source.metadata.queries.views import Client, view_text
from dataverse_source.metadata.reader import MetadataReader


class Catalogue:
    """Tables and queries by name; may be used by many threads at once.

    Args:
        reader: reads the metadata of tables.
        client: reads views.
        queries: the queries by name.
    """

    def __init__(
        self, reader: MetadataReader, client: Client, queries: Mapping[str, QuerySettings]
    ) -> None:
        self._reader, self._client, self._queries = reader, client, queries
        self._compiled: dict[str, Query | DataverseError] = {}
        self._lock = threading.RLock()

    def tables(self) -> tuple[Table, ...]:
        """All tables of the environment, without columns; no queries."""
        return self._reader.tables()

    def query(self, name: str) -> Query | None:
        """The query of a name; None if it is no query.

        Raises:
            DataverseError: the query is wrong, or its view or its tables cannot be read.
        """
        if name not in self._queries:
            return None
        with self._lock:
            if name not in self._compiled:
                try:
                    self._compiled[name] = self._compile(self._queries[name])
                except DataverseError as error:
                    self._compiled[name] = error
            found = self._compiled[name]
        if isinstance(found, DataverseError):
            raise found
        return found

    def resolve(self, name: str) -> Table:
        """The overview entry of a table, or the table of a query.

        Raises:
            DataverseError: see `MetadataReader.resolve` and `query`.
        """
        query = self.query(name)
        return self._reader.resolve(name) if query is None else query.table

    def table(self, name: str) -> Table:
        """The table, or the query, with its columns.

        Raises:
            DataverseError: see `MetadataReader.table` and `query`.
        """
        query = self.query(name)
        return self._reader.table(name) if query is None else query.table

    def description(self, name: str) -> Description:
        """Display names, choices and relationships of a table; of a query's columns likewise.

        Raises:
            DataverseError: see `MetadataReader.description` and `query`.
        """
        query = self.query(name)
        return self._reader.description(name) if query is None else self._described(query)

    def descriptions(self, names: Collection[str]) -> dict[str, Description]:
        """The descriptions of several tables, see `MetadataReader.descriptions`."""
        return self._reader.descriptions(names)

    def configured(self) -> tuple[Table, ...]:
        """The overview entries of all configured tables that exist, and the queries."""
        return (*self._reader.configured(), *self._query_tables())

    def configured_tables(self) -> tuple[Table, ...]:
        """The same without queries."""
        return self._reader.configured()

    def by_configured_name(self) -> Mapping[str, tuple[Table, ...] | DataverseError]:
        """The tables of each configured name, pattern or query, or why it has none."""
        found: dict[str, tuple[Table, ...] | DataverseError] = dict(
            self._reader.by_configured_name()
        )
        for name in self._queries:
            try:
                query = self.query(name)
            except (ConfigurationError, UnknownNameError) as error:
                found[name] = error
            else:
                found[name] = () if query is None else (query.table,)
        return found

    def configured_as(self, logical_name: str) -> str:
        """The configured name or pattern of a table; its logical name if there is none."""
        if logical_name in self._queries:
            return logical_name
        return self._reader.configured_as(logical_name)

    def refresh(self) -> None:
        """Has the next call ask again whether anything has changed."""
        with self._lock:
            self._compiled.clear()
            self._reader.refresh()

    def _query_tables(self) -> list[Table]:
        found = []
        for name in self._queries:
            try:
                query = self.query(name)
            except DataverseError:
                continue  # told when the query is read
            found += [query.table] if query else []
        return found

    def _compile(self, settings: QuerySettings) -> Query:
        for table in self._reader.tables():
            if settings.name in (table.logical_name, table.entity_set_name):
                raise ConfigurationError(
                    f"A query cannot be called {settings.name!r}: Dataverse has a table of this "
                    "name",
                    where=settings.place,
                    remedy="Give the query another name.",
                    setting="queries",
                )
        text = settings.fetchxml
        if settings.retained:
            text = archived_rows_text(settings, self._reader.table(str(settings.table)))
        elif text is None:
            text = view_text(self._client, settings, self._reader.resolve(str(settings.table)))
        query = compiled(settings, text, self._reader.table)
        if settings.view is not None:
            wanted = self._reader.resolve(str(settings.table)).logical_name
            if query.main.logical_name != wanted:
                raise ConfigurationError(
                    f"Query {settings.name}: the view {settings.view!r} reads "
                    f"{query.main.logical_name}, not {wanted}",
                    where=settings.place,
                    setting="queries",
                )
        return query

    def _described(self, query: Query) -> Description:
        shown: list[tuple[str, str]] = []
        choices: list[Choice] = []
        for name, (table, column) in query.origins.items():
            of_table = self._reader.description(table.logical_name)
            own = dict(of_table.columns).get(column.name)
            shown += [(name, own)] if own else []
            if query.table.column(name).type == column.type:
                choices += [
                    replace(one, column=name)
                    for one in of_table.choices
                    if one.column == column.name
                ]
        return Description(query.name, None, tuple(shown), tuple(choices))
