"""Reads metadata from EntityDefinitions, table by table; works where `bulk` is refused.

Docs: "Query table definitions using the Web API".
"""

from __future__ import annotations

from typing import Any

from dataverse_source.errors import ProtocolError
from dataverse_source.metadata.literals import text_literal
from dataverse_source.metadata.model import LOOKUP_TYPES
from dataverse_source.metadata.parse import (
    COLUMN_PROPERTIES,
    DESCRIBED_PROPERTIES,
    MANY_TO_MANY_PROPERTIES,
    MANY_TO_ONE_PROPERTIES,
    RELATIONSHIPS,
    TABLE_PROPERTIES,
    MetadataClient,
    items,
    text,
    type_of,
)

VERSION = "Microsoft.Dynamics.CRM.globalmetadataversion"
"""Annotation of answers with rows: a number that changes with every change of the environment's
schema (docs: "Compose HTTP requests and handle errors", annotations)."""

_VERSION_PREFIX = "version "
"""Start of a stamp that contains such a number."""

CASTS: tuple[tuple[str, str, frozenset[str]], ...] = (
    ("DateTimeAttributeMetadata", "DateTimeBehavior", frozenset({"DateTimeType"})),
    ("DecimalAttributeMetadata", "Precision", frozenset({"DecimalType"})),
    ("DoubleAttributeMetadata", "Precision", frozenset({"DoubleType"})),
    ("MoneyAttributeMetadata", "Precision", frozenset({"MoneyType"})),
    ("LookupAttributeMetadata", "Targets", LOOKUP_TYPES),
    ("MemoAttributeMetadata", "MaxLength", frozenset({"MemoType"})),
    ("StringAttributeMetadata", "MaxLength", frozenset({"StringType"})),
)
"""Metadata type, its own property, and the column types that have them. Such a property can
be selected only after a cast to the type, one type per request."""

CHOICE_CASTS: tuple[tuple[str, str], ...] = (
    ("BooleanAttributeMetadata", "BooleanType"),
    ("MultiSelectPicklistAttributeMetadata", "MultiSelectPicklistType"),
    ("PicklistAttributeMetadata", "PicklistType"),
    ("StateAttributeMetadata", "StateType"),
    ("StatusAttributeMetadata", "StatusType"),
)
"""The same for choices; a cast to their common base type does not work."""


def current_version(client: MetadataClient) -> str:
    """The current version of the metadata, if RetrieveMetadataChanges gives no stamp.

    One small request. Equal stamps mean equal metadata; they have no order.

    Raises:
        ProtocolError: the answer has no version.
        DataverseError: see `read_tables`.
    """
    answer = client.get_json(
        "organizations",
        {"$select": "organizationid"},
        prefer=[f'odata.include-annotations="{VERSION}"'],
    )
    version = answer.get(f"@{VERSION}")
    if not version:
        raise ProtocolError("The answer contains no version of the metadata", where=VERSION)
    return f"{_VERSION_PREFIX}{version}"


def is_version(stamp: str) -> bool:
    """Whether a stamp comes from `current_version`."""
    return stamp.startswith(_VERSION_PREFIX)


def read_tables(client: MetadataClient) -> list[dict[str, Any]]:
    """Answers for `parse.table_from`: all tables of the environment; one request.

    Raises:
        ProtocolError: an answer is malformed.
        DataverseError: see `dataverse_source.client.client.DataverseClient.get`.
    """
    return _collection(client, "EntityDefinitions", ",".join(TABLE_PROPERTIES))


def read_columns(client: MetadataClient, logical_name: str) -> dict[str, Any]:
    """The answer for `parse.columns_from` of one table; up to eight requests.

    Raises:
        DataverseError: see `read_tables`.
    """
    path = _path(logical_name, "Attributes")
    columns = _columns(client, path, ",".join(COLUMN_PROPERTIES))
    types = set(map(type_of, columns.values()))
    for cast, own, applies_to in CASTS:
        if types & applies_to:
            typed = f"{path}/Microsoft.Dynamics.CRM.{cast}"
            _complete(columns, _columns(client, typed, f"LogicalName,{own}"), own)
    return {"LogicalName": logical_name, "Attributes": list(columns.values())}


def read_description(client: MetadataClient, logical_name: str) -> dict[str, Any]:
    """The answer for `parse.description_from` of one table; up to nine requests.

    Raises:
        DataverseError: see `read_tables`.
    """
    path = _path(logical_name, "Attributes")
    columns = _columns(client, path, ",".join(DESCRIBED_PROPERTIES))
    types = set(map(type_of, columns.values()))
    for cast, applies_to in CHOICE_CASTS:
        if applies_to in types:
            typed = f"{path}/Microsoft.Dynamics.CRM.{cast}"
            more = _columns(client, typed, "LogicalName", expand="OptionSet")
            _complete(columns, more, "OptionSet")
    table = client.get_json(_path(logical_name), {"$select": "LogicalName,DisplayName"})
    selects = MANY_TO_ONE_PROPERTIES, MANY_TO_MANY_PROPERTIES
    return {
        **table,
        "Attributes": list(columns.values()),
        **{
            kind: _collection(client, _path(logical_name, kind), ",".join(select))
            for kind, select in zip(RELATIONSHIPS, selects, strict=True)
        },
    }


def _complete(
    columns: dict[str, dict[str, Any]], more: dict[str, dict[str, Any]], member: str
) -> None:
    """Adds a member to the columns; one that was made since the first request is left out."""
    for name in columns.keys() & more.keys():
        columns[name][member] = more[name].get(member)


def _path(logical_name: str, *parts: str) -> str:
    return "/".join((f"EntityDefinitions(LogicalName={text_literal(logical_name)})", *parts))


def _columns(
    client: MetadataClient, path: str, select: str, expand: str | None = None
) -> dict[str, dict[str, Any]]:
    return {text(one, "LogicalName"): one for one in _collection(client, path, select, expand)}


def _collection(
    client: MetadataClient, path: str, select: str, expand: str | None = None
) -> list[dict[str, Any]]:
    query = {"$select": select} | ({"$expand": expand} if expand else {})
    return items(client.get_json(path, query), "value", path)
