"""How metadata items become the JSON of an answer: selected, expanded, with context links."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dataverse_source.sandbox.metadata_path import Place
from dataverse_source.sandbox.metadata_query import Query
from dataverse_source.sandbox.metadata_shapes import Item
from dataverse_source.sandbox.metadata_types import KINDS, NAMESPACE, Kind


def collection(place: Place, query: Query, root: str) -> dict[str, Any]:
    """The collection at a place: all items that the query wants, on one page."""
    at = Context(f"{root}{place.path}", place.cast)
    return {
        "@odata.context": f"{root}{place.context}{query.context()}",
        "value": [render(item, query, place.kind, at) for item in wanted(place.items or (), query)],
    }


def single(place: Place, item: Item, query: Query, root: str) -> dict[str, Any]:
    """The one item at a place."""
    at = Context(f"{root}{place.path}", place.cast, place.key)
    link = {"@odata.context": f"{root}{place.context}{query.context()}/$entity"}
    return {**link, **render(item, query, place.kind, at, named=False)}


def wanted(items: Iterable[Item], query: Query) -> list[Item]:
    """The items that the query's filter lets through."""
    condition = query.condition
    return [item for item in items if condition is None or condition(item.members)]


@dataclass(frozen=True)
class Context:
    """Where items stand, for the context links of what is expanded from them."""

    path: str
    cast: str = ""
    key: str = ""

    def below(self, item: Item, name: str) -> Context:
        """Where a navigation property of an item leads to."""
        return Context(f"{self.path}{self.key or f'({item.metadata_id})'}{self.cast}/{name}")


def render(item: Item, query: Query, kind: Kind, at: Context, named: bool = True) -> dict[str, Any]:
    """One item as JSON.

    Without a cast only the members of ``kind`` are shown, and ``@odata.type`` names the
    derived type; MetadataId is always there.
    """
    shown: dict[str, Any] = {}
    if named and item.typed and item.kind != kind.name:
        shown["@odata.type"] = f"#{NAMESPACE}.{item.kind}"
    if query.select is None:
        shown.update((name, item.members[name]) for name in item.members if name in kind.members)
    else:
        shown.update((name, item.members[name]) for name in query.select if name in item.members)
        shown["MetadataId"] = item.members["MetadataId"]
    for name, inner in query.expand.items():
        shown.update(_expanded(item, name, inner, kind, at.below(item, name)))
    return shown


def _expanded(item: Item, name: str, query: Query, kind: Kind, at: Context) -> dict[str, Any]:
    follow = item.related.get(name)
    found = follow() if follow else None
    if isinstance(found, list):
        target = KINDS[kind.navigation[name].kind]
        values = [render(part, query, target, at) for part in wanted(found, query)]
        return {f"{name}@odata.context": f"{at.path}{query.context()}", name: values}
    if found is None:
        return {name: None}
    return {
        f"{name}@odata.context": f"{at.path}{query.context()}/$entity",
        name: render(found, query, KINDS[found.kind], at),
    }
