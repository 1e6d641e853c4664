"""Turns a row's values into what its SQL columns hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataverse_source.sandbox.schema.tables import Column, Table
from dataverse_source.sandbox.store.layout import is_polymorphic, physical_names
from dataverse_source.sandbox.store.values import SqlValue, ValueRefused, encode, has_sort_key


def is_known(table: Table, name: str) -> bool:
    """Whether rows of a table have values under this name."""
    column = table.by_name.get(name.removesuffix("@table"))
    return column is not None and column.wire_name in table.by_wire_name


def refuse_unknown(table: Table, values: Mapping[str, Any]) -> None:
    """Refuses names that are no columns.

    Raises:
        ValueRefused: one of the names.
    """
    for name in values:
        if not is_known(table, name):
            raise ValueRefused(
                f"'{table.logical_name}' entity doesn't contain attribute with Name = '{name}'."
            )


def cells_of(table: Table, values: Mapping[str, Any]) -> dict[str, SqlValue]:
    """SQL columns and their contents for values by logical column name."""
    cells: dict[str, SqlValue] = {}
    for name, value in values.items():
        if name.endswith("@table"):
            continue
        column = table.by_name[name]
        text, key = encode(column, value)
        cells[name] = text
        if has_sort_key(column):
            cells[f"{name}$"] = key
        if is_polymorphic(column):
            cells[f"{name}@table"] = None if value is None else _target(column, values)
    known = {part for column in table.columns for part in physical_names(column)}
    return {name: cell for name, cell in cells.items() if name in known}


def _target(column: Column, values: Mapping[str, Any]) -> str:
    target = values.get(f"{column.name}@table") or column.targets[0]
    if target not in column.targets:
        raise ValueRefused(f"{column.name} can't point at the table {target}.")
    return str(target)


def defaults_of(table: Table) -> dict[str, Any]:
    """What a new row has unless it is told otherwise: its first state and status reason."""
    defaults: dict[str, Any] = {}
    for column in table.columns:
        if column.type in ("State", "Status") and column.options:
            defaults[column.name] = column.options[0].value
    if table.is_activity and "activitytypecode" in table.by_name:
        defaults["activitytypecode"] = table.logical_name
    return defaults
