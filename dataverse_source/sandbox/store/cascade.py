"""Deletes a row and treats the rows that point at it as their relationships say."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from dataverse_source.sandbox.schema.tables import OneToMany
from dataverse_source.sandbox.store import retained
from dataverse_source.sandbox.store.activities import POINTER, has_pointer
from dataverse_source.sandbox.store.audit import DELETE, audited
from dataverse_source.sandbox.store.errors import NoSuchRow
from dataverse_source.sandbox.store.layout import is_polymorphic, quote, sql_table
from dataverse_source.sandbox.store.row_store import RowStore
from dataverse_source.sandbox.store.values import json_text


class Restricted(Exception):
    """A relationship with Restrict forbids the delete: rows still point at this one."""


class Updates(Protocol):
    """Changes rows under all rules of the store."""

    def update(self, logical_name: str, key: str, values: Mapping[str, Any]) -> None:
        """Changes columns of a row."""


@dataclass(frozen=True)
class Deletion:
    """One delete with all that follows from it, within a transaction.

    Attributes:
        store: the rows.
        connection: the transaction's.
        writer: empties the lookups of rows that stay.
        archives: the rows are moved to the long-term store: see ``retained``.
    """

    store: RowStore
    connection: sqlite3.Connection
    writer: Updates
    archives: bool = False

    def delete(
        self, logical_name: str, key: str, cascaded: bool = False, partition_id: str | None = None
    ) -> None:
        """Deletes a row, then follows every relationship in which it is the parent.

        Raises:
            NoSuchRow: there is no such row.
            Restricted: a relationship forbids it.
        """
        store = self.store
        table = store.table(logical_name)
        if self.archives:
            retained.keep(self.connection, table, key)
        with audited(store, self.connection, table, key, DELETE):
            store.remove(table, key, cascaded=cascaded, partition_id=partition_id)
        if has_pointer(store.schema, table):
            # The cascade may have come from activitypointer: then its row is gone already.
            with suppress(NoSuchRow):
                self.delete(POINTER, key, cascaded)
        for relationship in store.schema.one_to_many:
            if relationship.referenced == logical_name:
                self._follow(relationship, key)
        for pair in store.schema.many_to_many:
            for side, column in (
                (pair.table1, pair.intersect_attribute1),
                (pair.table2, pair.intersect_attribute2),
            ):
                if side == logical_name and pair.intersect in store.schema.by_logical_name:
                    for found in self._pointing(pair.intersect, column, key):
                        self.delete(pair.intersect, found, cascaded=True)

    def _follow(self, relationship: OneToMany, key: str) -> None:
        """Does to a relationship's children what it says for a delete of their parent."""
        action = relationship.cascade_delete
        child = self.store.schema.by_logical_name.get(relationship.referencing)
        column = child.by_name.get(relationship.referencing_attribute) if child else None
        if child is None or column is None or action == "NoCascade" or child.is_logical_entity:
            return
        target = relationship.referenced if is_polymorphic(column) else None
        for found in self._pointing(child.logical_name, column.name, key, target):
            if action == "Restrict":
                raise Restricted(
                    "The object you tried to delete is associated with another object and "
                    "cannot be deleted."
                )
            if action == "Cascade":
                self.delete(child.logical_name, found, cascaded=True)
            else:
                self.writer.update(child.logical_name, found, {column.name: None})

    def _pointing(
        self, logical_name: str, column: str, key: str, target: str | None = None
    ) -> list[str]:
        """Keys of the rows whose lookup ``column`` points at ``key``."""
        self.store.ensure_index(logical_name, (column,))
        primary_id = self.store.table(logical_name).primary_id
        statement = (
            f"SELECT {quote(primary_id)} FROM {sql_table(logical_name)} "  # noqa: S608
            f"WHERE {quote(column)} = ?"
        )
        parameters = [json_text(key)]
        if target is not None:
            statement += f" AND {quote(column + '@table')} = ?"
            parameters.append(target)
        found = self.connection.execute(statement, parameters).fetchall()
        return [str(wire)[1:-1] for (wire,) in found]
