"""Keeps activitypointer, the table of all activities, in step with the tables of each kind.

Source: docs page "Activity tables": an activity is a row of its own table and of
activitypointer, under one key.
"""

from __future__ import annotations

import sqlite3

from dataverse_source.sandbox.schema.tables import Schema, Table
from dataverse_source.sandbox.store.layout import literal, physical_names, quote, sql_table
from dataverse_source.sandbox.store.row_store import RowStore
from dataverse_source.sandbox.store.values import json_text

POINTER = "activitypointer"
_OWN = ("activitytypecode", "activitytypecode$", "versionnumber")
"""Columns with a value of their own in activitypointer."""


def has_pointer(schema: Schema, table: Table) -> bool:
    """Whether rows of a table are rows of activitypointer as well."""
    return table.is_activity and table.logical_name != POINTER and POINTER in schema.by_logical_name


def on_written(store: RowStore, connection: sqlite3.Connection, table: Table, key: str) -> None:
    """Copies a created or changed row to activitypointer."""
    if not has_pointer(store.schema, table):
        return
    wire = json_text(key)
    pointer, source = sql_table(POINTER), sql_table(table.logical_name)
    names = ", ".join(_shared(store.schema, table))
    version = store.next_version()
    done = connection.execute(
        f"UPDATE {pointer} SET versionnumber = ?, ({names}) = "  # noqa: S608
        f"(SELECT {names} FROM {source} WHERE activityid = ?) WHERE activityid = ?",
        (version, wire, wire),
    )
    if done.rowcount == 0:
        connection.execute(
            f"INSERT INTO {pointer} ({names}, {_kind_names()}, versionnumber) "  # noqa: S608
            f"SELECT {names}, {_kind(table)}, ? FROM {source} WHERE activityid = ?",
            (version, wire),
        )


def on_seeded(store: RowStore, connection: sqlite3.Connection, table: Table) -> None:
    """Copies the rows of a table that activitypointer lacks."""
    if not has_pointer(store.schema, table):
        return
    pointer, source = sql_table(POINTER), sql_table(table.logical_name)
    names = ", ".join(_shared(store.schema, table))
    connection.execute(f"UPDATE {source} SET ({_kind_names()}) = ({_kind(table)})")  # noqa: S608
    absent = f"activityid NOT IN (SELECT activityid FROM {pointer})"  # noqa: S608
    (count,) = connection.execute(f"SELECT count(*) FROM {source} WHERE {absent}").fetchone()  # noqa: S608
    first = store.next_version(count)
    connection.execute(
        f"INSERT INTO {pointer} ({names}, {_kind_names()}, versionnumber) "  # noqa: S608
        f"SELECT {names}, {_kind(table)}, row_number() OVER (ORDER BY rowid) + ? "
        f"FROM {source} WHERE {absent} ORDER BY rowid",
        (first - 1,),
    )


def _shared(schema: Schema, table: Table) -> list[str]:
    """The SQL columns that a table has in common with activitypointer, quoted."""
    pointer = schema.by_logical_name[POINTER]
    known = {name for column in pointer.columns for name in physical_names(column)}
    stored = (
        name
        for column in table.columns
        if column.wire_name in table.by_wire_name and column.name in pointer.by_name
        for name in physical_names(column)
    )
    return [quote(name) for name in stored if name in known and name not in _OWN]


def _kind_names() -> str:
    return 'activitytypecode, "activitytypecode$"'


def _kind(table: Table) -> str:
    """SQL of what ``activitytypecode`` holds: wire text and sort key."""
    return f"{literal(json_text(table.logical_name))}, {literal(table.logical_name)}"
