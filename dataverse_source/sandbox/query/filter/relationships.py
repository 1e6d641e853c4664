"""Finds what a navigation property stands for: the column or the relationship behind it."""

from __future__ import annotations

from dataclasses import dataclass

from dataverse_source.sandbox.schema.tables import Column, ManyToMany, OneToMany, Schema, Table
from dataverse_source.sandbox.store.activities import POINTER
from dataverse_source.sandbox.store.layout import (
    is_polymorphic,
    key,
    literal,
    quote,
    sql_table,
    wire,
)


@dataclass(frozen=True)
class Single:
    """A single-valued navigation property.

    Attributes:
        column: the lookup column.
        targets: tables that it may lead to: one, but for ``ownerid``.
    """

    name: str
    column: Column
    targets: tuple[Table, ...]


@dataclass(frozen=True)
class Many:
    """A collection-valued navigation property of a 1:N relationship."""

    name: str
    table: Table
    column: Column


@dataclass(frozen=True)
class Associated:
    """A collection-valued navigation property of an N:N relationship."""

    name: str
    table: Table
    intersect: Table
    near: str
    far: str
    relationship: ManyToMany


Navigation = Single | Many | Associated


def navigation(schema: Schema, table: Table, name: str) -> Navigation | None:
    """What a table's navigation property stands for, None when it has none of this name."""
    for relationship in schema.one_to_many:
        if (
            relationship.referencing == table.logical_name
            and relationship.referencing_navigation == name
        ):
            return _single(schema, table, relationship)
    for relationship in schema.one_to_many:
        if (
            relationship.referenced == table.logical_name
            and relationship.referenced_navigation == name
        ):
            return _many(schema, relationship)
    for pair in schema.many_to_many:
        if pair.table1 == table.logical_name and pair.navigation1 == name:
            return _associated(schema, pair, first=True)
        if pair.table2 == table.logical_name and pair.navigation2 == name:
            return _associated(schema, pair, first=False)
    return None


def navigation_names(schema: Schema, table: Table) -> list[str]:
    """Names of all navigation properties of a table."""
    name = table.logical_name
    own = [one.referencing_navigation for one in schema.one_to_many if one.referencing == name]
    many = [one.referenced_navigation for one in schema.one_to_many if one.referenced == name]
    pairs = [
        navigation
        for pair in schema.many_to_many
        for side, navigation in (
            (pair.table1, pair.navigation1),
            (pair.table2, pair.navigation2),
        )
        if side == name
    ]
    return list(dict.fromkeys([*own, *many, *pairs]))


def navigation_of(schema: Schema, table: Table, column: Column, target: str) -> str | None:
    """The navigation property of a lookup column that leads to the table ``target``."""
    fallback = None
    for relationship in schema.one_to_many:
        if (
            relationship.referencing == table.logical_name
            and relationship.referencing_attribute == column.name
        ):
            if relationship.referenced == target:
                return relationship.referencing_navigation
            if column.type == "Owner":
                fallback = relationship.referencing_navigation
    return fallback


def join_condition(near: str, single: Single, target: Table, far: str) -> str:
    """SQL: the row ``far`` of ``target`` is the one that ``near``'s lookup points at."""
    primary = target.by_name[target.primary_id]
    same = f"{wire(far, primary)} = {wire(near, single.column)}"
    if is_polymorphic(single.column):
        kind = f"{near}.{quote(single.column.name + '@table')}"
        same += f" AND {kind} = {literal(target.logical_name)}"
    return same


def children_condition(near: str, near_table: Table, many: Many | Associated, far: str) -> str:
    """SQL: the row ``far`` belongs to the collection of the row ``near``."""
    near_key = wire(near, near_table.by_name[near_table.primary_id])
    return belongs_to(near_key, near_table, many, far)


def belongs_to(near_key: str, near_table: Table, many: Many | Associated, far: str) -> str:
    """SQL: the row ``far`` belongs to the collection of the row with the key ``near_key``."""
    if isinstance(many, Many):
        same = f"{far}.{quote(many.column.name)} = {near_key}"
        # An activity's parties are those of its activitypointer as well.
        if is_polymorphic(many.column) and near_table.logical_name != POINTER:
            kind = f"{far}.{quote(many.column.name + '@table')}"
            same += f" AND {kind} = {literal(near_table.logical_name)}"
        return same
    far_key = wire(far, many.table.by_name[many.table.primary_id])
    link = sql_table(many.intersect.logical_name)
    return (
        f"{far_key} IN (SELECT link.{quote(many.far)} FROM {link} AS link "  # noqa: S608
        f"WHERE link.{quote(many.near)} = {near_key})"
    )


def index_of(many: Many | Associated) -> tuple[str, tuple[str, ...]]:
    """The table and column whose index a collection is found by."""
    if isinstance(many, Many):
        return many.table.logical_name, (many.column.name,)
    return many.intersect.logical_name, (many.near,)


def name_of_target(schema: Schema, alias: str, column: Column, *, sort_key: bool) -> str:
    """SQL of the primary name of the row that a lookup points at: its text or its sort key."""
    found = []
    for target in column.targets:
        table = schema.by_logical_name.get(target)
        if table is None or table.primary_name is None or table.primary_name not in table.by_name:
            continue
        name = table.by_name[table.primary_name]
        shown = key("named", name) if sort_key else wire("named", name)
        found.append(
            (
                target,
                f"(SELECT {shown} FROM {sql_table(target)} AS named "  # noqa: S608
                f"WHERE named.{quote(table.primary_id)} = {wire(alias, column)})",
            )
        )
    if not found:
        return "NULL"
    if not is_polymorphic(column):
        return found[0][1]
    kind = f"{alias}.{quote(column.name + '@table')}"
    cases = " ".join(f"WHEN {literal(target)} THEN {sql}" for target, sql in found)
    return f"CASE {kind} {cases} END"


def _single(schema: Schema, table: Table, relationship: OneToMany) -> Single | None:
    column = table.by_name.get(relationship.referencing_attribute)
    target = schema.by_logical_name.get(relationship.referenced)
    if column is None or target is None:
        return None
    if target.is_logical_entity:
        found = (schema.by_logical_name.get(name) for name in column.targets)
        targets = tuple(each for each in found if each is not None)
    else:
        targets = (target,)
    return Single(relationship.referencing_navigation, column, targets)


def _many(schema: Schema, relationship: OneToMany) -> Many | None:
    child = schema.by_logical_name.get(relationship.referencing)
    column = child.by_name.get(relationship.referencing_attribute) if child else None
    if child is None or column is None:
        return None
    return Many(relationship.referenced_navigation, child, column)


def _associated(schema: Schema, pair: ManyToMany, *, first: bool) -> Associated | None:
    other = schema.by_logical_name.get(pair.table2 if first else pair.table1)
    intersect = schema.by_logical_name.get(pair.intersect)
    if other is None or intersect is None:
        return None
    ends = (pair.intersect_attribute1, pair.intersect_attribute2)
    near, far = ends if first else ends[::-1]
    name = pair.navigation1 if first else pair.navigation2
    return Associated(name, other, intersect, near, far, pair)
