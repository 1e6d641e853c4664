"""Reads metadata from EntityDefinitions, table by table: the way that always works.

Docs: "Query table definitions using the Web API".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dataverse_source.errors import ProtocolError
from dataverse_source.metadata.model import LOOKUP_TYPES, Column, Description, Table
from dataverse_source.metadata.parse import (
    COLUMN_PROPERTIES,
    MANY_TO_MANY_PROPERTIES,
    MANY_TO_ONE_PROPERTIES,
    TABLE_PROPERTIES,
    MetadataClient,
    columns_from,
    description_from,
    items,
    table_from,
    text,
    type_of,
)

VERSION = "Microsoft.Dynamics.CRM.globalmetadataversion"
"""Annotation of every answer with rows, if asked for: a number that changes with every change
of the environment's schema (docs: "Compose HTTP requests and handle errors", annotations)."""

_VERSION_MARK = "version "
"""What a stamp begins with that holds such a number."""

CASTS: tuple[tuple[str, str, frozenset[str]], ...] = (
    ("DateTimeAttributeMetadata", "Format,DateTimeBehavior", frozenset({"DateTimeType"})),
    ("DecimalAttributeMetadata", "Precision", frozenset({"DecimalType"})),
    ("DoubleAttributeMetadata", "Precision", frozenset({"DoubleType"})),
    ("MoneyAttributeMetadata", "Precision", frozenset({"MoneyType"})),
    ("LookupAttributeMetadata", "Targets", LOOKUP_TYPES),
)
"""Metadata type, its own properties, and the column types that have them. Such properties
can only be selected after a cast to the type, one type per request."""

CHOICE_CASTS: tuple[tuple[str, str], ...] = (
    ("BooleanAttributeMetadata", "BooleanType"),
    ("MultiSelectPicklistAttributeMetadata", "MultiSelectPicklistType"),
    ("PicklistAttributeMetadata", "PicklistType"),
    ("StateAttributeMetadata", "StateType"),
    ("StatusAttributeMetadata", "StatusType"),
)
"""The same for choices. Casting to their common base type does not work."""


def current_version(client: MetadataClient) -> str:
    """A stamp of the metadata as it is now, for where RetrieveMetadataChanges gives none.

    One small request. Equal stamps mean the same metadata; they tell no order.

    Raises:
        ProtocolError: the answer does not tell.
        DataverseError: see `read_tables`.
    """
    answer = client.get_json(
        "organizations",
        {"$select": "organizationid"},
        prefer=[f'odata.include-annotations="{VERSION}"'],
    )
    version = answer.get(f"@{VERSION}")
    if not version:
        raise ProtocolError("The answer does not tell the metadata's version", where=VERSION)
    return f"{_VERSION_MARK}{version}"


def is_version(stamp: str) -> bool:
    """Whether a stamp is one of `current_version`."""
    return stamp.startswith(_VERSION_MARK)


def read_tables(client: MetadataClient) -> tuple[Table, ...]:
    """All tables of the environment, without columns; one request.

    Raises:
        ProtocolError: an answer that can't be right.
        DataverseError: see `dataverse_source.client.client.DataverseClient.get`.
    """
    return tuple(
        table_from(answer)
        for answer in _collection(client, "EntityDefinitions", ",".join(TABLE_PROPERTIES))
    )


def read_columns(client: MetadataClient, logical_name: str) -> tuple[Column, ...]:
    """The columns of one table; up to six requests.

    Raises:
        DataverseError: see `read_tables`.
    """
    path = _path(logical_name, "Attributes")
    answers = _collection(client, path, ",".join(COLUMN_PROPERTIES))
    types = {type_of(answer) for answer in answers}
    details: dict[str, dict[str, Any]] = {}
    for cast, properties, applies_to in CASTS:
        if types & applies_to:
            typed = f"{path}/Microsoft.Dynamics.CRM.{cast}"
            for answer in _collection(client, typed, f"LogicalName,{properties}"):
                details[text(answer, "LogicalName")] = answer
    return columns_from(answers, details)


def read_description(client: MetadataClient, logical_name: str) -> Description:
    """Display names, choices and relationships of one table; up to nine requests.

    Raises:
        DataverseError: see `read_tables`.
    """
    path = _path(logical_name, "Attributes")
    select = "LogicalName,DisplayName,AttributeType,AttributeTypeName"
    columns = {text(one, "LogicalName"): one for one in _collection(client, path, select)}
    types = {type_of(one) for one in columns.values()}
    for cast, applies_to in CHOICE_CASTS:
        if applies_to in types:
            typed = f"{path}/Microsoft.Dynamics.CRM.{cast}"
            for answer in _collection(client, typed, "LogicalName", expand="OptionSet"):
                columns[text(answer, "LogicalName")] |= {"OptionSet": answer.get("OptionSet")}
    return description_from(
        client.get_json(_path(logical_name), {"$select": "LogicalName,DisplayName"}),
        list(columns.values()),
        _collection(
            client, _path(logical_name, "ManyToOneRelationships"), ",".join(MANY_TO_ONE_PROPERTIES)
        ),
        _collection(
            client,
            _path(logical_name, "ManyToManyRelationships"),
            ",".join(MANY_TO_MANY_PROPERTIES),
        ),
    )


def _path(logical_name: str, *parts: str) -> str:
    key = logical_name.replace("'", "''")
    return "/".join((f"EntityDefinitions(LogicalName='{key}')", *parts))


def _collection(
    client: MetadataClient, path: str, select: str, expand: str | None = None
) -> Sequence[dict[str, Any]]:
    query = {"$select": select} | ({"$expand": expand} if expand else {})
    return items(client.get_json(path, query), "value", path)
