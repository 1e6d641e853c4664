"""Remembers earlier metadata, to tell what has changed and what was deleted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dataverse_source.sandbox.metadata.definitions import Definitions
from dataverse_source.sandbox.metadata.shapes import Item

# Members of the enumeration DeletedMetadataFilters, with their bits.
DELETED_FILTERS = {"Entity": 1, "Attribute": 2, "Relationship": 4, "Label": 8, "OptionSet": 16}
ALL_DELETED = 31


@dataclass(frozen=True)
class Known:
    """One item as it was: its kind, and a text that differs when the item does."""

    kind: str
    content: str


Snapshot = Mapping[str, Known]
"""Items by MetadataId."""


@dataclass(frozen=True)
class Difference:
    """The difference between two moments.

    Attributes:
        changed: ids of new and changed items.
        deleted: ids of items that are gone, by the filter that asks for them.
    """

    changed: frozenset[str]
    deleted: Mapping[str, tuple[str, ...]]


class History:
    """The metadata at each version that a stamp was given out for."""

    def __init__(self) -> None:
        self._versions: dict[int, Definitions] = {}

    def remember(self, version: int, definitions: Definitions) -> None:
        """Keeps the metadata of a version, so that later changes can be told from it."""
        self._versions.setdefault(version, definitions)

    def knows(self, version: int) -> bool:
        """Whether a stamp for this version was given out."""
        return version in self._versions

    def since(self, before: int, now: int) -> Difference:
        """What has changed between two versions that are known."""
        first, last = self._versions[before], self._versions[now]
        same = _same_tables(first, last)
        old, new = _snapshot(first, same), _snapshot(last, same)
        changed = frozenset(key for key, item in new.items() if old.get(key) != item)
        deleted: dict[str, list[str]] = {}
        for key in old.keys() - new.keys():
            deleted.setdefault(old[key].kind, []).append(key)
        return Difference(changed, {kind: tuple(sorted(ids)) for kind, ids in deleted.items()})


def _same_tables(first: Definitions, last: Definitions) -> frozenset[str]:
    """Logical names of the tables that are the same object: a change makes a new one."""
    if first.schema.global_choices != last.schema.global_choices:
        return frozenset()
    known = first.schema.by_logical_name
    return frozenset(
        name for name, table in last.schema.by_logical_name.items() if known.get(name) is table
    )


def _snapshot(definitions: Definitions, left_out: frozenset[str]) -> Snapshot:
    """Items by id, without those of some tables: there are thousands."""
    found = _items(definitions, left_out)
    return {item.metadata_id: Known(kind, _content(item)) for kind, item in found}


def _items(definitions: Definitions, left_out: frozenset[str]) -> Iterator[tuple[str, Item]]:
    for table in definitions.tables:
        if table.members["LogicalName"] in left_out:
            continue
        yield "Entity", table
        for name, kind in (("Attributes", "Attribute"), ("Keys", "Key")):
            found = table.related[name]()
            for item in found if isinstance(found, list) else ():
                yield kind, item
                yield from _option_sets(item)
    for relationship in definitions.relationships:
        yield "Relationship", relationship
    for choice in definitions.choices:
        yield "OptionSet", choice


def _option_sets(column: Item) -> Iterator[tuple[str, Item]]:
    follow = column.related.get("OptionSet")
    found = follow() if follow else None
    if isinstance(found, Item):
        yield "OptionSet", found


def _content(item: Item) -> str:
    """The item's members, and those of its choice: new options change the column."""
    parts = [repr(item.members)]
    parts += [repr(choice.members) for _, choice in _option_sets(item)]
    return "\n".join(parts)
