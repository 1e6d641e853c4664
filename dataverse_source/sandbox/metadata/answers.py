"""Renders metadata items as JSON: selected, expanded, with context links."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dataverse_source.sandbox.metadata.path import Place
from dataverse_source.sandbox.metadata.query import Query
from dataverse_source.sandbox.metadata.shapes import Item
from dataverse_source.sandbox.metadata.types import (
    CHOICE_BASE,
    KINDS,
    NAMESPACE,
    RELATIONSHIP,
    Kind,
)


def collection(place: Place, query: Query, root: str, nested: bool = False) -> dict[str, Any]:
    """The collection at a place: all items that the query wants, on one page.

    ``nested`` gives what is expanded a context of its own.
    """
    at = Context(f"{root}{place.path}", place.cast, nested)
    found = wanted(place.items or (), query)
    return {
        "@odata.context": f"{root}{place.context}{query.context()}",
        **({"@odata.count": len(found)} if query.count else {}),
        "value": [render(item, query, place.kind, at) for item in found],
    }


def single(
    place: Place, item: Item, query: Query, root: str, nested: bool = False
) -> dict[str, Any]:
    """The one item at a place."""
    at = Context(f"{root}{place.path}", place.cast, nested)
    link = {"@odata.context": f"{root}{place.context}{query.context()}/$entity"}
    return {**link, **render(item, query, place.kind, at, named=False)}


def wanted(items: Iterable[Item], query: Query) -> list[Item]:
    """The items that the query's filter lets through."""
    condition = query.condition
    return [item for item in items if condition is None or condition(item.members)]


@dataclass(frozen=True)
class Context:
    """Where items are, for the context links of expanded items."""

    path: str
    cast: str = ""
    nested: bool = False

    def below(self, item: Item, name: str) -> Context:
        """Where a navigation property of an item leads to."""
        path = f"{self.path}({item.metadata_id}){self.cast}/{name}"
        return Context(path, nested=self.nested)

    def link(self, name: str, query: Query, ending: str = "") -> dict[str, str]:
        """The context annotation of what was expanded, where there is one."""
        context = f"{self.path}{query.context()}{ending}"
        return {f"{name}@odata.context": context} if self.nested else {}


def render(item: Item, query: Query, kind: Kind, at: Context, named: bool = True) -> dict[str, Any]:
    """One item as JSON.

    Without a cast ``@odata.type`` names the derived type. Columns then show only the members
    that all columns have (docs page "Query schema definitions"); choices and relationships show
    their own too, as real organizations do. MetadataId is always there.
    """
    whole = kind.name in (CHOICE_BASE, RELATIONSHIP)
    shown: dict[str, Any] = {}
    if named and item.typed and item.kind != kind.name:
        shown["@odata.type"] = f"#{NAMESPACE}.{item.kind}"
    if query.select is None:
        names = [name for name in item.members if whole or name in kind.members]
        shown.update((name, item.members[name]) for name in names)
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
        return {**at.link(name, query), name: values}
    if found is None:
        return {name: None}
    shown = render(found, query, KINDS[found.kind], at)
    return {**at.link(name, query, "/$entity"), name: shown}
