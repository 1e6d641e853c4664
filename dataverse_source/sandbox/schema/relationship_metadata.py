"""Reads relationships from the definitions of the tables that they join."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dataverse_source.sandbox.schema.attribute_metadata import names_of
from dataverse_source.sandbox.schema.tables import ManyToMany, OneToMany, Table

Definition = Mapping[str, Any]


def targets_of(definition: Definition) -> dict[str, tuple[str, ...]]:
    """By lookup column, the tables that a table's N:1 relationships lead to."""
    found: dict[str, tuple[str, ...]] = {}
    for each in definition.get("ManyToOneRelationships") or ():
        name = each["ReferencingAttribute"]
        found[name] = (*found.get(name, ()), each["ReferencedEntity"])
    return found


def read_one_to_many(
    definitions: Iterable[Definition], tables: Mapping[str, Table]
) -> tuple[OneToMany, ...]:
    """The 1:N relationships between these tables; each side's definition may have them.

    One that leads to a table or a column that is not there is left out.
    """
    found: dict[str, OneToMany] = {}
    for definition in definitions:
        for each in _one_to_many(definition):
            referencing, referenced = (
                tables.get(each[side]) for side in ("ReferencingEntity", "ReferencedEntity")
            )
            if referencing and referenced and each["ReferencingAttribute"] in referencing.by_name:
                relationship = _joined(each, referencing, referenced)
                found.setdefault(relationship.schema_name, relationship)
    return tuple(found.values())


def _one_to_many(definition: Definition) -> Iterator[dict[str, Any]]:
    """The relationships of a table, each with the names of both tables."""
    _, name = names_of(definition)
    many_to_one = definition.get("ManyToOneRelationships") or ()
    several = {attribute for attribute, to in targets_of(definition).items() if len(to) > 1}
    for each in many_to_one:
        yield {
            "ReferencingEntity": name,
            "several": each["ReferencingAttribute"] in several,
            **each,
        }
    for each in definition.get("OneToManyRelationships") or ():
        yield {"ReferencedEntity": name, "several": False, **each}


def _joined(each: Definition, referencing: Table, referenced: Table) -> OneToMany:
    schema_name = each["SchemaName"]
    column = referencing.by_name[each["ReferencingAttribute"]]
    # A custom lookup's navigation property keeps the capitals of its schema name.
    single = column.schema_name if column.is_custom else column.name
    if each["several"]:
        single = f"{single}_{referenced.logical_name}"
    cascade = each.get("CascadeConfiguration") or {}
    return OneToMany(
        schema_name=schema_name,
        referenced=referenced.logical_name,
        referenced_attribute=each.get("ReferencedAttribute") or referenced.primary_id,
        referencing=referencing.logical_name,
        referencing_attribute=column.name,
        referencing_navigation=each.get("ReferencingEntityNavigationPropertyName") or single,
        referenced_navigation=each.get("ReferencedEntityNavigationPropertyName") or schema_name,
        cascade_delete=cascade.get("Delete") or "RemoveLink",
    )


def read_many_to_many(
    definitions: Iterable[Definition], tables: Mapping[str, Table]
) -> tuple[ManyToMany, ...]:
    """The N:N relationships between these tables whose intersect table is here too."""
    found: dict[str, ManyToMany] = {}
    for definition in definitions:
        for each in definition.get("ManyToManyRelationships") or ():
            schema_name = each["SchemaName"]
            relationship = ManyToMany(
                schema_name=schema_name,
                table1=each["Entity1LogicalName"],
                table2=each["Entity2LogicalName"],
                intersect=each["IntersectEntityName"],
                intersect_attribute1=each["Entity1IntersectAttribute"],
                intersect_attribute2=each["Entity2IntersectAttribute"],
                navigation1=each.get("Entity1NavigationPropertyName") or schema_name,
                navigation2=each.get("Entity2NavigationPropertyName") or schema_name,
            )
            joined = (relationship.table1, relationship.table2, relationship.intersect)
            if all(name in tables for name in joined):
                found.setdefault(schema_name, relationship)
    return tuple(found.values())
