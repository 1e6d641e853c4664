"""Reads EntityMetadata, tables' definitions as the Web API writes them in JSON, into a schema.

A member that is absent or null has the value that most tables have, so that a table can be
written down in a few lines; three values have a short form (README in the folder ``catalog``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dataverse_source.sandbox.schema.attribute_metadata import (
    CUSTOM,
    global_choice_of,
    names_of,
    read_column,
)
from dataverse_source.sandbox.schema.labels import label_text, options_of, plain, readable_name
from dataverse_source.sandbox.schema.relationship_metadata import (
    read_many_to_many,
    read_one_to_many,
    targets_of,
)
from dataverse_source.sandbox.schema.tables import AlternateKey, Option, Schema, Table

Definition = Mapping[str, Any]

_MEMBERS = {
    "CanChangeTrackingBeEnabled": "can_change_tracking",
    "ChangeTrackingEnabled": "change_tracking",
    "DataProviderId": "data_provider_id",
    "EntitySetName": "entity_set_name",
    "IsActivity": "is_activity",
    "IsCustomEntity": "is_custom",
    "IsIntersect": "is_intersect",
    "IsLogicalEntity": "is_logical_entity",
    "IsOptimisticConcurrencyEnabled": "optimistic_concurrency",
    "IsPrivate": "is_private",
    "OwnershipType": "ownership",
    "TableType": "table_type",
}
MEMBERS = frozenset(_MEMBERS) | {
    "Attributes", "DisplayCollectionName", "DisplayName", "Keys", "LogicalName",
    "ManyToManyRelationships", "ManyToOneRelationships", "ObjectTypeCode",
    "OneToManyRelationships", "PrimaryIdAttribute", "PrimaryNameAttribute", "SchemaName",
}  # fmt: skip
"""The members of a table that are read; all others are passed over."""


def schema_of(definitions: Iterable[Definition], choices: Iterable[Definition] = ()) -> Schema:
    """The schema of these tables.

    Args:
        definitions: EntityMetadata of each table, with columns, keys and relationships.
        choices: OptionSetMetadata of the global choices. One that a column spells out need
            not be among them.

    Raises:
        ValueError: a definition lacks what can't be left out, or has an unknown type.
    """
    definitions = list(definitions)
    tables = {table.logical_name: table for table in map(_table, definitions)}
    return Schema(
        tables=tuple(tables.values()),
        one_to_many=read_one_to_many(definitions, tables),
        many_to_many=read_many_to_many(definitions, tables),
        global_choices=_global_choices(definitions, choices),
    )


def _table(definition: Definition) -> Table:
    schema_name, name = names_of(definition)
    primary_id = definition.get("PrimaryIdAttribute") or f"{name}id"
    primary_name = definition.get("PrimaryNameAttribute")
    targets = targets_of(definition)
    try:
        columns = tuple(
            read_column(attribute, primary_id, primary_name, targets)
            for attribute in definition.get("Attributes") or ()
        )
    except ValueError as error:
        raise ValueError(f"table {name!r}: {error}") from None
    values: dict[str, Any] = {
        "entity_set_name": None, "is_custom": CUSTOM.match(schema_name) is not None
    }  # fmt: skip
    for member, field in _MEMBERS.items():
        value = plain(definition.get(member))
        if value is not None:
            values[field] = value
    shown = label_text(definition.get("DisplayName", readable_name(schema_name)))
    return Table(
        logical_name=name,
        schema_name=schema_name,
        primary_id=primary_id,
        primary_name=primary_name,
        object_type_code=int(definition.get("ObjectTypeCode") or 0),
        columns=columns,
        display_name=shown,
        collection_name=label_text(definition.get("DisplayCollectionName", f"{shown}s")),
        keys=tuple(
            AlternateKey(key["SchemaName"], tuple(key["KeyAttributes"]))
            for key in definition.get("Keys") or ()
        ),
        **values,
    )


def _global_choices(
    definitions: Iterable[Definition], choices: Iterable[Definition]
) -> dict[str, tuple[Option, ...]]:
    found = {choice["Name"]: options_of(choice) for choice in choices}
    for definition in definitions:
        for attribute in definition.get("Attributes") or ():
            name = global_choice_of(attribute)
            if name is not None and name not in found:
                found[name] = _spelled_out(attribute)
    return found


def _spelled_out(attribute: Definition) -> tuple[Option, ...]:
    """The options that a column's definition repeats of its global choice."""
    sets = (attribute.get(member) for member in ("OptionSet", "GlobalOptionSet"))
    spelled = (options_of(each) for each in sets if isinstance(each, dict))
    return next(filter(None, spelled), ())
