"""Plants in a store the rows that a printed answer shows, so that it can be asked for again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dataverse_source.sandbox.query.filter.relationships import Associated, Many, Single, navigation
from dataverse_source.sandbox.schema.tables import LOOKUP_TYPES, Column, Table
from dataverse_source.sandbox.store.store import Store
from dataverse_source.sandbox.store.versions import version_base

FORMATTED = "@OData.Community.Display.V1.FormattedValue"
LOGICAL_NAME = "@Microsoft.Dynamics.CRM.lookuplogicalname"
_ID = re.compile(r"/(\w+)\(([0-9a-f-]{36})\)$")
_ETAG = re.compile(r'W/"(\d+)"')


def plant(store: Store, table: Table, row: Mapping[str, Any], **more: Any) -> str:
    """Creates a printed row, or adds to it what it did not have yet.

    Lookups get a row to point at, with the formatted value as its name; expanded rows are
    planted as well.

    Args:
        store: where to.
        table: the row's table.
        row: the row as printed.
        more: values by logical name that the print leaves out.

    Returns:
        The row's key.
    """
    values: dict[str, Any] = dict(more)
    children: list[tuple[Many | Associated, list[Mapping[str, Any]]]] = []
    for name, value in row.items():
        column = table.by_wire_name.get(name)
        if column is not None and column.type in LOOKUP_TYPES:
            values.update(_lookup(store, column, value, row))
        elif column is not None and name != "versionnumber":
            values[column.name] = value
        elif "@" not in name:
            step = navigation(store.schema, table, name)
            if isinstance(step, Single):
                values.update(_related(store, step, value))
            elif step is not None:
                children.append((step, value))
    key = _write(store, table, values, _version(table, row))
    for step, rows in children:
        for child in rows:
            _child(store, table, key, step, child)
    return key


def _version(table: Table, row: Mapping[str, Any]) -> int | None:
    """The number that makes the store give a row the printed version, if one is printed."""
    if version_base(table) and "versionnumber" in row:
        return int(row["versionnumber"]) - version_base(table)
    found = _ETAG.search(row.get("@odata.etag") or "")
    return int(found[1]) if found else None


def _write(store: Store, table: Table, values: dict[str, Any], version: int | None) -> str:
    key = values.get(table.primary_id)
    known = {
        name: value
        for name, value in values.items()
        if name in table.by_name or name.removesuffix("@table") in table.by_name
    }
    there = None if key is None else store.row(table.logical_name, key)
    if key is not None and there is not None:
        if version is None:
            version = int(there["versionnumber"]) - version_base(table)
        store.update(table.logical_name, key, known, version=version, touch=False)
        return str(key)
    return store.create(table.logical_name, known, version=version)


def _lookup(store: Store, column: Column, value: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    """A lookup's value, after planting the row that it points at."""
    if value is None:
        return {column.name: None}
    target = row.get(column.wire_name + LOGICAL_NAME) or column.targets[0]
    table = store.schema.by_logical_name[target]
    known = {table.primary_id: value}
    name = row.get(column.wire_name + FORMATTED)
    if name is not None and table.primary_name is not None:
        known[table.primary_name] = name
    plant(store, table, known)
    return {column.name: value, f"{column.name}@table": target}


def _related(store: Store, step: Single, value: Any) -> dict[str, Any]:
    """The lookup behind an expanded row, after planting that row."""
    if value is None:
        return {step.column.name: None}
    table = step.targets[0]
    reference = _ID.search(value.get("@odata.id", ""))
    row = {table.primary_id: reference[2]} if reference else value
    if table.primary_id not in row and "ownerid" in row:
        row = {**row, table.primary_id: row["ownerid"]}
    key = plant(store, table, row)
    return {step.column.name: key, f"{step.column.name}@table": table.logical_name}


def _child(
    store: Store, table: Table, key: str, step: Many | Associated, child: Mapping[str, Any]
) -> None:
    """Plants a row of an expanded collection, and what makes it belong to the row ``key``."""
    if isinstance(step, Many):
        pointer = {step.column.name: key, f"{step.column.name}@table": table.logical_name}
        plant(store, step.table, child, **pointer)
        return
    other = plant(store, step.table, child)
    store.create(step.intersect.logical_name, {step.near: key, step.far: other})
