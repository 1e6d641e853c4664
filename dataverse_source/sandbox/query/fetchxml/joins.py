"""Compiles the tables of a FetchXML query, its entity and its links, to a FROM clause."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from dataverse_source.sandbox.environment.access_rules import require_read
from dataverse_source.sandbox.query.fetchxml.conditions import column_named, filter_sql
from dataverse_source.sandbox.query.fetchxml.parser import (
    INVALID_ALIAS,
    NO_ENTITY,
    UNKNOWN_ALIAS,
    WHERE_LINKS,
    Condition,
    Entity,
    Filter,
    Link,
    refused,
)
from dataverse_source.sandbox.query.filter.scope import Scope
from dataverse_source.sandbox.schema.tables import Column, Schema, Table
from dataverse_source.sandbox.store.layout import key, quote
from dataverse_source.sandbox.store.values import GUID_TYPES, has_sort_key


@dataclass(frozen=True)
class Joined:
    """A table of the query: what was asked of it, under which alias, and where it is."""

    entity: Entity
    alias: str
    scope: Scope


@dataclass
class Joins:
    """The tables of a query.

    Attributes:
        root: the entity.
        links: the links that add columns, in the order of the text.
        from_sql: the text after FROM.
        conditions: what rows must satisfy.
    """

    root: Joined
    links: list[Joined] = field(default_factory=list)
    from_sql: str = ""
    conditions: list[str] = field(default_factory=list)
    _names: Counter[str] = field(default_factory=Counter)

    @property
    def where(self) -> str:
        """The text after WHERE."""
        return " AND ".join(self.conditions) or "1"

    def scope_of(self, alias: str) -> Scope:
        """The scope of the table under an alias, or under its name.

        Raises:
            DataverseFault: no table of the query is called that.
        """
        for joined in (self.root, *self.links):
            if joined.alias == alias:
                return joined.scope
        for joined in (self.root, *self.links):
            if joined.entity.name == alias:
                return joined.scope
        raise refused(f"No link-entity of the query has the alias '{alias}'.", UNKNOWN_ALIAS)

    def filter_link(self, link: Link, here: Scope) -> str:
        """SQL of a link within a filter.

        ``all`` is true where related rows exist and none of them satisfies the link's filters,
        ``not all`` is the same as ``any`` (docs page "link-entity element").
        """
        related = self._exists(link, here, filtered=True)
        if link.kind in ("any", "not all"):
            return related
        if link.kind == "not any":
            return f"(NOT {related})"
        return f"({self._exists(link, here, filtered=False)} AND NOT {related})"

    def _exists(self, link: Link, here: Scope, *, filtered: bool) -> str:
        scope = self._scope(link, here)
        inner = Joins(Joined(link.entity, link.alias or link.entity.name, scope))
        inner.from_sql = f"{scope.rows} AS {scope.alias}"
        inner.conditions.append(_on(link, here, scope))
        if filtered:
            inner.add_links(link.entity, scope)
            inner.add_filters()
        return f"EXISTS (SELECT 1 FROM {inner.from_sql} WHERE {inner.where})"  # noqa: S608

    def add_filters(self) -> None:
        """Adds the conditions of the root's filters."""
        for filter_ in self.root.entity.filters:
            self.conditions.append(filter_sql(filter_, self.root.scope, self))

    def add_links(self, entity: Entity, near: Scope) -> None:
        """Joins the links of an entity, and theirs."""
        for link in entity.links:
            if link.kind in WHERE_LINKS:
                self.conditions.append(self._exists(link, near, filtered=True))
            elif link.kind in ("inner", "natural"):
                self._join("JOIN", link, near)
            elif link.kind == "outer":
                self._join("LEFT JOIN", link, near)
            else:
                self._join_first(link, near)

    def _join(self, word: str, link: Link, near: Scope) -> None:
        """Adds a join; one after the other, so that an inner link below an outer one is a must."""
        joined = self._add(link, near)
        scope = joined.scope
        table = f"{scope.rows} AS {scope.alias}"
        self.from_sql += f" {word} {table} ON {_on(link, near, scope)}"
        self.from_sql += self._filters(joined)
        self.add_links(link.entity, scope)

    def _join_first(self, link: Link, near: Scope) -> None:
        """One related row at most, whichever comes first by key; rows without one stay."""
        joined = self._add(link, near)
        scope = joined.scope
        name = scope.rows
        primary = scope.table.by_name[scope.table.primary_id]
        candidate = scope.at(scope.table, scope.parameters.alias())
        inner = Joined(link.entity, joined.alias, candidate)
        first = (
            f"SELECT {candidate.alias}.rowid FROM {name} AS {candidate.alias} "  # noqa: S608
            f"WHERE {_on(link, near, candidate)}{self._filters(inner)} "
            f"ORDER BY {key(candidate.alias, primary)} LIMIT 1"
        )
        self.from_sql += f" LEFT JOIN {name} AS {scope.alias} ON {scope.alias}.rowid = ({first})"
        self.add_links(link.entity, scope)

    def _filters(self, joined: Joined) -> str:
        """The link's own filters: they belong to the join, those with entityname do not."""
        text = ""
        for filter_ in joined.entity.filters:
            compiled = filter_sql(filter_, joined.scope, self)
            if _after_join(filter_):
                self.conditions.append(compiled)
            else:
                text += f" AND {compiled}"
        return text

    def _add(self, link: Link, near: Scope) -> Joined:
        scope = self._scope(link, near)
        joined = Joined(link.entity, self._alias(link, scope.table), scope)
        if joined.alias in (known.alias for known in (self.root, *self.links)):
            raise refused(f"The alias '{joined.alias}' is not unique.", INVALID_ALIAS)
        self.links.append(joined)
        return joined

    def _scope(self, link: Link, near: Scope) -> Scope:
        table = table_named(near.schema, link.entity.name)
        require_read(near.environment, near.caller, table)
        column = column_named(table, link.far)
        if column.name != table.primary_id:
            store = near.environment.store
            store.ensure_index(table.logical_name, (_compared_name(column),))
        return near.at(table, near.parameters.alias())

    def _alias(self, link: Link, table: Table) -> str:
        """The link's alias.

        Without one it is the table's name for a many-to-one relationship, else the name and a
        number (docs page "link-entity element").
        """
        self._names[table.logical_name] += 1
        if link.alias:
            return link.alias
        if link.far == table.primary_id and self._names[table.logical_name] == 1:
            taken = {joined.alias for joined in (self.root, *self.links)}
            if table.logical_name not in taken:
                return table.logical_name
        return f"{table.logical_name}{self._names[table.logical_name]}"


def open_joins(entity: Entity, scope: Scope, where: str) -> Joins:
    """The tables of a query.

    Args:
        entity: what was asked.
        scope: of the entity's table.
        where: SQL of what its rows must satisfy besides the query's own filters.

    Raises:
        DataverseFault: an unknown table, column, alias or operator.
    """
    joins = Joins(Joined(entity, entity.name, scope), conditions=[where])
    joins.from_sql = f"{scope.rows} AS {scope.alias}"
    joins.add_links(entity, scope)
    joins.add_filters()
    return joins


def _on(link: Link, near: Scope, far: Scope) -> str:
    """SQL: the linked row's column equals the outer row's."""
    ours, theirs = column_named(near.table, link.near), column_named(far.table, link.far)
    if (ours.type in GUID_TYPES) != (theirs.type in GUID_TYPES):
        raise refused(
            f"The columns '{ours.name}' and '{theirs.name}' of a link-entity have different types."
        )
    return (
        f"{far.alias}.{quote(_compared_name(theirs))} = {near.alias}.{quote(_compared_name(ours))}"
    )


def _compared_name(column: Column) -> str:
    """The SQL column that equality is seen in; a GUID's text, as lookups have no other."""
    plain = column.type in GUID_TYPES or not has_sort_key(column)
    return column.name if plain else f"{column.name}$"


def _after_join(item: Filter | Condition | Link) -> bool:
    """Whether a link's filter applies after the join: all its conditions have an entityname.

    Docs page "Filter rows using FetchXml", filters on link-entity.
    """
    if isinstance(item, Condition):
        return item.entity is not None
    return isinstance(item, Filter) and bool(item.items) and all(map(_after_join, item.items))


def table_named(schema: Schema, name: str) -> Table:
    """A table by its logical name.

    Raises:
        DataverseFault: there is none.
    """
    table = schema.by_logical_name.get(name)
    if table is None:
        raise refused(
            f"The entity with a name = '{name}' with namemapping = 'Logical' was not found in "
            "the MetadataCache.",
            NO_ENTITY,
        )
    return table
