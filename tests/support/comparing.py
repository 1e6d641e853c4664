"""Compares a destination's table with the sandbox's, cell by cell."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import dlt

from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.schema.tables import CHOICE_TYPES, Column

RowBatch = dict[str, dict[str, Any]]
LABELLED = CHOICE_TYPES | {"Boolean", "MultiSelectPicklist"}
YES_NO = {0: "No", 1: "Yes"}


def all_rows(pipeline: dlt.Pipeline, table: str) -> list[dict[str, Any]]:
    """The rows of ``table``, in any order."""
    with (
        pipeline.sql_client() as client,
        client.execute_query(f"SELECT * FROM {client.make_qualified_table_name(table)}") as cursor,
    ):
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]


def destination_rows(
    pipeline: dlt.Pipeline, table: str, key: str, environment: str | None = None
) -> RowBatch:
    """The rows of ``table`` by key, of one environment if named; a key that comes twice fails."""
    rows = all_rows(pipeline, table)
    if environment is not None:
        rows = [row for row in rows if row.pop("_dataverse_environment") == environment]
    by_key = {row[key]: row for row in rows}
    assert len(by_key) == len(rows), f"{len(rows) - len(by_key)} keys of {table} come twice"
    return by_key


def sandbox_rows(sandbox: Sandbox, logical_name: str, columns: set[str]) -> RowBatch:
    """The rows of the sandbox's table by key, in the form in which they have to arrive."""
    table = sandbox.store.schema.by_logical_name[logical_name]
    rows = sandbox.store.rows(logical_name)
    return {
        row[table.primary_id]: {
            column: _label(row, table.by_name.get(column.removesuffix("name")))
            if _is_label(column, table.by_name)
            else _arrived(row, column, table.by_name.get(column))
            for column in columns
        }
        for row in rows
    }


def _is_label(name: str, columns: Mapping[str, Column]) -> bool:
    """Whether a column holds the labels of a choice, which are made from metadata."""
    choice = columns.get(name.removesuffix("name")) if name.endswith("name") else None
    own = columns.get(name)
    return (
        choice is not None and choice.type in LABELLED and (own is None or bool(own.attribute_of))
    )


def _label(row: dict[str, Any], choice: Column | None) -> Any:
    value = row.get(choice.name) if choice else None
    if choice is None or value is None:
        return None
    labels = {one.value: one.label for one in choice.options} or YES_NO
    if choice.type == "MultiSelectPicklist":
        parts = [int(one) for one in str(value).split(",")]
        return "; ".join(labels.get(one, str(one)) for one in parts)
    return labels.get(int(value))


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


def assert_equal(
    pipeline: dlt.Pipeline, sandbox: Sandbox, set_name: str, environment: str | None = None
) -> RowBatch:
    """The destination's table, or an environment's part of it, equals the sandbox's; its rows."""
    table = sandbox.store.schema.by_entity_set[set_name]
    arrived = destination_rows(pipeline, set_name, table.primary_id, environment)
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
