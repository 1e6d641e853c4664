"""Labels and references of a table, and the dlt resource of the catalog tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import dlt
from dlt.common.schema.typing import TTableReferenceInline
from dlt.extract import DltResource

from dataverse_source.arrow.labels import Labels, labels_of
from dataverse_source.arrow.schema import TableSchema
from dataverse_source.config.log import logger
from dataverse_source.errors import DataverseError
from dataverse_source.loading.catalog.history_tables import empty_history
from dataverse_source.loading.catalog.other_rows import with_rows_of_others
from dataverse_source.loading.catalog.references import references_of
from dataverse_source.loading.catalog.schema_changes import changes_since_last_load
from dataverse_source.loading.catalog.tables import CatalogTable, Described, catalog, fingerprint
from dataverse_source.loading.connection import Connection
from dataverse_source.loading.run_context import RunContext, current_run
from dataverse_source.sync.abilities import DELETE_INSERT, destination_abilities
from dataverse_source.sync.active_pipeline import active_pipeline
from dataverse_source.sync.write.environment import add_environment, own_rows, replacing

CATALOG = "_dataverse_catalog"
"""Name of the resource with the catalog tables."""


def table_labels(connection: Connection, schema: TableSchema) -> Labels:
    """The label columns of a table.

    Raises:
        DataverseError: the choices cannot be read.
    """
    description = connection.metadata.description(schema.table.logical_name)
    return labels_of(schema, description.choices)


def table_references(connection: Connection, schema: TableSchema) -> list[TTableReferenceInline]:
    """The references of a table to other loaded tables; none if metadata cannot be read."""
    metadata = connection.metadata
    loaded = metadata.configured()
    try:
        own = metadata.description(schema.table.logical_name).relationships
        others = [metadata.description(one.logical_name).relationships for one in loaded]
    except DataverseError as error:
        logger.warning("%s: loaded without references. %s", schema.table.logical_name, error)
        return []
    return references_of(schema, [*own, *(link for links in others for link in links)], loaded)


def catalog_resource(connection: Connection) -> DltResource:
    """The tables ``_dataverse_tables``, ``..._columns``, ``..._relationships``, ``..._choices``.

    They are loaded only if they have changed since the last load.
    """

    def rows() -> Iterator[Any]:
        run = current_run()
        run.count(connection.client)
        environment = connection.settings.environment_column
        yield from empty_history(environment)
        tables = [
            replace(one, rows=add_environment(one.rows, environment, nullable=True))
            for one in _catalog(connection)
        ]
        state = dlt.current.resource_state(CATALOG)
        found = fingerprint(tables)
        before = state.get("fingerprint")
        if before == found:
            return
        if before is not None:
            _tell_changes(tables, run)
        own = {one.entity_set_name for one in connection.metadata.configured()}
        pipeline, abilities = active_pipeline(), destination_abilities()
        merges = abilities is not None and abilities.merge_strategy(None) == DELETE_INSERT
        disposition: Any = "replace"
        if environment is not None and merges:
            disposition = replacing(environment, marks=False)
        if pipeline is not None:
            known = {*map(str, own), *state.get("listed", ())}
            kept = own_rows(environment) if environment is not None and merges else ""
            tables = with_rows_of_others(pipeline, tables, known, environment, kept)
        for table in tables:
            hints = dlt.mark.make_hints(
                table_name=table.name,
                write_disposition=disposition,
                additional_table_hints={"description": table.description},
            )
            yield dlt.mark.with_hints(table.rows, hints, create_table_variant=True)
        state["fingerprint"] = found
        state["listed"] = sorted(map(str, own))

    # No write disposition here: dlt forgets the state of a resource that is replaced, and with it
    # what was loaded last. Each table has its own.
    return _CatalogResource.from_data(rows, CATALOG, inject_config=True)


class _CatalogResource(DltResource):
    """Keeps its hints: arguments of ``pipeline.run`` are meant for the tables of Dataverse."""

    def apply_hints(self, *args: Any, **hints: Any) -> _CatalogResource:
        """Takes hints that change neither rows nor keys, and those that come with its rows."""
        if hints.get("create_table_variant"):
            super().apply_hints(*args, **hints)
            return self
        kept = ("schema_contract", "table_format", "additional_table_hints")
        super().apply_hints(**{name: hints[name] for name in kept if name in hints})
        return self


def _tell_changes(tables: Sequence[CatalogTable], run: RunContext) -> None:
    """Says what has changed in the tables' metadata, in the log and in the report."""
    pipeline = active_pipeline()
    if pipeline is None:
        return
    rows = {one.name: one.rows for one in tables}
    found = changes_since_last_load(pipeline, rows["_dataverse_tables"], rows["_dataverse_columns"])
    for name, changes in found.items():
        logger.warning("%s: %s", name, "; ".join(changes))
    run.schema_changes.update(found)


def _catalog(connection: Connection) -> tuple[CatalogTable, ...]:
    """The catalog tables; tables whose metadata cannot be read are left out."""
    metadata = connection.metadata
    loaded = []
    for overview in metadata.configured():
        try:
            table = metadata.table(overview.logical_name)
            loaded.append(Described(table, metadata.description(overview.logical_name)))
        except DataverseError as error:
            logger.warning("%s: left out of the catalog. %s", overview.logical_name, error)
    return catalog(loaded, metadata.tables())
