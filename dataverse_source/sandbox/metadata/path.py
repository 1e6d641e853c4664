"""Walks a metadata path, such as ``EntityDefinitions(LogicalName='account')/Attributes``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import unquote

from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.metadata.definitions import Definitions
from dataverse_source.sandbox.metadata.query import split
from dataverse_source.sandbox.metadata.shapes import Item
from dataverse_source.sandbox.metadata.types import (
    CHOICE_BASE,
    KINDS,
    NAMESPACE,
    RELATIONSHIP,
    TABLE,
    Kind,
    cast,
)

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_KEY = re.compile(r"(?P<name>[^(]+)\((?P<key>.*)\)$", re.DOTALL)


@dataclass(frozen=True)
class Place:
    """Where a path has led to: a collection, one item, or one property's value.

    Attributes:
        kind: the type of the items here.
        items: the collection's items, None for a single item.
        item: the single item.
        value_of: the property whose value is asked for, None for the item itself.
        path: the way to the collection that the items are of.
        key: the key that picked the single item out of it, in parentheses.
        cast: the derived type asked for, with a slash before it.
    """

    kind: Kind
    path: str
    items: tuple[Item, ...] | None = None
    item: Item | None = None
    value_of: str | None = None
    key: str = ""
    cast: str = ""

    @property
    def through(self) -> str:
        """The path that leads through the single item to what lies behind it."""
        return f"{self.path}{self.key}{self.cast}"

    @property
    def context(self) -> str:
        """The path as ``@odata.context`` writes it: without the key of the last item."""
        if self.value_of is not None:
            return f"{self.through}/{self.value_of}"
        return f"{self.path}{self.cast}"


def walk(definitions: Definitions, rest: str) -> Place:
    """The place that a path leads to.

    Raises:
        DataverseFault: 404 when an item or a segment does not exist, 400 for a wrong key.
    """
    first, *others = [unquote(segment) for segment in split(rest, "/")]
    place = _root(definitions, first)
    for segment in others:
        place = _step(place, segment)
    return place


def _root(definitions: Definitions, segment: str) -> Place:
    name, key = _parted(segment)
    if name == "EntityDefinitions":
        place = Place(KINDS[TABLE], name, items=tuple(definitions.tables))
    elif name == "GlobalOptionSetDefinitions":
        place = Place(KINDS[CHOICE_BASE], name, items=tuple(definitions.choices))
    elif name == "RelationshipDefinitions":
        place = Place(KINDS[RELATIONSHIP], name, items=tuple(definitions.relationships))
    elif name == "ManagedPropertyDefinitions":
        message = "The sandbox does not answer ManagedPropertyDefinitions yet."
        raise DataverseFault(501, "0x8006088a", message)
    else:
        raise _no_segment(name)
    return place if key is None else _pick(place, key)


def _step(place: Place, segment: str) -> Place:
    if place.value_of is not None:
        raise _no_segment(segment)
    name, key = _parted(segment)
    if name.startswith(f"{NAMESPACE}."):
        place = _cast(place, name)
    elif place.item is None:
        raise _no_segment(name)
    else:
        place = _member(place, place.item, name)
    return place if key is None else _pick(place, key)


def _cast(place: Place, name: str) -> Place:
    kind = cast(place.kind, name)
    if place.items is not None:
        matching = tuple(item for item in place.items if _is(item, kind))
        return replace(place, kind=kind, cast=f"/{name}", items=matching)
    if place.item is not None and not _is(place.item, kind):
        raise DataverseFault(404, "0x80060888", f"Resource not found for the segment '{name}'.")
    return replace(place, kind=kind, cast=f"/{name}")


def _is(item: Item, kind: Kind) -> bool:
    return kind.name in (item.kind, KINDS[item.kind].base)


def _member(place: Place, item: Item, name: str) -> Place:
    navigation = place.kind.navigation.get(name)
    if navigation is None:
        if name not in place.kind.members:
            raise _no_segment(name)
        return replace(place, value_of=name)
    follow = item.related.get(name)
    found = follow() if follow else None
    path = f"{place.through}/{name}"
    kind = KINDS[navigation.kind]
    if navigation.many:
        items = tuple(found) if isinstance(found, list) else ()
        return Place(kind, path, items=items)
    if not isinstance(found, Item):
        raise DataverseFault(404, "0x80060888", f"Resource not found for the segment '{name}'.")
    return Place(KINDS[found.kind], path, item=found)


def _pick(place: Place, key: str) -> Place:
    items: Iterable[Item] = place.items or ()
    name, equals, text = key.partition("=")
    if place.items is None:
        raise _no_segment(key)
    if _GUID.fullmatch(key):
        wanted, member, shown = key.lower(), "MetadataId", key.lower()
    elif equals and name in ("LogicalName", "Name", "SchemaName", "MetadataId"):
        wanted = text.strip("'").replace("''", "'")
        member, shown = name, f"'{wanted}'" if text.startswith("'") else wanted
    else:
        message = f"The key value '{key}' is not valid; a MetadataId or LogicalName='...' is."
        raise DataverseFault(400, "0x80060888", message)
    for item in items:
        if item.members.get(member) == wanted:
            return replace(place, items=None, item=item, key=f"({shown})")
    raise _no_item(place, member, wanted)


def _no_item(place: Place, member: str, wanted: str) -> DataverseFault:
    noun = {"EntityMetadata": "entity", CHOICE_BASE: "optionset", RELATIONSHIP: "relationship"}.get(
        place.kind.name, "attribute"
    )
    by_id = member == "MetadataId"
    name, identity = ("", wanted) if by_id else (wanted, "00000000-0000-0000-0000-000000000000")
    message = f"Could not find an {noun} with name {name} and id {identity}."
    return DataverseFault(404, "0x80040217", message)


def _no_segment(name: str) -> DataverseFault:
    return DataverseFault(404, "0x8006088a", f"Resource not found for the segment '{name}'.")


def _parted(segment: str) -> tuple[str, str | None]:
    match = _KEY.fullmatch(segment)
    return (match["name"], match["key"]) if match else (segment, None)
