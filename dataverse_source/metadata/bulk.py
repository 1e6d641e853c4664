"""Reads metadata of many tables at once with the function RetrieveMetadataChanges.

Docs: "Query schema definitions" (the query's JSON, EntityQueryExpression) and "Cache schema
data" (version stamps). Asking for all properties of all tables takes minutes in a large
environment and may time out, so queries name what they need of a few tables.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dataverse_source.errors import ProtocolError
from dataverse_source.metadata.model import Column, Description
from dataverse_source.metadata.parse import (
    COLUMN_PROPERTIES,
    MANY_TO_MANY_PROPERTIES,
    MANY_TO_ONE_PROPERTIES,
    MetadataClient,
    columns_from,
    description_from,
    items,
    text,
)

FUNCTION = "RetrieveMetadataChanges"

TABLES_PER_REQUEST = 50
"""Keeps the URL far below its 32,768 characters (docs: "Compose HTTP requests") and the answer
at a size that a server gives in seconds."""

TYPED_PROPERTIES = ("Precision", "DateTimeBehavior", "Targets")
"""Properties that only some column types have; the function takes them without a cast."""

RELATIONSHIPS = ("ManyToOneRelationships", "ManyToManyRelationships")

ALL_DELETED = "Microsoft.Dynamics.CRM.DeletedMetadataFilters'All'"


def read_columns(
    client: MetadataClient, logical_names: Sequence[str]
) -> dict[str, tuple[Column, ...]]:
    """The columns of tables by logical name; one request for up to 50 tables.

    A table that the answers leave out is left out.

    Raises:
        ProtocolError: an answer that can't be right.
        DataverseError: see `dataverse_source.client.client.DataverseClient.get`.
    """
    query = {
        "Properties": _properties("LogicalName", "Attributes"),
        "AttributeQuery": {"Properties": _properties(*COLUMN_PROPERTIES, *TYPED_PROPERTIES)},
    }
    return {
        text(answer, "LogicalName"): columns_from(items(answer, "Attributes", FUNCTION))
        for answer in _tables(client, query, logical_names)
    }


def read_descriptions(
    client: MetadataClient, logical_names: Sequence[str]
) -> dict[str, Description]:
    """Display names, choices and relationships by logical name; as `read_columns`."""
    columns = ("LogicalName", "DisplayName", "AttributeType", "AttributeTypeName", "OptionSet")
    links = dict.fromkeys((*MANY_TO_ONE_PROPERTIES, *MANY_TO_MANY_PROPERTIES))
    query = {
        "Properties": _properties("LogicalName", "DisplayName", "Attributes", *RELATIONSHIPS),
        "AttributeQuery": {"Properties": _properties(*columns)},
        "RelationshipQuery": {"Properties": _properties(*links)},
    }
    return {
        text(answer, "LogicalName"): description_from(
            answer,
            items(answer, "Attributes", FUNCTION),
            *(items(answer, kind, FUNCTION) for kind in RELATIONSHIPS),
        )
        for answer in _tables(client, query, logical_names)
    }


def current_stamp(client: MetadataClient) -> str:
    """The version stamp of the metadata as it is now; one small request."""
    query = {"Properties": _properties("LogicalName"), "Criteria": _in(["organization"])}
    return text(_call(client, query), "ServerVersionStamp")


def changed_since(client: MetadataClient, stamp: str) -> str | None:
    """Whether anything about any table has changed since ``stamp``; one request.

    Returns:
        A newer stamp when nothing has changed, None when something has.

    Raises:
        ResponseError: among others for a stamp that has expired (0x80044352).
    """
    query = {
        "Properties": _properties("LogicalName", "Attributes", *RELATIONSHIPS),
        "AttributeQuery": {"Properties": _properties("LogicalName")},
        "RelationshipQuery": {"Properties": _properties("SchemaName")},
    }
    quoted = stamp.replace("'", "''")
    answer = _call(client, query, {"ClientVersionStamp": f"'{quoted}'"})
    changed = items(answer, "EntityMetadata", FUNCTION)
    deleted = answer.get("DeletedMetadata") or {}
    if changed or deleted.get("Count") or deleted.get("Keys"):
        return None
    return text(answer, "ServerVersionStamp")


def _tables(
    client: MetadataClient, query: Mapping[str, Any], logical_names: Sequence[str]
) -> Iterator[dict[str, Any]]:
    for start in range(0, len(logical_names), TABLES_PER_REQUEST):
        chunk = logical_names[start : start + TABLES_PER_REQUEST]
        answer = _call(client, {**query, "Criteria": _in(chunk)})
        yield from items(answer, "EntityMetadata", FUNCTION)


def _call(
    client: MetadataClient, query: Mapping[str, Any], stamp: Mapping[str, str] | None = None
) -> dict[str, Any]:
    values = {"Query": json.dumps(query, separators=(",", ":"))}
    if stamp:
        values |= {**stamp, "DeletedMetadataFilters": ALL_DELETED}
    named = {f"@p{number}": value for number, value in enumerate(values.values(), start=1)}
    call = ",".join(f"{name}={alias}" for name, alias in zip(values, named, strict=True))
    answer = client.get_json(f"{FUNCTION}({call})", named)
    if "EntityMetadata" not in answer:
        raise ProtocolError(f"The answer of {FUNCTION} holds no tables", where=FUNCTION)
    return answer


def _properties(*names: str) -> dict[str, Any]:
    return {"AllProperties": False, "PropertyNames": list(names)}


def _in(logical_names: Sequence[str]) -> dict[str, Any]:
    """Criteria that choose tables; a list's value is text (docs: "Query schema definitions")."""
    names = ",".join("'" + name.replace("'", "''") + "'" for name in logical_names)
    condition = {
        "ConditionOperator": "In",
        "PropertyName": "LogicalName",
        "Value": {"Type": "System.String[]", "Value": f"[{names}]"},
    }
    return {"FilterOperator": "And", "Conditions": [condition]}
