"""The layout of a Dataverse table in SQLite: its SQL table and columns.

A column is stored as the JSON text that a row prints (``name``). Where that text does not
compare as SQL Server compares the value, its sort key is stored too (``name$``). A lookup that
may point at several tables has the table's name in ``name@table``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

from dataverse_source.sandbox.schema.tables import LOOKUP_TYPES, Column, Schema, Table
from dataverse_source.sandbox.store.values import UNSTORED_TYPES, has_sort_key


def quote(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def is_stored(column: Column) -> bool:
    """Whether rows hold a value for the column."""
    return column.readable and column.is_valid_odata and column.type not in UNSTORED_TYPES


def is_partitioned(table: Table) -> bool:
    """Whether rows are told apart by their partition besides their key."""
    return table.table_type == "Elastic" and "partitionid" in table.by_name


def key_condition(table: Table, partition_id: str | None) -> str:
    """SQL that finds a row by its key's wire text, and by its partition's when one is given."""
    own = f"{quote(table.primary_id)} = ?"
    return own if partition_id is None else f"{own} AND partitionid = ?"


def is_polymorphic(column: Column) -> bool:
    """Whether the column is a lookup that may point at several tables."""
    return column.type in LOOKUP_TYPES and len(column.targets) > 1


def stored_columns(table: Table) -> tuple[Column, ...]:
    """The columns that rows of the table hold."""
    return tuple(column for column in table.columns if is_stored(column))


def physical_names(column: Column) -> Iterator[str]:
    """The SQL columns of a column, unquoted."""
    yield column.name
    if has_sort_key(column):
        yield f"{column.name}$"
    if is_polymorphic(column):
        yield f"{column.name}@table"


def wire(alias: str, column: Column) -> str:
    """SQL of the column's wire text."""
    return f"{alias}.{quote(column.name)}"


def key(alias: str, column: Column) -> str:
    """SQL of the column's sort key."""
    return f"{alias}.{quote(column.name + '$' if has_sort_key(column) else column.name)}"


def target_table(alias: str, column: Column) -> str:
    """SQL of the logical name of the table that a lookup points at."""
    if is_polymorphic(column):
        return f"{alias}.{quote(column.name + '@table')}"
    return literal(column.targets[0] if column.targets else "")


def sql_table(logical_name: str) -> str:
    """The SQL table of a Dataverse table, quoted."""
    return quote(f"table_{logical_name}")


def create_table(table: Table) -> Iterable[str]:
    """The statements that create a table with the indexes that every read needs."""
    name = sql_table(table.logical_name)
    columns = [quote(part) for column in stored_columns(table) for part in physical_names(column)]
    yield f"CREATE TABLE {name} ({', '.join(columns)})"
    yield from create_indexes(table)


def key_indexes(table: Table) -> tuple[str, str]:
    """Names of the indexes on the primary key: its text, and its place in SQL Server's order."""
    return f"key_{table.logical_name}", f"key$_{table.logical_name}"


def create_indexes(table: Table) -> Iterable[str]:
    """The statements that make the indexes on the primary key."""
    by_text, by_order = (quote(name) for name in key_indexes(table))
    name, column = sql_table(table.logical_name), table.primary_id
    # The same key may stand in several partitions of an elastic table.
    partition = ", coalesce(partitionid, '')" if is_partitioned(table) else ""
    yield f"CREATE UNIQUE INDEX {by_text} ON {name} ({quote(column)}{partition})"
    yield f"CREATE INDEX {by_order} ON {name} ({quote(f'{column}$')})"


def lay_out(connection: sqlite3.Connection, schema: Schema, first_version: int) -> None:
    """Creates the tables of a new database."""
    connection.execute("CREATE TABLE sequence (version INTEGER NOT NULL)")
    connection.execute("INSERT INTO sequence VALUES (?)", (first_version,))
    connection.execute(
        "CREATE TABLE deleted (logical_name TEXT NOT NULL, key TEXT NOT NULL, "
        "version INTEGER NOT NULL, moment INTEGER NOT NULL, cascaded INTEGER NOT NULL)"
    )
    connection.execute("CREATE TABLE reserved (version INTEGER PRIMARY KEY)")
    connection.execute("CREATE INDEX deleted_by_version ON deleted (logical_name, version)")
    for table in schema.tables:
        for statement in create_table(table):
            connection.execute(statement)
