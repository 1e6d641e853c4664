"""Tables and columns of an environment, read from EntityDefinitions.

Sources: Microsoft's docs "Query schema definitions" and "Query table definitions using the Web
API" (EntityMetadata, AttributeMetadata and the types derived from it).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

from dataverse_source.errors import ProtocolError, UnknownNameError, did_you_mean

LOOKUP_TYPES = frozenset({"LookupType", "CustomerType", "OwnerType"})
"""Column types that a row carries as ``_<name>_value``, the GUID of another row."""

POLYMORPHIC_TYPES = frozenset({"CustomerType", "OwnerType"})
"""Lookups that always point at several tables: account or contact, user or team."""

UNREADABLE_TYPES = frozenset({"PartyListType", "CalendarRulesType", "VirtualType"})
"""Column types that are no property of a row: collections, and names computed for display."""

TABLE_PROPERTIES = (
    "LogicalName",
    "EntitySetName",
    "PrimaryIdAttribute",
    "PrimaryNameAttribute",
    "TableType",
    "ChangeTrackingEnabled",
    "IsIntersect",
    "IsActivity",
    "IsPrivate",
    "DataProviderId",
)

COLUMN_PROPERTIES = (
    "LogicalName",
    "AttributeType",
    "AttributeTypeName",
    "AttributeOf",
    "IsValidForRead",
    "IsLogical",
    "IsPrimaryId",
    "SourceType",
    "IsValidODataAttribute",
)

CASTS: tuple[tuple[str, str, frozenset[str]], ...] = (
    ("DateTimeAttributeMetadata", "Format,DateTimeBehavior", frozenset({"DateTimeType"})),
    ("DecimalAttributeMetadata", "Precision", frozenset({"DecimalType"})),
    ("DoubleAttributeMetadata", "Precision", frozenset({"DoubleType"})),
    ("MoneyAttributeMetadata", "Precision", frozenset({"MoneyType"})),
    ("LookupAttributeMetadata", "Targets", LOOKUP_TYPES),
)
"""Metadata type, its own properties, and the column types that have them. Such properties
can only be selected after a cast to the type, one type per request."""


class MetadataClient(Protocol):
    """What is needed of `DataverseClient`."""

    def get_json(
        self, path: str, query: Mapping[str, str] | None = None, prefer: Sequence[str] = ()
    ) -> dict[str, Any]:
        """The JSON object at ``path``, relative to the Web API's root."""
        ...


@dataclass(frozen=True)
class Column:
    """One column of a table (AttributeMetadata).

    Attributes:
        name: logical name.
        type: ``AttributeTypeName/Value``, such as ``MoneyType``. (``AttributeType`` calls
            file, image and multi-select columns all ``Virtual``.)
        attribute_of: the column that this one accompanies, such as ``statecode`` for
            ``statecodename``; None for a column in its own right.
        readable: ``IsValidForRead``.
        is_logical: stored in another table.
        source_type: 0 simple, 1 calculated, 2 rollup, 3 formula; None where it does not apply.
        valid_odata: ``IsValidODataAttribute``: a row in a Web API answer has it.
        precision: digits after the point, for Decimal, Double and Money.
        date_behavior: UserLocal, DateOnly or TimeZoneIndependent, for DateTime.
        targets: logical names of the tables that a lookup may point at.
    """

    name: str
    type: str
    attribute_of: str | None = None
    readable: bool = True
    is_logical: bool = False
    is_primary_id: bool = False
    source_type: int | None = None
    valid_odata: bool = True
    precision: int | None = None
    date_behavior: str | None = None
    targets: tuple[str, ...] = ()

    @property
    def is_lookup(self) -> bool:
        """Whether a row carries it as ``_<name>_value``."""
        return self.type in LOOKUP_TYPES

    @property
    def wire_name(self) -> str:
        """The property's name in a row and in ``$select``."""
        return f"_{self.name}_value" if self.is_lookup else self.name

    @property
    def polymorphic(self) -> bool:
        """Whether only an annotation tells which table the lookup points at."""
        return self.type in POLYMORPHIC_TYPES or (self.is_lookup and len(self.targets) > 1)

    @property
    def in_rows(self) -> bool:
        """Whether a row in a Web API answer can carry it at all."""
        return self.readable and self.valid_odata and self.type not in UNREADABLE_TYPES


@dataclass(frozen=True)
class Table:
    """One table (EntityMetadata).

    Attributes:
        entity_set_name: the name in URLs, such as ``accounts``; None: can't be queried.
        primary_id: name of the key column.
        primary_name: name of the column that shows a row to people, if there is one.
        table_type: Standard, Virtual, Elastic or Activity.
        data_provider_id: not None for a virtual table.
        columns: empty in an overview (`MetadataReader.tables`).
    """

    logical_name: str
    entity_set_name: str | None
    primary_id: str
    primary_name: str | None = None
    table_type: str = "Standard"
    change_tracking: bool = False
    is_intersect: bool = False
    is_activity: bool = False
    is_private: bool = False
    data_provider_id: str | None = None
    columns: tuple[Column, ...] = ()

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    def has(self, name: str) -> bool:
        """Whether there is a column with this logical name."""
        return name in self._by_name

    def column(self, name: str) -> Column:
        """The column with this logical name.

        Raises:
            UnknownNameError: there is none.
        """
        try:
            return self._by_name[name]
        except KeyError:
            raise UnknownNameError(
                f"The table {self.logical_name!r} has no column {name!r}",
                remedy=did_you_mean(name, self._by_name) or None,
            ) from None


class MetadataReader:
    """Reads tables and columns; the list of tables is asked for once.

    A missing privilege (prvReadEntity, prvReadAttribute) comes through as the client's
    AccessDeniedError.
    """

    def __init__(self, client: MetadataClient) -> None:
        self._client = client
        self._tables: tuple[Table, ...] | None = None
        self._lock = threading.Lock()

    def tables(self) -> tuple[Table, ...]:
        """All tables of the environment, without columns; one request, then remembered."""
        with self._lock:
            if self._tables is None:
                answers = self._collection("EntityDefinitions", TABLE_PROPERTIES)
                self._tables = tuple(_table(answer) for answer in answers)
            return self._tables

    def resolve(self, name: str) -> Table:
        """The overview entry of the table with this entity set name or logical name.

        Exact names win over names in another case, entity set names over logical names.

        Raises:
            UnknownNameError: no such table, or none that can be queried.
        """
        tables = self.tables()
        found = _find(name, tables) or _find(name.lower(), [_lowered(one) for one in tables])
        if found is None:
            known = {one.entity_set_name for one in tables} | {one.logical_name for one in tables}
            raise UnknownNameError(
                f"The environment has no table {name!r}, or the application user can't see it",
                remedy=did_you_mean(name, sorted(filter(None, known))) or None,
            )
        table = next(one for one in tables if one.logical_name.lower() == found.lower())
        if not table.entity_set_name:
            raise UnknownNameError(
                f"The table {table.logical_name!r} can't be queried: it has no entity set name",
                remedy="Leave it out of the tables to read.",
            )
        return table

    def table(self, name: str) -> Table:
        """The table with its columns.

        Args:
            name: entity set name or logical name.

        Raises:
            UnknownNameError: see `resolve`.
        """
        overview = self.resolve(name)
        key = overview.logical_name.replace("'", "''")
        path = f"EntityDefinitions(LogicalName='{key}')/Attributes"
        columns = [_column(answer) for answer in self._collection(path, COLUMN_PROPERTIES)]
        types = {column.type for column in columns}
        details: dict[str, dict[str, Any]] = {}
        for cast, properties, applies_to in CASTS:
            if types & applies_to:
                typed = f"{path}/Microsoft.Dynamics.CRM.{cast}"
                for answer in self._collection(typed, ("LogicalName", properties)):
                    details[_text(answer, "LogicalName")] = answer
        described = tuple(_describe(column, details.get(column.name, {})) for column in columns)
        return replace(overview, columns=described)

    def _collection(self, path: str, select: Sequence[str]) -> list[dict[str, Any]]:
        answer = self._client.get_json(path, {"$select": ",".join(select)})
        items = answer.get("value")
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise ProtocolError("The answer to a metadata request holds no list", where=path)
        if "@odata.nextLink" in answer:
            # Docs: "Query table definitions": no paging, all are returned. A part of the
            # columns must never pass for all of them.
            raise ProtocolError("The answer to a metadata request is not complete", where=path)
        return items


def _find(name: str, tables: Sequence[Table]) -> str | None:
    """Logical name of the table called ``name``, by entity set name first."""
    by_set = (one.logical_name for one in tables if one.entity_set_name == name)
    by_logical = (one.logical_name for one in tables if one.logical_name == name)
    return next(by_set, None) or next(by_logical, None)


def _lowered(table: Table) -> Table:
    set_name = table.entity_set_name.lower() if table.entity_set_name else None
    return replace(table, logical_name=table.logical_name.lower(), entity_set_name=set_name)


def _table(answer: Mapping[str, Any]) -> Table:
    return Table(
        logical_name=_text(answer, "LogicalName"),
        entity_set_name=answer.get("EntitySetName") or None,
        primary_id=answer.get("PrimaryIdAttribute") or "",
        primary_name=answer.get("PrimaryNameAttribute") or None,
        table_type=answer.get("TableType") or "Standard",
        change_tracking=bool(answer.get("ChangeTrackingEnabled")),
        is_intersect=bool(answer.get("IsIntersect")),
        is_activity=bool(answer.get("IsActivity")),
        is_private=bool(answer.get("IsPrivate")),
        data_provider_id=answer.get("DataProviderId") or None,
    )


def _column(answer: Mapping[str, Any]) -> Column:
    type_name = answer.get("AttributeTypeName") or {}
    return Column(
        name=_text(answer, "LogicalName"),
        type=type_name.get("Value") or f"{answer.get('AttributeType') or 'Virtual'}Type",
        attribute_of=answer.get("AttributeOf") or None,
        readable=answer.get("IsValidForRead") is not False,
        is_logical=bool(answer.get("IsLogical")),
        is_primary_id=bool(answer.get("IsPrimaryId")),
        source_type=answer.get("SourceType"),
        valid_odata=answer.get("IsValidODataAttribute") is not False,
    )


def _describe(column: Column, details: Mapping[str, Any]) -> Column:
    """``column`` with what only a cast to its own type tells."""
    behavior = details.get("DateTimeBehavior") or {}
    return replace(
        column,
        precision=details.get("Precision"),
        date_behavior=behavior.get("Value"),
        targets=tuple(details.get("Targets") or ()),
    )


def _text(answer: Mapping[str, Any], member: str) -> str:
    value = answer.get(member)
    if not isinstance(value, str) or not value:
        raise ProtocolError(f"A table or column in a metadata answer has no {member}")
    return value
