"""Rows that long-term retention has moved out of the live tables.

Source: docs page "Dataverse long term data retention overview": a row that a policy matches is
copied to the long-term store, with the rows that a delete of it would delete, and is then deleted.
Each table's archived rows are in an SQL table beside its live ones, made with the first of them.
"""

from __future__ import annotations

import sqlite3

from dataverse_source.sandbox.schema.tables import Table
from dataverse_source.sandbox.store.layout import (
    literal,
    physical_names,
    quote,
    sql_table,
    stored_columns,
)
from dataverse_source.sandbox.store.values import json_text


def keep(connection: sqlite3.Connection, table: Table, key: str) -> None:
    """Copies a live row to the archived ones; nothing if there is no such row."""
    name, live = _name(table), sql_table(table.logical_name)
    connection.execute(f"CREATE TABLE IF NOT EXISTS {quote(name)} AS SELECT * FROM {live} WHERE 0")  # noqa: S608
    known = _columns(connection, table)
    for one in (one for one in _live_columns(table) if one not in known):
        connection.execute(f"ALTER TABLE {quote(name)} ADD COLUMN {quote(one)}")
    listed, own = ", ".join(map(quote, _live_columns(table))), f"{quote(table.primary_id)} = ?"
    connection.execute(f"DELETE FROM {quote(name)} WHERE {own}", (json_text(key),))  # noqa: S608
    connection.execute(
        f"INSERT INTO {quote(name)} ({listed}) SELECT {listed} FROM {live} WHERE {own}",  # noqa: S608
        (json_text(key),),
    )


def archived_rows(connection: sqlite3.Connection, table: Table) -> str:
    """SQL of a table's archived rows, with its present columns, as a query in parentheses."""
    known = _columns(connection, table)
    if not known:
        return f"(SELECT * FROM {sql_table(table.logical_name)} WHERE 0)"  # noqa: S608
    shown = ", ".join(
        quote(one) if one in known else f"NULL AS {quote(one)}" for one in _live_columns(table)
    )
    return f"(SELECT {shown} FROM {quote(_name(table))})"  # noqa: S608


def _name(table: Table) -> str:
    return f"retained_{table.logical_name}"


def _live_columns(table: Table) -> list[str]:
    return [name for column in stored_columns(table) for name in physical_names(column)]


def _columns(connection: sqlite3.Connection, table: Table) -> set[str]:
    """Names of the columns of the archived rows; none while there are no such rows."""
    statement = f"SELECT name FROM pragma_table_info({literal(_name(table))})"  # noqa: S608
    return {name for (name,) in connection.execute(statement).fetchall()}
