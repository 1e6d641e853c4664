"""The service document: the names and URLs of all entity sets."""

from __future__ import annotations

from typing import Any

from dataverse_source.sandbox.schema.tables import Schema

METADATA_SETS = (
    "EntityDefinitions",
    "GlobalOptionSetDefinitions",
    "ManagedPropertyDefinitions",
    "RelationshipDefinitions",
)


def service_document(schema: Schema, root: str) -> dict[str, Any]:
    """What a GET of the service root answers."""
    names = sorted((*schema.by_entity_set, *METADATA_SETS))
    return {
        "@odata.context": f"{root}$metadata",
        "value": [{"name": name, "kind": "EntitySet", "url": name} for name in names],
    }
