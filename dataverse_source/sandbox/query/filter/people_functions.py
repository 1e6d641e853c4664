"""Query functions on the caller and on hierarchies: EqualUserId, EqualUserTeams, Under..."""

from __future__ import annotations

from dataverse_source.sandbox.environment.row_access import teams_of
from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.query.filter.scope import Scope
from dataverse_source.sandbox.query.syntax.odata import bad_query
from dataverse_source.sandbox.schema.tables import LOOKUP_TYPES, Column, Table
from dataverse_source.sandbox.store.layout import quote, sql_table, wire
from dataverse_source.sandbox.store.values import GUID_TYPES, json_text

IDENTITY_FUNCTIONS = frozenset(
    {"EqualUserId", "NotEqualUserId", "EqualBusinessId", "NotEqualBusinessId"}
    | {"EqualUserTeams", "EqualUserOrUserTeams"}
    | {"EqualUserOrUserHierarchy", "EqualUserOrUserHierarchyAndTeams"}
)
HIERARCHY_FUNCTIONS = frozenset({"Above", "AboveOrEqual", "Under", "UnderOrEqual", "NotUnder"})


def identity_condition(name: str, column: Column, scope: Scope, alias: str) -> str:
    """SQL: a GUID column names the caller, its business unit, its teams or its reports.

    Raises:
        DataverseFault: the column holds no GUID, or teams are asked for that no table keeps.
    """
    if column.type not in GUID_TYPES:
        raise bad_query(f"The function {name} can't be applied to the column '{column.name}'.")
    cell = wire(alias, column)
    user = scope.add(json_text(scope.caller.user_id))
    if "BusinessId" in name:
        unit = scope.add(json_text(scope.environment.organization.business_unit_id))
        return f"({cell} IS {'NOT ' if name.startswith('Not') else ''}{unit})"
    if name == "EqualUserId":
        return f"({cell} IS {user})"
    if name == "NotEqualUserId":
        return f"({cell} IS NOT {user})"
    sets = []
    if "Teams" in name:
        sets.append(_teams(scope, user))
    if "Hierarchy" in name:
        sets.append(_reports(scope, user))
    found = " OR ".join(f"{cell} IN ({query})" for query in sets)
    own = "" if name == "EqualUserTeams" else f"{cell} = {user} OR "
    return f"coalesce({own}{found}, 0)"


def _teams(scope: Scope, user: str) -> str:
    """SQL of the caller's teams; members are rows of the intersect table teammembership."""
    teams = teams_of(scope.schema, user)
    if teams is None:
        raise DataverseFault(501, "0x8006088a", "The sandbox's schema has no teams.")
    return teams


def _reports(scope: Scope, user: str) -> str:
    """SQL of the users below the caller, through their managers."""
    table = scope.schema.by_logical_name.get("systemuser")
    if table is None or "parentsystemuserid" not in table.by_name:
        raise DataverseFault(501, "0x8006088a", "The sandbox's schema has no managers of users.")
    return below(table, table.by_name["parentsystemuserid"], user)


def below(table: Table, parent: Column, start: str) -> str:
    """SQL of the keys of all rows below a row, however deep; UNION ends circles."""
    name, primary = sql_table(table.logical_name), quote(table.primary_id)
    up = quote(parent.name)
    return (
        f"WITH RECURSIVE found(id) AS (SELECT c.{primary} FROM {name} AS c WHERE c.{up} = {start} "  # noqa: S608
        f"UNION SELECT c.{primary} FROM {name} AS c JOIN found ON c.{up} = found.id) "
        "SELECT id FROM found"
    )


def above(table: Table, parent: Column, start: str) -> str:
    """SQL of the keys of all rows above a row."""
    name, primary = sql_table(table.logical_name), quote(table.primary_id)
    up = quote(parent.name)
    return (
        f"WITH RECURSIVE found(id) AS (SELECT c.{up} FROM {name} AS c WHERE c.{primary} = {start} "  # noqa: S608
        f"UNION SELECT c.{up} FROM {name} AS c JOIN found ON c.{primary} = found.id) "
        "SELECT id FROM found WHERE id IS NOT NULL"
    )


def hierarchy_condition(name: str, column: Column, scope: Scope, alias: str, guid: str) -> str:
    """SQL: a row is above or below another one in its table's hierarchy.

    The column is the primary key, or a lookup to the table that has the hierarchy.

    Raises:
        DataverseFault: the table has no lookup to itself.
    """
    table = scope.table
    if column.type in LOOKUP_TYPES:
        target = scope.schema.by_logical_name.get(column.targets[0]) if column.targets else None
        table = target or table
    parent = hierarchy_of(table)
    if parent is None:
        raise bad_query(f"The table '{table.logical_name}' has no hierarchical relationship.")
    scope.environment.store.ensure_index(table.logical_name, (parent.name,))
    start = scope.add(json_text(guid))
    cell = wire(alias, column)
    query = (above if name.startswith("Above") else below)(table, parent, start)
    inside = f"coalesce({cell} IN ({query}), 0)"
    if name == "NotUnder":
        return f"(NOT {inside})"
    return f"({inside} OR {cell} IS {start})" if name.endswith("OrEqual") else inside


def hierarchy_of(table: Table) -> Column | None:
    """The lookup of a table to itself that makes its hierarchy: ``parent...`` before others."""
    found = [c for c in table.columns if c.targets == (table.logical_name,)]
    found.sort(key=lambda c: not c.name.startswith("parent"))
    return found[0] if found else None
