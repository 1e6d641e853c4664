"""Tables, columns, choices and relationships as the sandbox knows them: immutable dataclasses.

The names follow Dataverse's own metadata (EntityMetadata, AttributeMetadata and their
relatives), see docs page "Query schema definitions".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

LOOKUP_TYPES = frozenset({"Lookup", "Customer", "Owner"})
"""Column types that are returned as ``_<name>_value`` and hold a row's GUID."""

CHOICE_TYPES = frozenset({"Picklist", "State", "Status"})
"""Column types that are returned as one integer."""


@dataclass(frozen=True)
class Option:
    """One value of a choice, with its label by language (1033 is English)."""

    value: int
    label: str
    state: int | None = None
    """For a status reason: the state that it belongs to."""


@dataclass(frozen=True)
class Column:
    """One column of a table (AttributeMetadata).

    Attributes:
        name: logical name, lower case.
        type: ``AttributeTypeName`` without the ending "Type": BigInt, Boolean, CalendarRules,
            Customer, DateTime, Decimal, Double, EntityName, File, Image, Integer, Lookup,
            ManagedProperty, Memo, Money, MultiSelectPicklist, Owner, PartyList, Picklist,
            State, Status, String, Uniqueidentifier or Virtual.
        attribute_of: the column that this one accompanies (``statecodename`` of ``statecode``),
            None for a column in its own right.
        date_behavior: UserLocal, DateOnly or TimeZoneIndependent, for DateTime.
        precision: digits after the point, for Decimal, Double and Money.
        precision_source: where Money takes its precision from: 0 own, 1 organization, 2 currency.
        targets: logical names of the tables that a lookup may point at.
        option_set: name of the global choice, None when the choice is the column's own.
        source_type: 0 simple, 1 calculated, 2 rollup, 3 formula; None where it does not apply.
        is_logical: stored in another table (address parts).
        is_valid_odata: rows carry it over the Web API; false for most companions.
        calculation_of: for the base-currency twin of a Money column, the column it repeats.
        max_size_kb: for File and Image.
        is_custom: added by a maker or an app, not part of the platform.
        made: number among the columns added to its table, 0 for one from the start. One
            that takes the name of a deleted one is another, with a MetadataId of its own.
    """

    name: str
    type: str
    schema_name: str = ""
    display_name: str = ""
    max_length: int | None = None
    min_value: float | None = None
    max_value: float | None = None
    precision: int | None = None
    precision_source: int | None = None
    format: str | None = None
    date_behavior: str | None = None
    targets: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    option_set: str | None = None
    attribute_of: str | None = None
    readable: bool = True
    writable: bool = True
    is_logical: bool = False
    is_primary_id: bool = False
    is_primary_name: bool = False
    is_valid_odata: bool = True
    source_type: int | None = 0
    required: str = "None"
    secured: bool = False
    calculation_of: str | None = None
    max_size_kb: int | None = None
    is_custom: bool = False
    made: int = 0

    @property
    def wire_name(self) -> str:
        """The property's name in a JSON row: ``_<name>_value`` for lookups."""
        return f"_{self.name}_value" if self.type in LOOKUP_TYPES else self.name


@dataclass(frozen=True)
class OneToMany:
    """A 1:N relationship: many ``referencing`` rows point at one ``referenced`` row.

    ``referencing_navigation`` is the single-valued navigation property on the referencing
    table (``parentcustomerid_account``), ``referenced_navigation`` the collection on the
    other side (``contact_customer_accounts``). Both are case-sensitive.
    """

    schema_name: str
    referenced: str
    referenced_attribute: str
    referencing: str
    referencing_attribute: str
    referencing_navigation: str
    referenced_navigation: str
    cascade_delete: str = "RemoveLink"


@dataclass(frozen=True)
class ManyToMany:
    """An N:N relationship with its intersect table."""

    schema_name: str
    table1: str
    table2: str
    intersect: str
    intersect_attribute1: str
    intersect_attribute2: str
    navigation1: str
    navigation2: str


@dataclass(frozen=True)
class AlternateKey:
    """An alternate key: columns that together name one row."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """One table (EntityMetadata). ``entity_set_name`` None means it can't be queried."""

    logical_name: str
    schema_name: str
    entity_set_name: str | None
    primary_id: str
    primary_name: str | None
    object_type_code: int
    columns: tuple[Column, ...]
    display_name: str = ""
    ownership: str = "UserOwned"
    table_type: str = "Standard"
    data_provider_id: str | None = None
    change_tracking: bool = True
    can_change_tracking: bool = True
    is_activity: bool = False
    is_intersect: bool = False
    is_private: bool = False
    optimistic_concurrency: bool = True
    keys: tuple[AlternateKey, ...] = field(default=())
    collection_name: str = ""
    """The display name in the plural."""
    is_custom: bool = False
    is_logical_entity: bool = False
    """Has no storage of its own (owner)."""
    columns_made: int = field(default=0, compare=False)
    """How many columns have been added to it since."""

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """Columns by logical name."""
        return {column.name: column for column in self.columns}

    @cached_property
    def by_wire_name(self) -> dict[str, Column]:
        """Columns by their name in a JSON row, without those that rows never carry."""
        return {
            column.wire_name: column
            for column in self.columns
            if column.readable and column.is_valid_odata
        }


@dataclass(frozen=True)
class Schema:
    """Everything an environment's metadata says at one moment."""

    tables: tuple[Table, ...]
    one_to_many: tuple[OneToMany, ...] = ()
    many_to_many: tuple[ManyToMany, ...] = ()
    global_choices: dict[str, tuple[Option, ...]] = field(default_factory=dict)

    @cached_property
    def by_logical_name(self) -> dict[str, Table]:
        """Tables by logical name."""
        return {table.logical_name: table for table in self.tables}

    @cached_property
    def by_entity_set(self) -> dict[str, Table]:
        """Tables by entity set name; those that can't be queried are absent."""
        return {table.entity_set_name: table for table in self.tables if table.entity_set_name}
