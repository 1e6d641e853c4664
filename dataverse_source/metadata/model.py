"""Tables, columns, choices and relationships of an environment, as immutable dataclasses.

The names follow EntityMetadata, AttributeMetadata and their relatives (docs: "Query schema
definitions"). How they are read is in `dataverse_source.metadata.reader`.
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
"""Column types that are no property of a row: collections, and names computed for display."""

ELASTIC_PROVIDER = "7015a531-cc0d-4537-b5f2-c882a1eb65ad"
"""DataProviderId of elastic tables in place of a provider: they are no virtual tables."""

PARTITION_ID = "partitionid"
"""Second half of an elastic table's key (docs: "Use elastic tables")."""

TableKind = Literal["standard", "activity", "elastic", "virtual", "intersect"]


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
        metadata_id: the column's id; another one that is given its name has another.
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
    metadata_id: str | None = None

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
        metadata_id: the table's id, which stays when it is renamed.
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
    metadata_id: str | None = None
    columns: tuple[Column, ...] = ()

    @property
    def kind(self) -> TableKind:
        """What sort of table it is, as far as reading goes.

        A virtual table's rows come from its provider at each query (no change tracking); an
        elastic table's key has two columns and its pages hold 500 rows at most; an intersect
        table holds the pairs of an N:N relationship and has no modifiedon.
        """
        provider = (self.data_provider_id or ELASTIC_PROVIDER).lower()
        if self.table_type == "Elastic":
            return "elastic"
        if self.table_type == "Virtual" or provider != ELASTIC_PROVIDER:
            return "virtual"
        if self.is_intersect:
            return "intersect"
        return "activity" if self.is_activity or self.table_type == "Activity" else "standard"

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns that together name one row; two for an elastic table."""
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
            UnknownNameError: there is none.
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
        label: in the language of the user who signs in, None when there is none.
        labels: (LCID, label) of every language that has one, such as ``(1033, "Active")``.
        state: for a status reason, the state that it belongs to.
    """

    value: int
    label: str | None
    labels: tuple[tuple[int, str], ...] = ()
    state: int | None = None


@dataclass(frozen=True)
class Choice:
    """The values that a choice, state, status, yes/no or multi-select column can have.

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
    """What is known of a table beyond what reading it takes.

    Attributes:
        table: logical name.
        display_name: singular, in the language of the user who signs in.
        columns: (logical name, display name) of the columns that have a display name.
        choices: of its columns, ordered by column.
        relationships: those in which it points at other tables, and its N:N relationships.
    """

    table: str
    display_name: str | None = None
    columns: tuple[tuple[str, str], ...] = ()
    choices: tuple[Choice, ...] = ()
    relationships: tuple[Relationship, ...] = ()
