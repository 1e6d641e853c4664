"""Compares a destination's table with the sandbox's, cell by cell."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import dlt

from dataverse_source.sandbox import Sandbox

Rows = dict[str, dict[str, Any]]


def destination_rows(pipeline: dlt.Pipeline, table: str, key: str) -> Rows:
    """The rows of ``table`` by key; a key that comes twice fails."""
    with (
        pipeline.sql_client() as client,
        client.execute_query(f"SELECT * FROM {client.make_qualified_table_name(table)}") as cursor,
    ):
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
    by_key = {row[key]: row for row in rows}
    assert len(by_key) == len(rows), f"{len(rows) - len(by_key)} keys of {table} come twice"
    return by_key


def sandbox_rows(sandbox: Sandbox, logical_name: str, columns: set[str]) -> Rows:
    """The rows of the sandbox's table by key, in the form in which they have to arrive."""
    table = sandbox.store.schema.by_logical_name[logical_name]
    rows = sandbox.store.rows(logical_name)
    return {
        row[table.primary_id]: {
            column: _arrived(row, column, table.by_name.get(column)) for column in columns
        }
        for row in rows
    }


def _arrived(row: dict[str, Any], name: str, column: Any) -> Any:
    if column is None or column.attribute_of:
        lookup = name.removesuffix("type")
        return row.get(f"{lookup}@table")
    if column.secured:
        return None  # the application user may not see it
    value = row.get(name)
    if isinstance(value, datetime) and column.date_behavior == "TimeZoneIndependent":
        return value.astimezone(timezone.utc).replace(tzinfo=None)
    return value


def assert_equal(pipeline: dlt.Pipeline, sandbox: Sandbox, set_name: str) -> Rows:
    """The destination's table equals the sandbox's; returns its rows."""
    table = sandbox.store.schema.by_entity_set[set_name]
    arrived = destination_rows(pipeline, set_name, table.primary_id)
    for row in arrived.values():
        _merge_variants(row)
    columns = set(next(iter(arrived.values()), {}))
    expected = sandbox_rows(sandbox, table.logical_name, columns)
    assert arrived.keys() == expected.keys()
    for key, row in expected.items():
        different = {
            column: (arrived[key][column], value)
            for column, value in row.items()
            if not same(arrived[key][column], value)
        }
        assert not different, f"{set_name} {key}: (destination, sandbox) {different}"
    return arrived


def _merge_variants(row: dict[str, Any]) -> None:
    """The value of a column that has got another type is in the column for that type."""
    for name in [name for name in row if "__v_" in name]:
        value = row.pop(name)
        if value is not None:
            row[name.partition("__v_")[0]] = value


def same(one: Any, other: Any) -> bool:
    if isinstance(one, datetime) and isinstance(other, datetime) and one.tzinfo:
        return one.astimezone(timezone.utc) == other.astimezone(timezone.utc)
    return bool(one == other)
