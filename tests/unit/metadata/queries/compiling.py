"""Compiles queries against two small tables, without an environment."""

from __future__ import annotations

from typing import Any

from dataverse_source.config.checks import make_settings
from dataverse_source.errors import UnknownNameError, did_you_mean
from dataverse_source.metadata.model import Column, Table
from dataverse_source.metadata.queries.query import Query, compiled


def _columns(**types: str) -> tuple[Column, ...]:
    targets = {"LookupType": ("contact",), "OwnerType": ("systemuser", "team")}
    return tuple(
        Column(name, f"{kind}Type", targets=targets.get(f"{kind}Type", ()))
        for name, kind in types.items()
    )


TABLES = (
    Table(
        "account",
        "accounts",
        "accountid",
        columns=(
            *_columns(
                accountid="Uniqueidentifier",
                name="String",
                revenue="Money",
                rate="Decimal",
                latitude="Double",
                employees="Integer",
                statecode="State",
                createdon="DateTime",
                primarycontactid="Lookup",
                ownerid="Owner",
                entityimage="Image",
            ),
            Column("statecodename", "VirtualType", attribute_of="statecode"),
        ),
    ),
    Table(
        "contact",
        "contacts",
        "contactid",
        columns=_columns(
            contactid="Uniqueidentifier",
            fullname="String",
            parentcustomerid="Lookup",
            versionnumber="BigInt",
        ),
    ),
)


def find_table(name: str) -> Table:
    for table in TABLES:
        if name in (table.logical_name, table.entity_set_name):
            return table
    names = [table.logical_name for table in TABLES]
    raise UnknownNameError(f"no table {name}", remedy=did_you_mean(name, names) or None)


def query(text: str, **settings: Any) -> Query:
    """The query ``q`` of a text."""
    made = make_settings(
        environment_url="https://contoso.crm.dynamics.com",
        tables=["accounts"],
        queries={"q": {"fetchxml": text, **settings}},
    )
    return compiled(made.queries["q"], text, find_table)


def entity(inner: str, **attributes: str) -> str:
    """FetchXML of accounts."""
    given = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f'<fetch{given}><entity name="account">{inner}</entity></fetch>'


CONTACTS = (
    '<link-entity name="contact" from="parentcustomerid" to="accountid" alias="c"{kind}>'
    '<attribute name="fullname"/></link-entity>'
)
"""A link that can be many."""

PRIMARY = (
    '<link-entity name="contact" from="contactid" to="primarycontactid" alias="p"{kind}>'
    '<attribute name="fullname"/></link-entity>'
)
"""A link that leads to one row."""
