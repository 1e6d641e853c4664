"""Puts together what several documents of metadata say: tables, their columns, global choices.

The Web API gives no table whole: choices come with the columns of one type, relationships and
global choices with answers of their own. What is said of the same table is merged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from dataverse_source.sandbox.schema.attribute_metadata import names_of

Item = dict[str, Any]

_OF_TABLE = re.compile(r"#EntityDefinitions\('([^']+)'\)/")
"""The table that an answer's context names."""
_TABLE = ("Attributes", "PrimaryIdAttribute", "ManyToOneRelationships", "ObjectTypeCode")
_CHOICE = ("Options", "TrueOption", "OptionSetType")
_PARTS = (
    ("Keys", "KeyAttributes", "EntityLogicalName"),
    ("ManyToOneRelationships", "ReferencingAttribute", "ReferencingEntity"),
    ("ManyToManyRelationships", "IntersectEntityName", "IntersectEntityName"),
    ("Attributes", "LogicalName", "EntityLogicalName"),
)
"""Parts of a table: the list that they stand in, a member that only they have, and the member that
names their table."""
_LISTS = (*(name for name, _, _ in _PARTS), "OneToManyRelationships")


class MetadataDocuments:
    """Tables and global choices, document by document.

    Attributes:
        choices: OptionSetMetadata of global choices.
    """

    def __init__(self) -> None:
        self.choices: list[Item] = []
        self._said: dict[str, list[Item]] = {}

    @property
    def tables(self) -> list[Item]:
        """EntityMetadata of each table, with all that was said of it."""
        return [said[0] if len(said) == 1 else _merged(said) for said in self._said.values()]

    def add(self, document: Any) -> None:
        """Adds a JSON document: an item, a list of them, or an answer that holds such a list.

        Raises:
            ValueError: it holds something that is no part of tables or global choices.
        """
        items, table = document, None
        if isinstance(document, dict):
            context = _OF_TABLE.search(str(document.get("@odata.context", "")))
            table = context and context[1]
            # RetrieveMetadataChanges answers EntityMetadata, all else value.
            items = document.get("value", document.get("EntityMetadata", document))
        self.add_items(items if isinstance(items, list) else [items], table)

    def add_items(self, items: Iterable[Any], table: str | None = None) -> None:
        """Adds items; those that are parts of a table belong to ``table`` or name their own.

        Raises:
            ValueError: one is no part of tables or global choices.
        """
        for item in items:
            if not isinstance(item, dict):
                raise ValueError(f"{str(item)[:40]!r} is no table, column or choice")
            if any(member in item for member in _TABLE):
                self._said.setdefault(names_of(item)[1], []).append(item)
            elif any(member in item for member in _CHOICE):
                self.choices.append(item)
            else:
                name, part = _part(item, table)
                self._said.setdefault(name, []).append(part)


def _part(item: Item, table: str | None) -> tuple[str, Item]:
    """A table that has nothing but this part, with its name."""
    for name, sign, owner in _PARTS:
        of_table = item.get(owner) or table
        if sign in item and of_table:
            return of_table, {"LogicalName": of_table, name: [item]}
    raise ValueError(f"{str(item)[:40]!r} is no table, column or choice")


def _merged(said: Iterable[Item]) -> Item:
    """One item that has the members of all, the later ones' where both have one."""
    whole: Item = {}
    for item in said:
        for member, value in item.items():
            if member in _LISTS:
                whole[member] = _merged_lists(member, [*whole.get(member, ()), *(value or ())])
            elif value is not None:
                whole[member] = value
    return whole


def _merged_lists(member: str, parts: Iterable[Item]) -> list[Item]:
    by_name: dict[str, list[Item]] = {}
    for part in parts:
        # A column may be named in either way; the other parts have a schema name only.
        by_name.setdefault(names_of(part)[member == "Attributes"], []).append(part)
    return [_merged(same) for same in by_name.values()]
