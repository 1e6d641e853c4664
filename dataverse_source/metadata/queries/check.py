"""Checks a query against metadata: tables, columns, aliases, operators; nothing is requested."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dataverse_source.errors import UnknownNameError, did_you_mean
from dataverse_source.metadata.model import Table
from dataverse_source.metadata.queries import elements
from dataverse_source.metadata.queries.xml import Element, Source

FindTable = Callable[[str], Table]
"""The table of a logical name, with its columns; raises UnknownNameError."""

_ALIAS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Joined:
    """A table of the query.

    Attributes:
        element: ``entity`` or ``link-entity``.
        table: with its columns.
        alias: of the link; None for the main table.
        many: several of its rows may belong to one row of the table it is linked to.
        may_lack: rows of the query may come without a row of it.
    """

    element: Element
    table: Table
    alias: str | None = None
    many: bool = False
    may_lack: bool = False


class Checker:
    """Checks one query.

    Args:
        root: its element ``fetch``; links without an alias are given one.
        source: where its text comes from.
        find_table: finds tables.

    Attributes:
        main: the main table.
        links: the tables whose columns the query can return, in the order of the text.

    Raises:
        ConfigurationError: it names what Dataverse does not have, or is no FetchXML.
    """

    def __init__(self, root: Element, source: Source, find_table: FindTable) -> None:
        self._source, self._find_table = source, find_table
        self.links: list[Joined] = []
        self._check_elements(root)
        entities = root.all("entity")
        if len(entities) != 1:
            raise source.error(f"it has {len(entities)} elements 'entity', not one", root)
        self.main = Joined(entities[0], self._table(entities[0]))
        self._restricting: list[tuple[Element, Table]] = []
        self._aliases = [
            one.attributes["alias"] for one in root.walk() if "alias" in one.attributes
        ]
        self._join(self.main, {})
        self._scopes = {one.alias: one.table for one in (self.main, *self.links) if one.alias}
        self._scopes.setdefault(self.main.table.logical_name, self.main.table)
        for joined in (self.main, *self.links):
            self._check_contents(joined.element, joined.table)
        for element, table in self._restricting:
            self._check_below(element, table)

    def _check_elements(self, root: Element) -> None:
        links = 0
        for one in root.walk():
            allowed = elements.CHILDREN.get(one.tag, frozenset())
            for child in one.children:
                if child.tag not in allowed:
                    known = did_you_mean(child.tag, allowed) or (
                        f"It may contain: {', '.join(sorted(allowed)) or 'nothing'}."
                    )
                    raise self._source.error(
                        f"{one.tag!r} has no element {child.tag!r}", child, known
                    )
            for name in elements.REQUIRED.get(one.tag, ()):
                if not one.attributes.get(name, "").strip():
                    raise self._source.error(f"this {one.tag!r} has no {name!r}", one)
            links += one.tag == "link-entity"
        if links > elements.MOST_LINKS:
            raise self._source.error(
                f"it has {links} links; Dataverse takes {elements.MOST_LINKS}", root
            )

    def _table(self, element: Element) -> Table:
        name = element.attributes["name"]
        try:
            table = self._find_table(name)
        except UnknownNameError as error:
            raise self._source.error(
                f"the environment has no table {name!r}, or the application user cannot see it",
                element,
                error.remedy,
            ) from None
        if table.logical_name != name:
            raise self._source.error(
                f"FetchXML calls the table {name!r} by its logical name",
                element,
                f"Write {table.logical_name!r}.",
            )
        return table

    def _join(self, near: Joined, counts: dict[str, int]) -> None:
        """Finds the links of a table, and theirs, that add columns."""
        for element in near.element.all("link-entity"):
            kind = element.attributes.get("link-type", "inner")
            known = elements.JOINS | elements.EXISTS
            if kind not in known:
                remedy = did_you_mean(kind, known) or f"Known: {', '.join(sorted(known))}."
                raise self._source.error(f"there is no link-type {kind!r}", element, remedy)
            table = self._checked_link(element, near.table)
            if kind in elements.EXISTS:
                self._restricting.append((element, table))
                continue
            alias = element.attributes.get("alias") or self._new_alias(table, counts)
            if not _ALIAS.fullmatch(alias):
                raise self._source.error(
                    f"the alias {alias!r} is no name",
                    element,
                    "An alias has letters, digits and _, and begins with a letter or _.",
                )
            if alias.lower() in {str(one.alias).lower() for one in self.links}:
                raise self._source.error(f"two links have the alias {alias!r}", element)
            element.attributes["alias"] = alias
            to_one = element.attributes["from"] == table.primary_id
            joined = Joined(
                element,
                table,
                alias,
                many=not to_one and kind != "matchfirstrowusingcrossapply",
                may_lack=near.may_lack or kind in ("outer", "matchfirstrowusingcrossapply"),
            )
            self.links.append(joined)
            self._join(joined, counts)

    def _new_alias(self, table: Table, counts: dict[str, int]) -> str:
        """An alias of our own: which one Dataverse would give depends on the relationship."""
        name = table.logical_name
        counts[name] = counts.get(name, 0) + 1
        free = name if counts[name] == 1 else f"{name}{counts[name]}"
        while free in self._aliases:
            counts[name] += 1
            free = f"{name}{counts[name]}"
        return free

    def _checked_link(self, element: Element, near: Table) -> Table:
        """The table of a link, whose two columns exist."""
        table = self._table(element)
        self._check_column(table, element.attributes["from"], element)
        self._check_column(near, element.attributes["to"], element)
        return table

    def _check_contents(self, element: Element, table: Table) -> None:
        """Checks columns, orders and filters of one table."""
        for one in element.all("attribute"):
            self._check_attribute(one, table)
        for one in element.all("order"):
            if "attribute" in one.attributes:
                scope = self._scope(one, table)
                self._check_column(scope, one.attributes["attribute"], one)
            elif "alias" in one.attributes:
                self._check_alias(one)
            else:
                raise self._source.error("this 'order' has no 'attribute' and no 'alias'", one)
        for one in element.all("filter"):
            self._check_filter(one, table)

    def _check_below(self, element: Element, table: Table) -> None:
        """Checks a link that adds no columns, and the links in it."""
        below = [(link, self._checked_link(link, table)) for link in element.all("link-entity")]
        for link, linked in below:
            self._scopes.setdefault(link.attributes.get("alias") or linked.logical_name, linked)
        for one in element.all("filter"):
            self._check_filter(one, table)
        for link, linked in below:
            self._check_below(link, linked)

    def _check_attribute(self, one: Element, table: Table) -> None:
        self._check_column(table, one.attributes["name"], one)
        for name, known in (
            ("aggregate", elements.AGGREGATES),
            ("dategrouping", elements.DATE_GROUPINGS),
        ):
            value = one.attributes.get(name)
            if value is not None and value not in known:
                remedy = did_you_mean(value, known) or f"Known: {', '.join(sorted(known))}."
                raise self._source.error(f"there is no {name} {value!r}", one, remedy)
        alias = one.attributes.get("alias")
        if alias is not None and not _ALIAS.fullmatch(alias):
            raise self._source.error(
                f"the alias {alias!r} is no name",
                one,
                "An alias has letters, digits and _, and begins with a letter or _.",
            )

    def _check_filter(self, element: Element, table: Table) -> None:
        kind = element.attributes.get("type", "and")
        if kind not in ("and", "or"):
            raise self._source.error(f"a filter is of type 'and' or 'or', not {kind!r}", element)
        for one in element.children:
            if one.tag == "filter":
                self._check_filter(one, table)
            elif one.tag == "condition":
                self._check_condition(one, table)
            else:
                link_type = one.attributes.get("link-type", "any")
                if link_type not in elements.IN_FILTERS:
                    known = ", ".join(sorted(elements.IN_FILTERS))
                    raise self._source.error(
                        f"a link in a filter is no {link_type!r}", one, f"Known: {known}."
                    )
                self._check_below(one, self._checked_link(one, table))

    def _check_condition(self, one: Element, table: Table) -> None:
        operator = one.attributes["operator"]
        if operator not in elements.OPERATORS:
            remedy = did_you_mean(operator, elements.OPERATORS) or "See docs: condition operators."
            raise self._source.error(f"there is no operator {operator!r}", one, remedy)
        if "attribute" in one.attributes:
            self._check_column(self._scope(one, table), one.attributes["attribute"], one)
        elif "alias" in one.attributes:
            self._check_alias(one)
        else:
            raise self._source.error("this 'condition' has no 'attribute'", one)
        other = one.attributes.get("valueof")
        if other is not None:
            alias, dot, name = other.rpartition(".")
            scope = self._scope_named(alias, one) if dot else self._scope(one, table)
            self._check_column(scope, name, one)

    def _scope(self, one: Element, table: Table) -> Table:
        alias = one.attributes.get("entityname")
        return self._scope_named(alias, one) if alias else table

    def _scope_named(self, alias: str, one: Element) -> Table:
        if alias not in self._scopes:
            known = list(self._scopes)
            remedy = did_you_mean(alias, known) or f"Its links are called: {', '.join(known)}."
            raise self._source.error(f"no link has the alias {alias!r}", one, remedy)
        return self._scopes[alias]

    def _check_alias(self, one: Element) -> None:
        alias = one.attributes["alias"]
        known = list(_attribute_aliases((self.main, *self.links)))
        if alias not in known:
            remedy = did_you_mean(alias, known) or None
            raise self._source.error(f"no attribute has the alias {alias!r}", one, remedy)

    def _check_column(self, table: Table, name: str, one: Element) -> None:
        if not table.has(name):
            names = [column.name for column in table.columns]
            remedy = did_you_mean(name, names)
            if name.startswith("_") and name.endswith("_value"):
                remedy = f"FetchXML calls it {name[1:-6]!r}."
            raise self._source.error(
                f"the table {table.logical_name!r} has no column {name!r}", one, remedy or None
            )


def _attribute_aliases(tables: tuple[Joined, ...]) -> Iterator[str]:
    for joined in tables:
        for one in joined.element.all("attribute"):
            if "alias" in one.attributes:
                yield one.attributes["alias"]
