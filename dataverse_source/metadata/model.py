"""Tables, columns, choices and relationships of an environment, as immutable dataclasses.

The names follow EntityMetadata, AttributeMetadata and related types (docs: "Query schema
definitions"). `dataverse_source.metadata.reader` reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from dataverse_source.errors import UnknownNameError, did_you_mean

LOOKUP_TYPES = frozenset({"LookupType", "CustomerType", "OwnerType"})
"""Column types that a row carries as ``_<name>_value``, the GUID of another row."""

POLYMORPHIC_TYPES = frozenset({"CustomerType", "OwnerType"})
"""Lookups that always point at several tables: account or contact, user or team."""

UNREADABLE_TYPES = frozenset({"PartyListType", "CalendarRulesType", "VirtualType"})
"""Column types that are not properties of a row: collections, and names computed for display."""

ELASTIC_PROVIDER = "7015a531-cc0d-4537-b5f2-c882a1eb65ad"
"""DataProviderId of elastic tables; it does not make them virtual tables."""

PARTITION_ID = "partitionid"
"""Second half of an elastic table's key (docs: "Use elastic tables")."""

TableKind = Literal["standard", "activity", "elastic", "virtual", "intersect", "query"]

AUDIT = "audit"
"""Logical name of the table with the audit's rows."""

QUERY = "Query"
"""Table type of a query, which is loaded like a table."""


@dataclass(frozen=True)
class Column:
    """One column of a table (AttributeMetadata).

    Attributes:
        name: logical name.
        type: ``AttributeTypeName/Value``, such as ``MoneyType``. (``AttributeType`` calls
            file, image and multi-select columns all ``Virtual``.)
        attribute_of: the column that this one accompanies, such as ``statecode`` for
            ``statecodename``; None if it accompanies none.
        readable: ``IsValidForRead``.
        is_logical: it is stored in another table.
        source_type: 0 simple, 1 calculated, 2 rollup, 3 formula; None if it does not apply.
        valid_odata: ``IsValidODataAttribute``: rows in Web API answers have it.
        precision: digits after the decimal point, for Decimal, Double and Money.
        date_behavior: UserLocal, DateOnly or TimeZoneIndependent, for DateTime.
        targets: logical names of the tables that a lookup may point at.
        max_length: most characters, for text.
        secured: ``IsSecured``: column security decides who sees its values.
        metadata_id: the column's id; a new column with the same name has another.
        name_in_rows: its property in the rows of a query, where it is another than in a table's.
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
    max_length: int | None = None
    metadata_id: str | None = None
    secured: bool = False
    name_in_rows: str | None = None

    @property
    def is_lookup(self) -> bool:
        """Whether a row carries it as ``_<name>_value``."""
        return self.type in LOOKUP_TYPES

    @property
    def wire_name(self) -> str:
        """The property's name in a row and in ``$select``."""
        if self.name_in_rows is not None:
            return self.name_in_rows
        return f"_{self.name}_value" if self.is_lookup else self.name

    @property
    def polymorphic(self) -> bool:
        """Whether rows name the table that the lookup points at in an annotation only."""
        return self.type in POLYMORPHIC_TYPES or (self.is_lookup and len(self.targets) > 1)

    @property
    def in_rows(self) -> bool:
        """Whether rows in Web API answers can carry it."""
        return self.readable and self.valid_odata and self.type not in UNREADABLE_TYPES


@dataclass(frozen=True)
class Table:
    """One table (EntityMetadata).

    Attributes:
        entity_set_name: the name in URLs, such as ``accounts``; None if it cannot be queried.
        primary_id: name of the key column.
        primary_name: name of the column with the name of a row, if there is one.
        table_type: Standard, Virtual, Elastic or Activity.
        data_provider_id: not None for a virtual table.
        metadata_id: the table's id, which stays the same when it is renamed.
        columns: empty in an overview (`MetadataReader.tables`).
        own_key: the key columns of a query; a query may have none.
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
    metadata_id: str | None = None
    columns: tuple[Column, ...] = ()
    own_key: tuple[str, ...] = ()

    @property
    def kind(self) -> TableKind:
        """The kind of table, as far as reading it is concerned.

        The rows of a virtual table come from its provider at each query (no change tracking). An
        elastic table has a key of two columns and pages of at most 500 rows. An intersect table
        contains the pairs of an N:N relationship and has no modifiedon.
        """
        if self.table_type == QUERY:
            return "query"
        provider = (self.data_provider_id or ELASTIC_PROVIDER).lower()
        if self.table_type == "Elastic":
            return "elastic"
        if self.table_type == "Virtual" or provider != ELASTIC_PROVIDER:
            return "virtual"
        if self.is_intersect:
            return "intersect"
        return "activity" if self.is_activity or self.table_type == "Activity" else "standard"

    @property
    def is_log(self) -> bool:
        """Whether rows are only added, and old ones purged: the audit.

        Docs "Auditing": entries never change, and are purged to free log storage.
        """
        return self.logical_name == AUDIT

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns of the key; two for an elastic table, any number for a query."""
        if self.kind == "query":
            return self.own_key
        if self.kind == "elastic" and (self.has(PARTITION_ID) or not self.columns):
            return (self.primary_id, PARTITION_ID)
        return (self.primary_id,)

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    def has(self, name: str) -> bool:
        """Whether there is a column with this logical name."""
        return name in self._by_name

    def column(self, name: str) -> Column:
        """The column with this logical name.

        Raises:
            UnknownNameError: there is no such column.
        """
        try:
            return self._by_name[name]
        except KeyError:
            raise UnknownNameError(
                f"The table {self.logical_name!r} has no column {name!r}",
                remedy=did_you_mean(name, self._by_name) or None,
            ) from None


@dataclass(frozen=True)
class Option:
    """One value of a choice.

    Attributes:
        label: in the language of the user who signs in, None if there is none.
        labels: (LCID, label) in every language that has one, such as ``(1033, "Active")``.
        state: for a status reason, the state that it belongs to.
    """

    value: int
    label: str | None
    labels: tuple[tuple[int, str], ...] = ()
    state: int | None = None


@dataclass(frozen=True)
class Choice:
    """The values of a choice, state, status, yes/no or multi-select column.

    Attributes:
        column: logical name of the column.
        type: ``AttributeTypeName/Value`` of the column, such as ``StatusType``.
        name: of the choice.
        is_global: shared by several columns.
    """

    column: str
    type: str
    name: str
    is_global: bool
    options: tuple[Option, ...]


@dataclass(frozen=True)
class Relationship:
    """A 1:N or N:N relationship.

    For 1:N, each row of ``table`` points with ``column`` at one row of ``referenced_table``.
    For N:N, ``table`` is the intersect table, ``column`` its column for the one side.

    Attributes:
        name: the schema name, one for each relationship (N:N: one for both sides).
        type: ``OneToMany`` or ``ManyToMany``.
    """

    name: str
    type: str
    table: str
    column: str
    referenced_table: str
    referenced_column: str


@dataclass(frozen=True)
class Description:
    """What describes a table but is not needed to read it.

    Attributes:
        table: logical name.
        display_name: singular, in the language of the user who signs in.
        columns: (logical name, display name) of the columns that have a display name.
        choices: of its columns, ordered by column.
        relationships: its N:1 and N:N relationships.
    """

    table: str
    display_name: str | None = None
    columns: tuple[tuple[str, str], ...] = ()
    choices: tuple[Choice, ...] = ()
    relationships: tuple[Relationship, ...] = ()
