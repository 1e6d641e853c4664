"""Which rows a caller sees, by the depth of its read privilege.

Source: docs page "Security roles and privileges". Rows of tables that users or teams own follow
their owner and their business unit; rows of all other tables belong to the organization.
Sharing is not modelled.
"""

from __future__ import annotations

from dataverse_source.sandbox.environment.callers import Caller, Depth
from dataverse_source.sandbox.environment.environment import Environment
from dataverse_source.sandbox.schema.tables import Schema, Table
from dataverse_source.sandbox.store.layout import is_stored, literal, quote, sql_table
from dataverse_source.sandbox.store.retained import archived_rows
from dataverse_source.sandbox.store.values import json_text

PARENT = "parentbusinessunitid"


def read_depth(caller: Caller, table: Table) -> Depth:
    """Depth of the caller's read privilege on a table."""
    return caller.read_depth(table.logical_name) if unit_column(table) else "organization"


def unit_column(table: Table) -> str | None:
    """The column that holds the business unit of a row; None for rows of the organization."""
    if table.logical_name == "businessunit":
        return table.primary_id
    names = {"UserOwned": "owningbusinessunit", "BusinessOwned": "businessunitid"}
    column = table.by_name.get(names.get(table.ownership, ""))
    return column.name if column is not None and is_stored(column) else None


def visible_rows(
    environment: Environment, caller: Caller, table: Table, *, retained: bool = False
) -> str:
    """SQL of a table's rows that the caller sees: the table itself, or a query in parentheses.

    Args:
        environment: the environment.
        caller: who asks.
        table: the table.
        retained: its archived rows, in place of the live ones.
    """
    condition = _condition(environment, caller, table)
    if retained:
        with environment.store.reading() as connection:
            rows = archived_rows(connection, table)
        return rows if condition is None else f"(SELECT * FROM {rows} WHERE {condition})"  # noqa: S608
    name = sql_table(table.logical_name)
    return name if condition is None else f"(SELECT rowid, * FROM {name} WHERE {condition})"  # noqa: S608


def is_visible(environment: Environment, caller: Caller, table: Table, key: str) -> bool:
    """Whether the caller sees the row with a key."""
    rows = visible_rows(environment, caller, table)
    statement = f"SELECT 1 FROM {rows} WHERE {quote(table.primary_id)} = ?"  # noqa: S608
    with environment.store.reading() as connection:
        return connection.execute(statement, (json_text(key),)).fetchone() is not None


def _condition(environment: Environment, caller: Caller, table: Table) -> str | None:
    column, depth = unit_column(table), read_depth(caller, table)
    if column is None or depth == "organization":
        return None
    user = literal(json_text(caller.user_id))
    if depth == "user":
        return _owned_by(environment.schema, table, user)
    root = environment.organization.business_unit_id
    row = None
    if "systemuser" in environment.schema.by_logical_name:
        row = environment.store.row("systemuser", caller.user_id)
    unit = (row or {}).get("businessunitid") or root
    if depth == "business_unit":
        return f"{quote(column)} = {literal(json_text(unit))}"
    if unit == root:
        return None
    return f"{quote(column)} IN ({_units_below(environment.schema, unit)})"


def _owned_by(schema: Schema, table: Table, user: str) -> str:
    """SQL: the row belongs to the user, or to one of its teams."""
    if table.logical_name == "systemuser":
        return f"{quote(table.primary_id)} = {user}"
    if "ownerid" not in table.by_name:
        return "0"
    teams = teams_of(schema, user)
    own = f"ownerid = {user}"
    return own if teams is None else f"({own} OR ownerid IN ({teams}))"


def teams_of(schema: Schema, user: str) -> str | None:
    """SQL of a user's teams; None when the schema has none."""
    team = schema.by_logical_name.get("team")
    if "teammembership" in schema.by_logical_name:
        table = sql_table("teammembership")
        return f'SELECT m."teamid" FROM {table} AS m WHERE m."systemuserid" = {user}'  # noqa: S608
    if team is None:
        return None
    # Without the intersect table everyone belongs to the default team of the business unit.
    where = "t.\"isdefault\" = 'true'" if "isdefault" in team.by_name else "0"
    return f'SELECT t."{team.primary_id}" FROM {sql_table("team")} AS t WHERE {where}'  # noqa: S608


def _units_below(schema: Schema, unit: str) -> str:
    """SQL of a business unit and all units below it; UNION ends circles."""
    start = literal(json_text(unit))
    table = schema.by_logical_name.get("businessunit")
    if table is None or PARENT not in table.by_name:
        return start
    name = sql_table("businessunit")
    return (
        f"WITH RECURSIVE units(id) AS (VALUES ({start}) UNION "  # noqa: S608
        f"SELECT b.businessunitid FROM {name} AS b JOIN units ON b.{PARENT} = units.id) "
        "SELECT id FROM units"
    )
