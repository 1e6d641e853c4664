"""Reads metadata of many tables at once with the function RetrieveMetadataChanges.

Docs: "Query schema definitions" (the query's JSON, EntityQueryExpression) and "Cache schema
data" (version stamps). Asking for all properties of all tables takes minutes in a large
environment and may time out, so each query names some properties of some tables.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dataverse_source.errors import ProtocolError
from dataverse_source.metadata.literals import text_literal, text_literals
from dataverse_source.metadata.parse import (
    COLUMN_PROPERTIES,
    DESCRIBED_PROPERTIES,
    MANY_TO_MANY_PROPERTIES,
    MANY_TO_ONE_PROPERTIES,
    RELATIONSHIPS,
    TYPED_PROPERTIES,
    MetadataClient,
    items,
    text,
)

FUNCTION = "RetrieveMetadataChanges"

TABLES_PER_REQUEST = 50
"""Keeps the URL far below its 32,768 characters (docs: "Compose HTTP requests"), and the answer
small enough to come within seconds."""

ALL_DELETED = "Microsoft.Dynamics.CRM.DeletedMetadataFilters'All'"


def read_columns(client: MetadataClient, logical_names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Answers for `parse.columns_from` by logical name; one request for up to 50 tables.

    Tables that the answers do not contain are left out.

    Raises:
        ProtocolError: an answer is malformed.
        DataverseError: see `dataverse_source.client.client.DataverseClient.get`.
    """
    return _tables(client, _COLUMNS, logical_names)


def columns_request(logical_names: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Path and query of a request for `tables_in`: the columns of at most 50 tables."""
    return _request({**_COLUMNS, "Criteria": _in(logical_names[:TABLES_PER_REQUEST])})


def tables_in(answer: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The tables of an answer of the function by logical name.

    Raises:
        ProtocolError: the answer is malformed.
    """
    tables = items(answer, "EntityMetadata", FUNCTION)
    return {text(table, "LogicalName"): table for table in tables}


def read_descriptions(
    client: MetadataClient, logical_names: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Answers for `parse.description_from` by logical name; see `read_columns`."""
    links = dict.fromkeys((*MANY_TO_ONE_PROPERTIES, *MANY_TO_MANY_PROPERTIES))
    query = {
        "Properties": _properties("LogicalName", "DisplayName", "Attributes", *RELATIONSHIPS),
        "AttributeQuery": {"Properties": _properties(*DESCRIBED_PROPERTIES, "OptionSet")},
        "RelationshipQuery": {"Properties": _properties(*links)},
    }
    return _tables(client, query, logical_names)


def current_stamp(client: MetadataClient) -> str:
    """The current version stamp of the metadata; one small request."""
    query = {"Properties": _properties("LogicalName"), "Criteria": _in(["organization"])}
    return text(_call(client, query), "ServerVersionStamp")


def changed_since(client: MetadataClient, stamp: str) -> str | None:
    """Asks whether any table has changed since ``stamp``; one request.

    Returns:
        A newer stamp if nothing has changed, else None.

    Raises:
        ResponseError: for one, the stamp has expired (0x80044352).
    """
    query = {
        "Properties": _properties("LogicalName", "Attributes", *RELATIONSHIPS),
        "AttributeQuery": {"Properties": _properties("LogicalName")},
        "RelationshipQuery": {"Properties": _properties("SchemaName")},
    }
    answer = _call(client, query, {"ClientVersionStamp": text_literal(stamp)})
    changed = items(answer, "EntityMetadata", FUNCTION)
    deleted = answer.get("DeletedMetadata") or {}
    if changed or deleted.get("Count") or deleted.get("Keys"):
        return None
    return text(answer, "ServerVersionStamp")


def _tables(
    client: MetadataClient, query: Mapping[str, Any], logical_names: Sequence[str]
) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(logical_names), TABLES_PER_REQUEST):
        chunk = logical_names[start : start + TABLES_PER_REQUEST]
        answer = _call(client, {**query, "Criteria": _in(chunk)})
        found |= tables_in(answer)
    return found


def _call(
    client: MetadataClient, query: Mapping[str, Any], stamp: Mapping[str, str] | None = None
) -> dict[str, Any]:
    answer = client.get_json(*_request(query, stamp))
    if "EntityMetadata" not in answer:
        raise ProtocolError(f"The answer of {FUNCTION} contains no tables", where=FUNCTION)
    return answer


def _request(
    query: Mapping[str, Any], stamp: Mapping[str, str] | None = None
) -> tuple[str, dict[str, str]]:
    values = {"Query": json.dumps(query, separators=(",", ":"))}
    if stamp:
        values |= {**stamp, "DeletedMetadataFilters": ALL_DELETED}
    named = {f"@p{number}": value for number, value in enumerate(values.values(), start=1)}
    call = ",".join(f"{name}={alias}" for name, alias in zip(values, named, strict=True))
    return f"{FUNCTION}({call})", named


def _properties(*names: str) -> dict[str, Any]:
    return {"AllProperties": False, "PropertyNames": list(names)}


def _in(logical_names: Sequence[str]) -> dict[str, Any]:
    """Criteria that choose tables; a list is written as text (docs: "Query schema definitions")."""
    condition = {
        "ConditionOperator": "In",
        "PropertyName": "LogicalName",
        "Value": {"Type": "System.String[]", "Value": f"[{text_literals(logical_names)}]"},
    }
    return {"FilterOperator": "And", "Conditions": [condition]}


_COLUMNS = {
    "Properties": _properties("LogicalName", "Attributes"),
    "AttributeQuery": {"Properties": _properties(*COLUMN_PROPERTIES, *TYPED_PROPERTIES)},
}
