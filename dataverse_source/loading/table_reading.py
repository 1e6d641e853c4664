"""Opens one table for reading: its settings, columns, types and labels."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from dlt.extract.hints import TResourceHints

from dataverse_source.arrow.labels import NO_LABELS, Labels
from dataverse_source.arrow.schema import table_schema
from dataverse_source.config.values import is_pattern
from dataverse_source.errors import ConfigurationError, DataverseError
from dataverse_source.loading.catalog.resource import table_labels, table_references
from dataverse_source.loading.connection import Connection
from dataverse_source.loading.wanted_files import files_of
from dataverse_source.metadata.column_selection import select_columns
from dataverse_source.metadata.model import Table
from dataverse_source.metadata.table_selection import matches_pattern
from dataverse_source.sync.audit_changes import NEEDED, AuditChanges
from dataverse_source.sync.audit_changes import Labels as AuditLabels
from dataverse_source.sync.context import TableRun
from dataverse_source.sync.files.columns import with_needed
from dataverse_source.sync.read.query_reader import QueryReader
from dataverse_source.sync.read.table_reader import TableReader
from dataverse_source.sync.write.items import TableWriter
from dataverse_source.sync.write.nothing_loaded import NothingLoaded


def open_table(
    connection: Connection,
    name: str,
    *,
    without: Collection[str] = (),
    **changed: Any,
) -> TableReader:
    """A reader of the table with its settings.

    Args:
        connection: to the environment.
        name: entity set name or logical name.
        without: logical names of columns that are not read.
        **changed: settings that differ from the configured ones, such as ``page_size``.

    Raises:
        UnknownNameError: there is no such table, or no such column as ``select`` names.
        ConfigurationError: it is a query, and its FetchXML is wrong.
    """
    query = connection.metadata.query(name)
    if query is not None:
        own = connection.settings.of_table(query.name)
        own = replace(own, **changed)
        key = tuple(query.table.column(one) for one in query.table.key_columns)
        columns = (*key, *(one for one in query.table.columns if one not in key))
        schema = table_schema(query.table, columns, lengths=own.text_lengths)
        return QueryReader(connection.client, query.table, columns, schema, own, query=query)
    table = connection.metadata.table(name)
    names = names_of(connection, table)
    settings = connection.settings.of_table(*names)
    settings = connection.adapters.settings(table, settings)
    selected = select_columns(table, settings.select, settings.exclude_columns)
    selected = connection.adapters.columns(table, selected)
    files = files_of(connection.settings, names, table)
    selected = with_needed(table, selected, files)
    columns = tuple(one for one in selected if one.name not in without)
    if table.is_log and connection.settings.audit:
        _check_audit(table, [one.name for one in columns])
    schema = table_schema(table, columns, lengths=settings.text_lengths)
    settings = replace(settings, **changed)
    return TableReader(connection.client, table, columns, schema, settings, file_columns=files)


def audit_changes(connection: Connection, reader: TableReader) -> AuditChanges | None:
    """What makes a table of changes of the audit's rows, if that is set."""
    if not (reader.table.is_log and connection.settings.audit):
        return None
    known: dict[tuple[str, str, str], str | None] = {}
    asked: set[str] = set()

    def labels_of(tables: Collection[str]) -> AuditLabels:
        new = [one for one in tables if one not in asked]
        if new:
            asked.update(new)
            described = {}
            with suppress(DataverseError):  # values without labels
                described = connection.metadata.descriptions(new)
            known.update(
                ((table, choice.column, str(option.value)), option.label)
                for table, found in described.items()
                for choice in found.choices
                for option in choice.options
            )
        return known

    return AuditChanges(reader.client, labels_of)


def _check_audit(table: Table, names: Collection[str]) -> None:
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise ConfigurationError(
            f"audit = true needs columns of {table.entity_set_name} that are not read: "
            f"{', '.join(missing)}",
            where=f"[sources.dataverse.table_settings.{table.entity_set_name}]",
            remedy="Add them to select, or remove them from exclude_columns.",
        )


def names_of(connection: Connection, table: Table) -> tuple[str, ...]:
    """The names by which settings may call a table, its own before patterns."""
    configured_as = connection.metadata.configured_as(table.logical_name)
    patterns = (one for one in connection.settings.tables if is_pattern(one))
    matching = (one for one in patterns if matches_pattern(table, one))
    return configured_as, str(table.entity_set_name), table.logical_name, *matching


def check_name(connection: Connection, name: str) -> None:
    """Checks that a resource is called like its table.

    Raises:
        ConfigurationError: it has the table's logical name.
        UnknownNameError: there is no such table.
    """
    table = connection.metadata.resolve(name)
    if table.entity_set_name != name:
        raise ConfigurationError(
            f"The table {name} is called {table.entity_set_name} where it is loaded, and so must "
            "its resource be",
            where=name,
            remedy=f"Use dataverse_table({table.entity_set_name!r}).",
        )


def hints_from_metadata(connection: Connection, name: str) -> TResourceHints:
    """Dlt's hints of a table before it is read.

    Args:
        connection: to the environment.
        name: entity set name or logical name.

    Raises:
        DataverseError: metadata cannot be read.
    """
    reader = open_table(connection, name)
    run = TableRun(
        reader,
        NothingLoaded(),
        columns="",
        retention=timedelta,
        labels=labels_for(connection, reader),
        references=lambda: table_references(connection, reader.schema),
        column_hints=connection.adapters.types(reader.columns),
        environment=connection.settings.environment_column,
    )
    return TableWriter(run, "").hints(replace=reader.settings.sync == "full")


def labels_for(connection: Connection, reader: TableReader) -> Labels:
    """The label columns of the table, none unless the setting ``labels`` is on.

    Raises:
        DataverseError: the choices cannot be read.
    """
    return table_labels(connection, reader.schema) if reader.settings.labels else NO_LABELS
