"""Schemas with a column or table added, changed or removed, for ``Store.change_schema``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dataverse_source.sandbox.schema.tables import Column, Schema, Table


def with_column(schema: Schema, logical_name: str, column: Column) -> Schema:
    """The schema with one more column.

    Raises:
        ValueError: there is no such table, or it has such a column.
    """
    table = _table(schema, logical_name)
    if column.name in table.by_name:
        raise ValueError(f"Table {logical_name!r} has a column {column.name!r}.")
    made = table.columns_made + 1
    columns = (*table.columns, replace(column, made=made))
    return _with_table(schema, replace(table, columns=columns, columns_made=made))


def with_column_changed(schema: Schema, logical_name: str, name: str, **changes: Any) -> Schema:
    """The schema with some properties of a column changed, its type for instance.

    Raises:
        ValueError: there is no such table or column.
    """
    table = _table(schema, logical_name)
    _require_column(table, name)
    columns = tuple(
        replace(column, **changes) if column.name == name else column for column in table.columns
    )
    return _with_table(schema, replace(table, columns=columns))


def without_column(schema: Schema, logical_name: str, name: str) -> Schema:
    """The schema without a column and its companions, relationships and keys.

    Raises:
        ValueError: there is no such table or column, or it is the key or the primary name.
    """
    table = _table(schema, logical_name)
    _require_column(table, name)
    if name in (table.primary_id, table.primary_name):
        raise ValueError(
            f"Table {logical_name!r} needs its key and its primary name: keep {name!r}."
        )
    columns = tuple(
        each
        for each in table.columns
        if name not in (each.name, each.attribute_of, each.calculation_of)
    )
    keys = tuple(key for key in table.keys if name not in key.columns)
    links = tuple(
        link
        for link in schema.one_to_many
        if (link.referencing, link.referencing_attribute) != (logical_name, name)
    )
    changed = _with_table(schema, replace(table, columns=columns, keys=keys))
    return replace(changed, one_to_many=links)


def with_table(schema: Schema, table: Table) -> Schema:
    """The schema with one more table.

    Raises:
        ValueError: there is such a table.
    """
    if table.logical_name in schema.by_logical_name:
        raise ValueError(f"There is a table {table.logical_name!r}.")
    return replace(schema, tables=(*schema.tables, table))


def without_table(schema: Schema, logical_name: str) -> Schema:
    """The schema without a table and the relationships from and to it.

    Raises:
        ValueError: there is no such table.
    """
    _table(schema, logical_name)
    return replace(
        schema,
        tables=tuple(each for each in schema.tables if each.logical_name != logical_name),
        one_to_many=tuple(
            link
            for link in schema.one_to_many
            if logical_name not in (link.referenced, link.referencing)
        ),
        many_to_many=tuple(
            link
            for link in schema.many_to_many
            if logical_name not in (link.table1, link.table2, link.intersect)
        ),
    )


def with_table_changed(schema: Schema, logical_name: str, **changes: Any) -> Schema:
    """The schema with some properties of a table changed, ``change_tracking`` for instance.

    Raises:
        ValueError: there is no such table.
    """
    return _with_table(schema, replace(_table(schema, logical_name), **changes))


def _table(schema: Schema, logical_name: str) -> Table:
    table = schema.by_logical_name.get(logical_name)
    if table is None:
        raise ValueError(f"There is no table {logical_name!r}.")
    return table


def _require_column(table: Table, name: str) -> None:
    if name not in table.by_name:
        raise ValueError(f"Table {table.logical_name!r} has no column {name!r}.")


def _with_table(schema: Schema, table: Table) -> Schema:
    tables = (table if each.logical_name == table.logical_name else each for each in schema.tables)
    return replace(schema, tables=tuple(tables))
