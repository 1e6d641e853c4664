"""The types that metadata items have: their members, enumerations and navigation properties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.metadata.choice_definitions import column_choice
from dataverse_source.sandbox.metadata.column_definitions import (
    COLUMN_MEMBERS,
    OWN_MEMBERS,
    SIMPLE,
    WITH_OPTION_SET,
)
from dataverse_source.sandbox.metadata.relationship_definitions import (
    KEY,
    MANY_TO_MANY,
    ONE_TO_MANY,
    alternate_key,
    many_to_many,
    one_to_many,
)
from dataverse_source.sandbox.metadata.table_definitions import table_members
from dataverse_source.sandbox.schema.tables import (
    AlternateKey,
    Column,
    ManyToMany,
    OneToMany,
    Schema,
    Table,
)

NAMESPACE = "Microsoft.Dynamics.CRM"
TABLE = "EntityMetadata"
CHOICE = "OptionSetMetadata"
BOOLEAN_CHOICE = "BooleanOptionSetMetadata"
CHOICE_BASE = "OptionSetMetadataBase"
RELATIONSHIP = "RelationshipMetadataBase"


@dataclass(frozen=True)
class Navigation:
    """A navigation property: the type that it leads to, and whether to many items."""

    kind: str
    many: bool = True


@dataclass(frozen=True)
class Kind:
    """One metadata type.

    Attributes:
        name: without the namespace.
        members: names of its properties, those of the base type included.
        navigation: its navigation properties by name.
        base: the type that it derives from, None for none.
        enums: members that are enumerations, with the enumeration's type name.
    """

    name: str
    members: frozenset[str]
    navigation: Mapping[str, Navigation] = field(default_factory=dict)
    base: str | None = None
    enums: Mapping[str, str] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        """The name as error messages and ``@odata.type`` print it."""
        return f"{NAMESPACE}.{self.name}"


_COLUMN_ENUMS = {
    "AttributeType": "AttributeTypeCode",
    "RequiredLevel": "AttributeRequiredLevel",
    "ImeMode": "ImeMode",
}
_RELATIONSHIP_ENUMS = {
    "RelationshipType": "RelationshipType",
    "SecurityTypes": "SecurityTypes",
}
ENUMERATIONS: Mapping[str, frozenset[str]] = {
    name: frozenset(members.split())
    for name, members in {
        "AttributeTypeCode": (
            "BigInt Boolean CalendarRules Customer DateTime Decimal Double EntityName Integer "
            "Lookup ManagedProperty Memo Money Owner PartyList Picklist State Status String "
            "Uniqueidentifier Virtual"
        ),
        "AttributeRequiredLevel": "None SystemRequired ApplicationRequired Recommended",
        "ImeMode": "Auto Inactive Active Disabled",
        "RelationshipType": "Default OneToManyRelationship ManyToManyRelationship",
        "SecurityTypes": "None Append ParentChild Pointer Inheritance",
        "OwnershipTypes": (
            "None UserOwned TeamOwned BusinessOwned OrganizationOwned BusinessParented"
        ),
        "OptionSetType": "Picklist State Status Boolean",
    }.items()
}
"""Members of the enumerations (Web API reference, enumeration types)."""


def _column_kinds() -> list[Kind]:
    shared = frozenset(COLUMN_MEMBERS)
    kinds = [Kind(SIMPLE, shared, enums=_COLUMN_ENUMS)]
    for name, own in OWN_MEMBERS.items():
        sets = {
            "OptionSet": Navigation(
                BOOLEAN_CHOICE if name == "BooleanAttributeMetadata" else CHOICE, many=False
            ),
            "GlobalOptionSet": Navigation(
                BOOLEAN_CHOICE if name == "BooleanAttributeMetadata" else CHOICE, many=False
            ),
        }
        navigation = sets if name in WITH_OPTION_SET else {}
        kinds.append(Kind(name, shared | frozenset(own), navigation, SIMPLE, _COLUMN_ENUMS))
    return kinds


def _kinds() -> dict[str, Kind]:
    table = Table("", "", None, "", None, 0, ())
    link = OneToMany("", "", "", "", "", "", "")
    links = ManyToMany("", "", "", "", "", "", "", "")
    yes_no, pick = Column("", "Boolean"), Column("", "Picklist")
    empty = Schema(())
    one, many = frozenset(one_to_many(link).members), frozenset(many_to_many(links).members)
    boolean = frozenset(column_choice(empty, table, yes_no).members)
    choice = frozenset(column_choice(empty, table, pick).members)
    to_tables = {
        "Attributes": Navigation(SIMPLE),
        "Keys": Navigation(KEY),
        "OneToManyRelationships": Navigation(ONE_TO_MANY),
        "ManyToOneRelationships": Navigation(ONE_TO_MANY),
        "ManyToManyRelationships": Navigation(MANY_TO_MANY),
    }
    kinds = [
        Kind(
            TABLE,
            frozenset(table_members(table)),
            to_tables,
            enums={"OwnershipType": "OwnershipTypes"},
        ),
        *_column_kinds(),
        Kind(KEY, frozenset(alternate_key(table, AlternateKey("", ())).members)),
        Kind(RELATIONSHIP, one & many, enums=_RELATIONSHIP_ENUMS),
        Kind(ONE_TO_MANY, one, base=RELATIONSHIP, enums=_RELATIONSHIP_ENUMS),
        Kind(MANY_TO_MANY, many, base=RELATIONSHIP, enums=_RELATIONSHIP_ENUMS),
        Kind(CHOICE_BASE, boolean & choice, enums={"OptionSetType": "OptionSetType"}),
        Kind(CHOICE, choice, base=CHOICE_BASE, enums={"OptionSetType": "OptionSetType"}),
        Kind(BOOLEAN_CHOICE, boolean, base=CHOICE_BASE, enums={"OptionSetType": "OptionSetType"}),
    ]
    return {kind.name: kind for kind in kinds}


KINDS: Mapping[str, Kind] = _kinds()


def cast(base: Kind, segment: str) -> Kind:
    """The type that a path segment such as ``Microsoft.Dynamics.CRM.MemoAttributeMetadata`` names.

    Raises:
        DataverseFault: 400 when it is no type derived from ``base``; 500 for the abstract type of
            choices, as Dataverse answers.
    """
    if segment == f"{NAMESPACE}.EnumAttributeMetadata":
        raise DataverseFault(500, "0x8006088a", "Unexpected attribute type")
    kind = KINDS.get(segment.removeprefix(f"{NAMESPACE}."))
    if kind is None or (kind.base != base.name and kind.name != base.name):
        message = (
            f"The type '{segment}' specified in the URI is neither a base type nor a "
            f"sub-type of the previously-specified type '{base.full_name}'."
        )
        raise DataverseFault(400, "0x80060888", message)
    return kind


def check_member(kind: Kind, name: str) -> None:
    """Refuses a name that is no property of the type.

    Raises:
        DataverseFault: 400, as Dataverse answers an unknown property.
    """
    if name not in kind.members and name not in kind.navigation:
        message = f"Could not find a property named '{name}' on type '{kind.full_name}'."
        raise DataverseFault(400, "0x80060888", message)
