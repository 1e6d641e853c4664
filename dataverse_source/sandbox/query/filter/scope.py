"""The scope that a piece of a query is compiled in: a table, its alias, parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from typing import Any

from dataverse_source.sandbox.environment.column_security import ColumnSecurity
from dataverse_source.sandbox.environment.environment import Caller, Environment
from dataverse_source.sandbox.environment.row_access import visible_rows
from dataverse_source.sandbox.query.filter.user_zones import zone_of
from dataverse_source.sandbox.query.syntax.odata import bad_query
from dataverse_source.sandbox.schema.tables import Column, Schema, Table
from dataverse_source.sandbox.store.time_zones import TimeZone
from dataverse_source.sandbox.store.values import SqlValue


class Parameters:
    """Values of an SQL statement, each under a name of its own."""

    def __init__(self) -> None:
        self.values: dict[str, SqlValue] = {}
        self._aliases = count(1)

    def add(self, value: SqlValue) -> str:
        """Keeps a value and returns what stands for it in the SQL."""
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f":{name}"

    def alias(self) -> str:
        """A new alias for a table in the SQL."""
        return f"t{next(self._aliases)}"


@dataclass(frozen=True)
class Scope:
    """Where names are looked up while a query is compiled to SQL.

    Attributes:
        environment: schema, switches, organization.
        caller: for EqualUserId and its kin.
        table: the table that bare names belong to.
        alias: its alias in the SQL.
        parameters: the statement's values.
        now: the moment of the query.
        variables: scopes of the lambda variables around.
        aliases: texts of the query's parameter aliases.
        security: what the request may read of secured columns.
        retained: it reads archived rows, in place of the live ones.
    """

    environment: Environment
    caller: Caller
    table: Table
    alias: str
    parameters: Parameters
    now: datetime
    security: ColumnSecurity
    variables: Mapping[str, Scope] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    retained: bool = False

    @property
    def schema(self) -> Schema:
        """The environment's schema."""
        return self.environment.store.schema

    @property
    def rows(self) -> str:
        """SQL of the table's rows that the caller sees."""
        return visible_rows(self.environment, self.caller, self.table, retained=self.retained)

    def is_hidden(self, column: Column) -> bool:
        """Whether column security hides a column of the table from the caller."""
        return self.security.access(self.table, column) == "hidden"

    def wire(self, column: Column) -> str:
        """SQL of a column's JSON text as the caller sees it: masked, or NULL when hidden."""
        return self.security.wire(self.alias, self.table, column) or "NULL"

    @property
    def zone(self) -> TimeZone:
        """The caller's time zone."""
        return zone_of(self.environment, self.caller.user_id)

    def at(self, table: Table, alias: str) -> Scope:
        """The same query, looking from another table."""
        return replace(self, table=table, alias=alias)

    def add(self, value: Any) -> str:
        """Keeps a value; returns what stands for it in the SQL."""
        return self.parameters.add(value)


PRINCIPALS = frozenset({"systemuser", "team"})
"""Tables whose rows carry ``ownerid`` as well: the key of the type that they derive from."""


def column_of(table: Table, name: str) -> Column:
    """A column by its name in rows; ``ownerid`` of a user or team is its primary key.

    Raises:
        DataverseFault: the table has none.
    """
    column = table.by_wire_name.get(name)
    if column is None and name == "ownerid" and table.logical_name in PRINCIPALS:
        return table.by_name[table.primary_id]
    if column is None:
        raise unknown_property(table, name)
    return column


def unknown_property(table: Table, name: str) -> Exception:
    """The fault for a name that is no property of a table."""
    return bad_query(
        f"Could not find a property named '{name}' on type "
        f"'Microsoft.Dynamics.CRM.{table.logical_name}'."
    )
