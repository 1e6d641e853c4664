"""Rows in SQLite and what was deleted of them; no rule of Dataverse's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from dataverse_source.sandbox.schema.tables import Column, Table
from dataverse_source.sandbox.store.cells import cells_of, defaults_of, is_known, refuse_unknown
from dataverse_source.sandbox.store.database import Database
from dataverse_source.sandbox.store.errors import DuplicateRow, no_such_row
from dataverse_source.sandbox.store.layout import (
    is_polymorphic,
    key_condition,
    quote,
    sql_table,
    stored_columns,
)
from dataverse_source.sandbox.store.retained import archived_rows
from dataverse_source.sandbox.store.values import (
    SqlValue,
    decode,
    json_text,
    milliseconds,
    parse_guid,
)
from dataverse_source.sandbox.store.versions import version_base


class RowStore(Database):
    """Rows by table; the arguments and errors are those of ``Database``."""

    def insert(
        self,
        table: Table,
        key: str,
        values: Mapping[str, Any],
        *,
        created_on: datetime | None = None,
        modified_on: datetime | None = None,
        version: int | None = None,
    ) -> None:
        """Writes a new row, with its dates and its version number.

        Args:
            table: the table.
            key: the row's GUID in lower case.
            values: by logical column name; a lookup's target table under ``<column>@table``.
            created_on: instead of the present moment.
            modified_on: instead of ``created_on``.
            version: a number from ``reserve_version``, instead of the next one.

        Raises:
            DuplicateRow: the key is taken.
            ValueRefused: an unknown column, or a value that it can't hold.
        """
        now = created_on or self.clock.now()
        full = {**defaults_of(table), **values, table.primary_id: key}
        full.setdefault("createdon", now)
        full.setdefault("modifiedon", modified_on or now)
        with self.transaction() as connection:
            full["versionnumber"] = self.number_of(connection, version) + version_base(table)
            cells = cells_of(table, {n: v for n, v in full.items() if is_known(table, n)})
            names = ", ".join(quote(name) for name in cells)
            marks = ", ".join("?" * len(cells))
            statement = f"INSERT INTO {sql_table(table.logical_name)} ({names}) VALUES ({marks})"  # noqa: S608
            refuse_unknown(table, values)
            try:
                connection.execute(statement, tuple(cells.values()))
            except sqlite3.IntegrityError:
                raise DuplicateRow(f"{table.logical_name} {key} exists.") from None

    def change(
        self,
        table: Table,
        key: str,
        values: Mapping[str, Any],
        *,
        modified_on: datetime | None = None,
        touch: bool = True,
        version: int | None = None,
        partition_id: str | None = None,
    ) -> None:
        """Writes columns of a row, modifiedon and a new version number.

        Args:
            table: the table.
            key: the row.
            values: as for ``insert``.
            modified_on: instead of the present moment.
            touch: False leaves modifiedon as it is.
            version: a number from ``reserve_version``, instead of the next one.
            partition_id: of an elastic row, whose key may stand in several partitions.

        Raises:
            NoSuchRow: there is no such row.
            ValueRefused: an unknown column, or a value that it can't hold.
        """
        refuse_unknown(table, values)
        full = dict(values)
        if touch and is_known(table, "modifiedon"):
            full.setdefault("modifiedon", modified_on or self.clock.now())
        with self.transaction() as connection:
            if is_known(table, "versionnumber"):
                full["versionnumber"] = self.number_of(connection, version) + version_base(table)
            cells = cells_of(table, full)
            changes = ", ".join(f"{quote(name)} = ?" for name in cells)
            statement = (
                f"UPDATE {sql_table(table.logical_name)} SET {changes} "  # noqa: S608
                f"WHERE {key_condition(table, partition_id)}"
            )
            found = _key_values(key, partition_id)
            if connection.execute(statement, (*cells.values(), *found)).rowcount == 0:
                raise no_such_row(table, key)

    def remove(
        self, table: Table, key: str, *, cascaded: bool = False, partition_id: str | None = None
    ) -> None:
        """Deletes a row and notes its key, under a new version number, for change tracking.

        Args:
            table: the table.
            key: the row.
            cascaded: noted as well: the delete of another row or a bulk job led to this one.
            partition_id: as for ``change``.

        Raises:
            NoSuchRow: there is no such row.
        """
        statement = (
            f"DELETE FROM {sql_table(table.logical_name)} "  # noqa: S608
            f"WHERE {key_condition(table, partition_id)}"
        )
        with self.transaction() as connection:
            if connection.execute(statement, _key_values(key, partition_id)).rowcount == 0:
                raise no_such_row(table, key)
            moment = milliseconds(self.clock.now())
            connection.execute(
                "INSERT INTO deleted VALUES (?, ?, ?, ?, ?)",
                (table.logical_name, parse_guid(key), self.next_version(), moment, cascaded),
            )

    def row(
        self, logical_name: str, key: str, partition_id: str | None = None
    ) -> dict[str, Any] | None:
        """One row's values by logical column name, None when there is no such row."""
        table = self.table(logical_name)
        where = f"WHERE {key_condition(table, partition_id)}"
        found = list(self._select(table, where, _key_values(key, partition_id)))
        return found[0] if found else None

    def rows(self, logical_name: str) -> list[dict[str, Any]]:
        """All rows in order of their key, with exact Python values by logical column name."""
        table = self.table(logical_name)
        return list(self._select(table, f"ORDER BY {quote(table.primary_id + '$')}", ()))

    def retained_rows(self, logical_name: str) -> list[dict[str, Any]]:
        """The rows that retention has archived, like ``rows``."""
        table = self.table(logical_name)
        with self.reading() as connection:
            source = archived_rows(connection, table)
            order = f"ORDER BY {quote(table.primary_id + '$')}"
            return list(self._select(table, order, (), source))

    def count(self, logical_name: str) -> int:
        """How many rows a table has."""
        with self.reading() as connection:
            statement = f"SELECT count(*) FROM {sql_table(logical_name)}"  # noqa: S608
            return int(connection.execute(statement).fetchone()[0])

    def _select(
        self, table: Table, clause: str, parameters: tuple[SqlValue, ...], source: str = ""
    ) -> Iterator[dict[str, Any]]:
        columns = stored_columns(table)
        names = [name for column in columns for name in (column.name, *_target_name(column))]
        listed = ", ".join(quote(name) for name in names)
        source = source or sql_table(table.logical_name)
        statement = f"SELECT {listed} FROM {source} {clause}"  # noqa: S608
        with self.reading() as connection:
            found = connection.execute(statement, parameters).fetchall()
        by_name = table.by_name
        for cells in found:
            yield {
                name: decode(by_name[name], cell) if name in by_name else cell
                for name, cell in zip(names, cells, strict=True)
            }


def _key_values(key: str, partition_id: str | None) -> tuple[str, ...]:
    """The values that ``key_condition`` asks for."""
    partition = () if partition_id is None else (json_text(partition_id),)
    return (json_text(parse_guid(key)), *partition)


def _target_name(column: Column) -> tuple[str, ...]:
    return (f"{column.name}@table",) if is_polymorphic(column) else ()
