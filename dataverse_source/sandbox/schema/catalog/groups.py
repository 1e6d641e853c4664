"""Columns that many tables share, and how a table is put together from its parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dataverse_source.sandbox.schema.catalog.columns import (
    EXCHANGE_RATE_PRECISION,
    EXCHANGE_RATE_RANGE,
    Link,
    Part,
    any_of,
    big,
    choice,
    decimal,
    float_,
    guid,
    lookup,
    memo,
    moment,
    readable_name,
    text,
    whole,
)
from dataverse_source.sandbox.schema.tables import OneToMany, Table

Parts = Iterable[Part | Sequence[Part]]


@dataclass(frozen=True)
class Draft:
    """A table with the 1:N relationships that its lookups state."""

    table: Table
    links: tuple[Link, ...]

    def relationships(self, known: frozenset[str]) -> Iterable[OneToMany]:
        """The relationships whose other table is ``known``."""
        for link in self.links:
            if link.referenced in known:
                yield OneToMany(
                    schema_name=link.relationship,
                    referenced=link.referenced,
                    referenced_attribute=_key_of(link.referenced),
                    referencing=self.table.logical_name,
                    referencing_attribute=link.attribute,
                    referencing_navigation=link.navigation,
                    referenced_navigation=link.collection,
                    cascade_delete=link.cascade_delete,
                )


def _key_of(logical_name: str) -> str:
    """The primary key of a table; all activities share one."""
    return "activityid" if logical_name in ACTIVITIES else f"{logical_name}id"


ACTIVITIES = frozenset({"activitypointer", "appointment", "email", "phonecall", "task"})


def table(
    schema_name: str,
    entity_set_name: str | None,
    object_type_code: int,
    *parts: Part | Sequence[Part],
    primary_name: str | None = "name",
    display_name: str = "",
    collection_name: str = "",
    **more: Any,
) -> Draft:
    """A table of these parts; the key is the column that says so."""
    flat = [p for part in parts for p in ([part] if isinstance(part, Part) else part)]
    columns = [column for part in flat for column in part.columns]
    columns = [
        replace(column, is_primary_name=True) if column.name == primary_name else column
        for column in columns
    ]
    shown = display_name or readable_name(schema_name)
    made = Table(
        logical_name=schema_name.lower(),
        schema_name=schema_name,
        entity_set_name=entity_set_name,
        primary_id=next(column.name for column in columns if column.is_primary_id),
        primary_name=primary_name,
        object_type_code=object_type_code,
        columns=tuple(columns),
        display_name=shown,
        collection_name=collection_name or f"{shown}s",
        **more,
    )
    return Draft(made, tuple(link for part in flat for link in part.links))


def created_and_modified(prefix: str) -> tuple[Part, ...]:
    """Who created and changed a row, and when. ``prefix`` begins the relationships' names."""
    users = (
        ("CreatedBy", "createdby"),
        ("CreatedOnBehalfBy", "createdonbehalfby"),
        ("ModifiedBy", "modifiedby"),
        ("ModifiedOnBehalfBy", "modifiedonbehalfby"),
    )
    who = tuple(
        lookup(name, "systemuser", f"lk_{prefix}_{ending}", yomi=True, cascade="NoCascade").with_(
            writable=False
        )
        for name, ending in users
    )
    when = tuple(moment(name).with_(writable=False) for name in ("CreatedOn", "ModifiedOn"))
    return (*who, *when, big("VersionNumber").with_(writable=False))


def imported() -> tuple[Part, ...]:
    """What an import and the time zone machinery leave on a row."""
    return (
        moment("OverriddenCreatedOn", format_="DateOnly", display_name="Record Created On"),
        whole("ImportSequenceNumber"),
        whole("TimeZoneRuleVersionNumber", -1.0),
        whole("UTCConversionTimeZoneCode", -1.0),
    )


def owned(plural: str) -> tuple[Part, ...]:
    """Who owns a row: a user or a team, and that owner's business unit."""
    owner = any_of(
        "OwnerId",
        {"systemuser": "", "team": ""},
        type_="Owner",
        required="SystemRequired",
        source_type=None,
    )
    link = Link(f"owner_{plural}", "ownerid", "owner", "ownerid", f"owner_{plural}", "NoCascade")
    return (
        Part(owner.columns, (link,)),
        lookup("OwningBusinessUnit", "businessunit", f"business_unit_{plural}").with_(
            writable=False
        ),
        lookup("OwningTeam", "team", f"team_{plural}").with_(writable=False),
        lookup("OwningUser", "systemuser", f"user_{plural}").with_(writable=False),
    )


def in_currency(relationship: str) -> tuple[Part, ...]:
    """The row's currency and its exchange rate to the base currency."""
    rate = decimal("ExchangeRate", EXCHANGE_RATE_PRECISION, EXCHANGE_RATE_RANGE, writable=False)
    return (lookup("TransactionCurrencyId", "transactioncurrency", relationship), rate)


def in_process() -> tuple[Part, ...]:
    """The business process that a row goes through."""
    return (
        guid("ProcessId"),
        guid("StageId"),
        text("TraversedPath", 1250),
    )


ADDRESS_TYPES = "1=Bill To;2=Ship To;3=Primary;4=Other"
FREIGHT_TERMS = "1=FOB;2=No Charge"
SHIPPING_METHODS = "1=Airborne;2=DHL;3=FedEx;4=UPS;5=Postal Mail;6=Full Load;7=Will Call"
LATITUDE_RANGE = (-90.0, 90.0)
LONGITUDE_RANGE = (-180.0, 180.0)
# Minutes east and west of UTC, as address metadata gives them.
OFFSET_RANGE = (-1500.0, 1500.0)


def address(
    number: int,
    types: str = "1=Default Value",
    freight: str = "1=Default Value",
    shipping: str = "1=Default Value",
) -> tuple[Part, ...]:
    """One of the addresses that are stored in the table customeraddress."""
    at = f"Address{number}_"
    return tuple(
        part.logical()
        for part in (
            guid(f"{at}AddressId"),
            choice(f"{at}AddressTypeCode", types),
            text(f"{at}City", 80),
            memo(f"{at}Composite", 1000, f"Address {number}", writable=False),
            text(f"{at}Country", 80, f"Address {number}: Country/Region"),
            text(f"{at}County", 50),
            text(f"{at}Fax", 50),
            choice(f"{at}FreightTermsCode", freight),
            float_(f"{at}Latitude", 5, LATITUDE_RANGE),
            text(f"{at}Line1", 250, f"Address {number}: Street 1"),
            text(f"{at}Line2", 250, f"Address {number}: Street 2"),
            text(f"{at}Line3", 250, f"Address {number}: Street 3"),
            float_(f"{at}Longitude", 5, LONGITUDE_RANGE),
            text(f"{at}Name", 200),
            text(f"{at}PostalCode", 20, f"Address {number}: ZIP/Postal Code"),
            text(f"{at}PostOfficeBox", 20),
            text(f"{at}PrimaryContactName", 100),
            choice(f"{at}ShippingMethodCode", shipping),
            text(f"{at}StateOrProvince", 50, f"Address {number}: State/Province"),
            text(f"{at}Telephone1", 50, f"Address {number}: Telephone 1"),
            text(f"{at}Telephone2", 50, f"Address {number}: Telephone 2"),
            text(f"{at}Telephone3", 50, f"Address {number}: Telephone 3"),
            text(f"{at}UPSZone", 4, f"Address {number}: UPS Zone"),
            whole(f"{at}UTCOffset", *OFFSET_RANGE, "TimeZone"),
        )
    )
