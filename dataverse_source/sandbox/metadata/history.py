"""Remembers earlier metadata, to tell what has changed and what was deleted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

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
        self._snapshots: dict[int, Snapshot] = {}

    def remember(self, version: int, definitions: Definitions) -> None:
        """Keeps the metadata of a version, so that later changes can be told from it."""
        if version not in self._snapshots:
            self._snapshots[version] = _snapshot(definitions)

    def knows(self, version: int) -> bool:
        """Whether a stamp for this version was given out."""
        return version in self._snapshots

    def since(self, before: int, now: int) -> Difference:
        """What has changed between two versions that are known."""
        old, new = self._snapshots[before], self._snapshots[now]
        changed = frozenset(key for key, item in new.items() if old.get(key) != item)
        deleted: dict[str, list[str]] = {}
        for key in old.keys() - new.keys():
            deleted.setdefault(old[key].kind, []).append(key)
        return Difference(changed, {kind: tuple(sorted(ids)) for kind, ids in deleted.items()})


@lru_cache(maxsize=4)  # a read of all tables makes thousands of items; sandboxes share a schema
def _snapshot(definitions: Definitions) -> Snapshot:
    return {item.metadata_id: Known(kind, _content(item)) for kind, item in _items(definitions)}


def _items(definitions: Definitions) -> Iterator[tuple[str, Item]]:
    for table in definitions.tables:
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
