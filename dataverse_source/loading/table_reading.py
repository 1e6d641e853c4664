"""Opens one table for reading: its settings, columns, types and labels."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from dataverse_source.arrow.labels import NO_LABELS, Labels
from dataverse_source.arrow.schema import table_schema
from dataverse_source.loading.catalog.resource import table_labels
from dataverse_source.loading.connection import Connection
from dataverse_source.metadata.column_selection import select_columns
from dataverse_source.sync.read.table_reader import TableReader


def open_table(
    connection: Connection,
    name: str,
    configured_as: str | None = None,
    *,
    without: Collection[str] = (),
    **changed: Any,
) -> TableReader:
    """A reader of the table with its settings.

    Args:
        connection: to the environment.
        name: entity set name or logical name.
        configured_as: the name or pattern in the settings that matches the table.
        without: logical names of columns that are not read.
        **changed: settings that differ from the configured ones, such as ``page_size``.

    Raises:
        UnknownNameError: there is no such table, or no such column as ``select`` names.
    """
    table = connection.metadata.table(name)
    settings = connection.settings.of_table(
        configured_as or name, str(table.entity_set_name), table.logical_name
    )
    selected = select_columns(table, settings.select, settings.exclude_columns)
    columns = tuple(one for one in selected if one.name not in without)
    schema = table_schema(table, columns)
    return TableReader(connection.client, table, columns, schema, replace(settings, **changed))


def labels_for(connection: Connection, reader: TableReader) -> Labels:
    """The label columns of the table, none unless the setting ``labels`` is on.

    Raises:
        DataverseError: the choices cannot be read.
    """
    return table_labels(connection, reader.schema) if reader.settings.labels else NO_LABELS
