"""What the delete of a row does to the rows that point at it, relationship by relationship."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING

from dataverse_source.sandbox.schema.tables import OneToMany
from dataverse_source.sandbox.store.activities import POINTER, has_pointer
from dataverse_source.sandbox.store.audit import DELETE, audited
from dataverse_source.sandbox.store.layout import is_polymorphic, key_condition, quote, sql_table
from dataverse_source.sandbox.store.values import json_text, milliseconds

if TYPE_CHECKING:
    from dataverse_source.sandbox.store.store import Store


class Restricted(Exception):
    """A relationship with Restrict forbids the delete: rows still point at this one."""


def delete(
    store: Store,
    connection: sqlite3.Connection,
    logical_name: str,
    key: str,
    cascaded: bool = False,
    partition_id: str | None = None,
) -> None:
    """Deletes a row, its children as their relationships say, and logs every row deleted.

    Raises:
        NoSuchRow: there is no such row.
        Restricted: a relationship forbids it.
    """
    from dataverse_source.sandbox.store.store import NoSuchRow

    table = store.table(logical_name)
    with audited(store, connection, table, key, DELETE):
        done = connection.execute(
            f"DELETE FROM {sql_table(logical_name)} WHERE {key_condition(table, partition_id)}",  # noqa: S608
            (json_text(key), *(() if partition_id is None else (json_text(partition_id),))),
        )
    if done.rowcount == 0:
        raise NoSuchRow(f"{logical_name} With Id = {key} Does Not Exist")
    connection.execute(
        "INSERT INTO deleted VALUES (?, ?, ?, ?, ?)",
        (logical_name, key, store.next_version(), milliseconds(store.clock.now()), cascaded),
    )
    if has_pointer(store.schema, table):
        # It may be gone already: the cascade that leads here goes by activitypointer as well.
        with suppress(NoSuchRow):
            delete(store, connection, POINTER, key, cascaded)
    for relationship in store.schema.one_to_many:
        if relationship.referenced == logical_name:
            _follow(store, connection, relationship, key)
    for pair in store.schema.many_to_many:
        for side, column in (
            (pair.table1, pair.intersect_attribute1),
            (pair.table2, pair.intersect_attribute2),
        ):
            if side == logical_name and pair.intersect in store.schema.by_logical_name:
                for found in _pointing(store, connection, pair.intersect, column, key):
                    delete(store, connection, pair.intersect, found, cascaded=True)


def _follow(
    store: Store, connection: sqlite3.Connection, relationship: OneToMany, key: str
) -> None:
    """Does to a relationship's children what it says for a delete of their parent."""
    action = relationship.cascade_delete
    child = store.schema.by_logical_name.get(relationship.referencing)
    column = child.by_name.get(relationship.referencing_attribute) if child else None
    if child is None or column is None or action == "NoCascade" or child.is_logical_entity:
        return
    target = relationship.referenced if is_polymorphic(column) else None
    for found in _pointing(store, connection, child.logical_name, column.name, key, target):
        if action == "Restrict":
            raise Restricted(
                "The object you tried to delete is associated with another object and "
                "cannot be deleted."
            )
        if action == "Cascade":
            delete(store, connection, child.logical_name, found, cascaded=True)
        else:
            store.update(child.logical_name, found, {column.name: None})


def _pointing(
    store: Store,
    connection: sqlite3.Connection,
    logical_name: str,
    column: str,
    key: str,
    target: str | None = None,
) -> list[str]:
    """Keys of the rows whose lookup ``column`` points at ``key``."""
    store.ensure_index(logical_name, (column,))
    primary_id = store.table(logical_name).primary_id
    statement = (
        f"SELECT {quote(primary_id)} FROM {sql_table(logical_name)} "  # noqa: S608
        f"WHERE {quote(column)} = ?"
    )
    parameters = [json_text(key)]
    if target is not None:
        statement += f" AND {quote(column + '@table')} = ?"
        parameters.append(target)
    return [str(wire)[1:-1] for (wire,) in connection.execute(statement, parameters).fetchall()]
