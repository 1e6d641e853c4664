"""Reads a page of a tracked chain: rows that changed, and entries for rows that were deleted.

A chain has three parts: deletes of rows that exist again, then rows, then deletes of rows
that are gone ("usually" rows come first, docs page "Use change tracking to synchronize data
with external systems"). Every page looks at all three anew, each from where the chain stands.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace

from dataverse_source.sandbox.query.filter.scope import Scope
from dataverse_source.sandbox.query.rows.rows import Selection, row_text
from dataverse_source.sandbox.query.syntax.preferences import Preferences
from dataverse_source.sandbox.query.tracking.delta_chains import Chain, Position
from dataverse_source.sandbox.query.tracking.tracking_rules import retention
from dataverse_source.sandbox.store.layout import key, sql_table, wire
from dataverse_source.sandbox.store.values import json_text, milliseconds
from dataverse_source.sandbox.store.versions import version_base

NO_LIMIT = -1
"""For SQLite's LIMIT."""


@dataclass(frozen=True)
class Item:
    """One entry of a page: its JSON, and where the chain stands after it."""

    json: bytes
    position: Position


@dataclass(frozen=True)
class Reader:
    """Reads the pages of a chain.

    Attributes:
        scope: the table.
        selection: the columns of a row.
        preferences: the caller's.
        base: URL of the Web API.
    """

    scope: Scope
    selection: Selection
    preferences: Preferences
    base: str

    def read(self, connection: sqlite3.Connection, chain: Chain, most: int) -> list[Item]:
        """Up to ``most`` entries from where the chain stands."""
        items: list[Item] = []
        for part in (self._reappeared, self._rows, self._gone):
            if len(items) < most:
                position = items[-1].position if items else chain.position
                items += part(connection, replace(chain, position=position), most - len(items))
        return items

    def count(self, connection: sqlite3.Connection, chain: Chain) -> int:
        """How many entries the whole chain has."""
        number = 0
        for sql in (
            self._deletes(chain, 0, NO_LIMIT, exists=True),
            self._rows_sql(chain, "1", NO_LIMIT),
            self._deletes(chain, 0, NO_LIMIT, exists=False),
        ):
            if sql is not None:
                counted = connection.execute(
                    f"SELECT count(*) FROM ({sql})",  # noqa: S608
                    self.scope.parameters.values,
                )
                number += int(counted.fetchone()[0])
        return number

    def _run(self, connection: sqlite3.Connection, sql: str) -> list[tuple[bytes, int | str]]:
        found: list[tuple[bytes, int | str]] = connection.execute(
            sql, self.scope.parameters.values
        ).fetchall()
        return found

    def _reappeared(self, connection: sqlite3.Connection, chain: Chain, most: int) -> list[Item]:
        sql = self._deletes(chain, chain.position.reappeared, most, exists=True)
        found = [] if sql is None else self._run(connection, sql)
        return [
            Item(self._deleted_entity(row), replace(chain.position, reappeared=int(version)))
            for row, version in found
        ]

    def _rows(self, connection: sqlite3.Connection, chain: Chain, most: int) -> list[Item]:
        text = row_text(self.scope, self.selection, self.preferences)
        text.add("}")
        sql = self._rows_sql(chain, f"CAST({text.sql} AS BLOB)", most)
        return [
            Item(row, replace(chain.position, row=str(place)))
            for row, place in self._run(connection, sql)
        ]

    def _gone(self, connection: sqlite3.Connection, chain: Chain, most: int) -> list[Item]:
        sql = self._deletes(chain, chain.position.deleted, most, exists=False)
        found = [] if sql is None else self._run(connection, sql)
        return [
            Item(self._deleted_entity(row), replace(chain.position, deleted=int(version)))
            for row, version in found
        ]

    def _rows_sql(self, chain: Chain, shown: str, most: int) -> str:
        """SQL of the chain's rows from where it stands, each with its sort key."""
        scope, table = self.scope, self.scope.table
        version = key(scope.alias, table.by_name["versionnumber"])
        order = key(scope.alias, table.by_name[table.primary_id]) if chain.by_key else version
        base = version_base(table)
        conditions = [f"{version} > {scope.add(chain.version + base)}"]
        last = chain.position.row
        if last is not None:
            conditions.append(f"{order} > {scope.add(last if chain.by_key else int(last))}")
        if chain.bounded and chain.first is not None:
            conditions.append(f"{version} <= {scope.add(chain.first.version + base)}")
        return (
            f"SELECT {shown}, {order} FROM {scope.rows} AS {scope.alias} "  # noqa: S608
            f"WHERE {' AND '.join(conditions)} ORDER BY {order} LIMIT {most}"
        )

    def _deletes(self, chain: Chain, after: int, most: int, *, exists: bool) -> str | None:
        """SQL of keys deleted since the chain's token, each with its last delete's version.

        Args:
            chain: the chain.
            after: only those deleted under higher versions.
            most: how many.
            exists: those whose row is there again, else those whose row is gone.

        Returns:
            None when such deletes are not part of the chain.
        """
        scope, table, environment = self.scope, self.scope.table, self.scope.environment
        if chain.since is None:
            return None
        if exists and environment.switches.reappearing_row == "row_only":
            return None
        oldest = milliseconds(scope.now - retention(environment))
        conditions = [
            f"logical_name = {scope.add(table.logical_name)}",
            f"version > {scope.add(chain.version)}",
            f"moment >= {scope.add(oldest)}",
        ]
        same = f"{wire(scope.alias, table.by_name[table.primary_id])} = '\"' || key || '\"'"
        if environment.switches.cascade_tombstones == "parent_only":
            conditions.append("NOT cascaded")
        if chain.bounded and chain.first is not None:
            mark = scope.add(chain.first.version)
            conditions.append(f"version <= {mark}")
            version = key(scope.alias, table.by_name["versionnumber"])
            same += f" AND {version} - {version_base(table)} <= {mark}"
        row = f"SELECT 1 FROM {sql_table(table.logical_name)} AS {scope.alias} WHERE {same}"  # noqa: S608
        return (
            f"SELECT key, max(version) AS last FROM deleted WHERE {' AND '.join(conditions)} "  # noqa: S608
            f"GROUP BY key HAVING last > {scope.add(after)} "
            f"AND {'' if exists else 'NOT '}EXISTS ({row}) ORDER BY last LIMIT {most}"
        )

    def _deleted_entity(self, row_key: object) -> bytes:
        name = self.scope.table.entity_set_name
        context = json_text(f"{self.base}/$metadata#{name}/$deletedEntity")
        return f'{{"@odata.context":{context},"id":"{row_key}","reason":"deleted"}}'.encode()
