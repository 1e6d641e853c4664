"""Reads the relationships of a ``$metadata`` file from its navigation properties."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol
from xml.etree.ElementTree import Element

from dataverse_source.sandbox.schema.tables import ManyToMany, OneToMany

EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
PRINCIPAL, OWNER = "principal", "owner"
OWNERS = ("systemuser", "team")


class EntityType(Protocol):
    """What is needed of an EntityType of the file."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def key(self) -> str | None:
        """The property that is its key."""

    @property
    def properties(self) -> Mapping[str, str]:
        """Edm type by property name, inherited ones included."""

    @property
    def element(self) -> Element:
        """Its XML."""


@dataclass(frozen=True)
class Relationships:
    """All relationships of a file, and the tables that each lookup may point at.

    Attributes:
        targets: by type name and column, the logical names of the tables.
    """

    one_to_many: tuple[OneToMany, ...]
    many_to_many: tuple[ManyToMany, ...]
    targets: Mapping[str, Mapping[str, tuple[str, ...]]]


def read_relationships(types: Mapping[str, EntityType]) -> Relationships:
    """The relationships between the types of a file."""
    ones = [link for raw in types.values() for link in _one_to_many(raw, types)]
    targets: dict[str, dict[str, tuple[str, ...]]] = {}
    for link in ones:
        of_table = targets.setdefault(link.referencing, {})
        if link.referenced_attribute != _key(types, link.referenced):
            continue
        to = OWNERS if link.referenced == OWNER else (link.referenced,)
        of_table[link.referencing_attribute] = of_table.get(link.referencing_attribute, ()) + to
    names = {name.lower(): name for name in types}
    manys = {link.schema_name: link for raw in types.values() for link in _many(raw, types, names)}
    return Relationships(tuple(ones), tuple(manys.values()), targets)


def _key(types: Mapping[str, EntityType], logical_name: str) -> str | None:
    return types[PRINCIPAL if logical_name == OWNER else logical_name].key


def _single(raw: EntityType) -> Iterator[Element]:
    for element in raw.element.findall(f"{EDM}NavigationProperty"):
        if not element.get("Type", "").startswith("Collection("):
            yield element


def _many_valued(raw: EntityType) -> Iterator[Element]:
    for element in raw.element.findall(f"{EDM}NavigationProperty"):
        if element.get("Type", "").startswith("Collection("):
            yield element


def _target(element: Element) -> str:
    return element.get("Type", "").removesuffix(")").rpartition(".")[2]


def _one_to_many(raw: EntityType, types: Mapping[str, EntityType]) -> Iterator[OneToMany]:
    for element in _single(raw):
        target = types.get(_target(element))
        if target is None:
            continue
        name = element.get("Name", "")
        partner = element.get("Partner") or f"{raw.name}_{name}_{target.name}"
        yield OneToMany(
            schema_name=partner,
            referenced=OWNER if target.name == PRINCIPAL else target.name,
            referenced_attribute=_referenced_attribute(element, target),
            referencing=raw.name,
            referencing_attribute=_attribute(raw, element),
            referencing_navigation=name,
            referenced_navigation=partner,
        )


def _referenced_attribute(element: Element, target: EntityType) -> str:
    constraint = element.find(f"{EDM}ReferentialConstraint")
    if constraint is None:
        return target.key or ""
    return _column_name(constraint.get("ReferencedProperty", ""))


def _column_name(wire_name: str) -> str:
    match = re.fullmatch(r"_(.+)_value", wire_name)
    return match[1] if match else wire_name


def _attribute(raw: EntityType, element: Element) -> str:
    """The lookup column of a navigation property.

    The constraint names it; without one the property's name begins with it, as in
    ``regardingobjectid_account_task``.
    """
    constraint = element.find(f"{EDM}ReferentialConstraint")
    name = element.get("Name", "").lower()
    if constraint is not None:
        return _column_name(constraint.get("Property", ""))
    parts = name.split("_")
    for length in range(len(parts), 0, -1):
        start = "_".join(parts[:length])
        if f"_{start}_value" in raw.properties:
            return start
    return name


def _many(
    raw: EntityType, types: Mapping[str, EntityType], names: Mapping[str, str]
) -> Iterator[ManyToMany]:
    for element in _many_valued(raw):
        name, partner = element.get("Name", ""), element.get("Partner") or ""
        target = types.get(_target(element))
        if target is None or partner not in {e.get("Name") for e in _many_valued(target)}:
            continue
        first, second = raw, target
        navigation1, navigation2 = name, partner
        if (second.name, navigation2) < (first.name, navigation1):
            first, second = second, first
            navigation1, navigation2 = navigation2, navigation1
        yield ManyToMany(
            schema_name=navigation1,
            table1=first.name,
            table2=second.name,
            intersect=_intersect(navigation1, names),
            intersect_attribute1=first.key or "",
            intersect_attribute2=second.key or "",
            navigation1=navigation1,
            navigation2=navigation2,
        )


def _intersect(navigation: str, names: Mapping[str, str]) -> str:
    """The intersect table, whose name the relationship's begins with."""
    name = navigation.lower()
    for candidate in (name, name.removesuffix("_association"), name.removesuffix("s_association")):
        if candidate in names:
            return names[candidate]
    return name.removesuffix("_association")
