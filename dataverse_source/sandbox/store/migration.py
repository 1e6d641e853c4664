"""Changes of schema: copies rows from the old tables to the new ones."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace

from dataverse_source.sandbox.schema.tables import Column, Schema, Table
from dataverse_source.sandbox.store.layout import (
    create_indexes,
    create_table,
    is_polymorphic,
    physical_names,
    quote,
    sql_table,
    stored_columns,
)
from dataverse_source.sandbox.store.values import ValueRefused, decode, encode, has_sort_key


@dataclass(frozen=True)
class SchemaChange:
    """When a table's schema last changed, as the highest version number given at that moment.

    Attributes:
        changed_at: any change.
        altered_at: a change other than columns added.
    """

    changed_at: int = 0
    altered_at: int = 0


def migrate(connection: sqlite3.Connection, old: Schema, new: Schema) -> set[str]:
    """Brings the SQL tables from one schema to another.

    Returns:
        The logical names of the tables that differ.
    """
    changed: set[str] = set()
    for table in new.tables:
        before = old.by_logical_name.get(table.logical_name)
        if before is None:
            for statement in create_table(table):
                connection.execute(statement)
            changed.add(table.logical_name)
        elif before is not table and before != table:
            _change_table(connection, before, table)
            changed.add(table.logical_name)
    for gone in old.by_logical_name.keys() - new.by_logical_name.keys():
        connection.execute(f"DROP TABLE {sql_table(gone)}")
        connection.execute("DELETE FROM deleted WHERE logical_name = ?", (gone,))
        changed.add(gone)
    return changed


def change_of(
    old: Schema, new: Schema, logical_name: str, version: int, before: SchemaChange | None
) -> SchemaChange:
    """What a change of schema means for one table.

    Args:
        old: the schema before.
        new: the schema after.
        logical_name: the table, which differs.
        version: the version number taken at that moment.
        before: the table's last change before this one.
    """
    altered_at = before.altered_at if before else 0
    only_adds = _only_adds(old.by_logical_name.get(logical_name), new, logical_name)
    return SchemaChange(version, altered_at if only_adds else version)


def _only_adds(old: Table | None, schema: Schema, logical_name: str) -> bool:
    """Whether a table differs in nothing but columns added."""
    new = schema.by_logical_name.get(logical_name)
    if old is None or new is None:
        return False
    kept = tuple(column for column in new.columns if column.name in old.by_name)
    return replace(new, columns=kept) == old


def _change_table(connection: sqlite3.Connection, old: Table, new: Table) -> None:
    """Copies a table into one of the new shape, column by column."""
    kept = {column.name: column for column in stored_columns(old)}
    name, aside = sql_table(new.logical_name), quote(f"old_{new.logical_name}")
    for (index,) in connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL",
        (f"table_{new.logical_name}",),
    ).fetchall():
        connection.execute(f"DROP INDEX {quote(index)}")
    connection.execute(f"ALTER TABLE {name} RENAME TO {aside}")
    create, *_ = create_table(new)
    connection.execute(create)
    same = [c for c in stored_columns(new) if c.name in kept and _same_shape(kept[c.name], c)]
    parts = ", ".join(quote(part) for column in same for part in physical_names(column))
    connection.execute(
        f"INSERT INTO {name} (rowid, {parts}) SELECT rowid, {parts} FROM {aside}"  # noqa: S608
    )
    for column in stored_columns(new):
        if column.name in kept and not _same_shape(kept[column.name], column):
            _convert(connection, name, aside, kept[column.name], column)
    connection.execute(f"DROP TABLE {aside}")
    for statement in create_indexes(new):
        connection.execute(statement)


def _same_shape(old: Column, new: Column) -> bool:
    return (
        old.type == new.type
        and old.precision == new.precision
        and old.date_behavior == new.date_behavior
        and is_polymorphic(old) == is_polymorphic(new)
    )


def _convert(
    connection: sqlite3.Connection, name: str, aside: str, old: Column, new: Column
) -> None:
    """Rewrites one column's values for its new type; what does not fit becomes null."""
    parts = list(physical_names(new))
    changes = ", ".join(f"{quote(part)} = ?" for part in parts)
    found = connection.execute(
        f"SELECT rowid, {quote(old.name)} FROM {aside} WHERE {quote(old.name)} IS NOT NULL"  # noqa: S608
    ).fetchall()
    for row_id, wire in found:
        try:
            text, key = encode(new, decode(old, wire))
        except ValueRefused:
            continue
        cells = [text, *([key] if has_sort_key(new) else [])]
        if is_polymorphic(new):
            cells.append(old.targets[0] if old.targets else new.targets[0])
        connection.execute(f"UPDATE {name} SET {changes} WHERE rowid = ?", (*cells, row_id))  # noqa: S608
