"""The rows that every organization has: itself, its unit, currency, team, users, messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dataverse_source.sandbox.environment.environment import Organization
from dataverse_source.sandbox.store.seed_values import EARLIEST_VALUE
from dataverse_source.sandbox.store.time_zones import UTC_CODE

if TYPE_CHECKING:
    from dataverse_source.sandbox.schema.tables import Table
    from dataverse_source.sandbox.store.store import Store

CURRENCY_ID = "228f42f8-e646-e111-8eb7-78e7d162ced1"
TEAM_ID = "39e0dbe4-131b-e111-ba7e-78e7d1620f5e"

FISCAL_START_COLUMN = "fiscalcalendarstart"

BULK_MESSAGES = ("CreateMultiple", "UpdateMultiple", "UpsertMultiple")

SEEDED_FIRST = ("businessunit", "transactioncurrency", "systemuser", "team")
"""Tables that nearly all others point at."""


def fill(
    store: Store,
    organization: Organization,
    user_id: str,
    counts: Mapping[str, int],
    seed: int,
) -> None:
    """Makes an organization's own rows, then made-up ones until the counts are reached.

    Args:
        store: where to.
        organization: ids and names.
        user_id: systemuserid of the application user.
        counts: rows by logical name, an organization's own included.
        seed: the same one gives the same rows.
    """
    first = [name for name in SEEDED_FIRST if name in counts]
    with store.transaction():
        for logical_name, values in _own_rows(organization, user_id):
            table = store.schema.by_logical_name.get(logical_name)
            if table is not None and not table.is_logical_entity:
                _create(store, logical_name, values)
        for logical_name in [*first, *(name for name in counts if name not in first)]:
            store.seed(logical_name, counts[logical_name] - store.count(logical_name), seed)
        _fill_messages(store, organization, user_id)


def _fill_messages(store: Store, organization: Organization, user_id: str) -> None:
    """The bulk operation messages, and which tables support them.

    Clients ask for these rows before they use a message, as docs page "Use bulk operation
    messages" shows.
    """
    if not {"sdkmessage", "sdkmessagefilter"} <= set(store.schema.by_logical_name):
        return
    own = {
        "createdby": user_id,
        "modifiedby": user_id,
        "organizationid": organization.organization_id,
    }
    for name in BULK_MESSAGES:
        message = _create(store, "sdkmessage", {**own, "name": name})
        for table in filter(_takes_bulk_messages, store.schema.tables):
            supported = {"primaryobjecttypecode": table.logical_name, "sdkmessageid": message}
            _create(store, "sdkmessagefilter", {**own, **supported})


def _takes_bulk_messages(table: Table) -> bool:
    has_rows = table.entity_set_name is not None and table.ownership != "None"
    return has_rows and table.table_type == "Standard"


def _create(store: Store, logical_name: str, values: Mapping[str, Any]) -> str:
    """Makes a row of the values that the table has columns for."""
    known = store.schema.by_logical_name[logical_name].by_name
    values = {name: value for name, value in values.items() if name in known}
    return store.create(logical_name, values, created_on=EARLIEST_VALUE)


def _own_rows(organization: Organization, user_id: str) -> list[tuple[str, dict[str, Any]]]:
    unit = organization.business_unit_id
    own: dict[str, Any] = {
        "createdby": user_id,
        "modifiedby": user_id,
        "organizationid": organization.organization_id,
        "businessunitid": unit,
        "transactioncurrencyid": CURRENCY_ID,
        "exchangerate": 1,
    }
    return [
        ("organization", {**own, **_organization(organization)}),
        ("businessunit", {**own, "name": organization.friendly_name, "isdisabled": False}),
        ("transactioncurrency", {**own, **_CURRENCY}),
        ("systemuser", {**own, "systemuserid": user_id, **_USER}),
        ("usersettings", {**own, "systemuserid": user_id, **_USER_SETTINGS}),
        (
            "team",
            {
                **own,
                "teamid": TEAM_ID,
                "name": organization.friendly_name,
                "isdefault": True,
                "teamtype": 0,
                "administratorid": user_id,
            },
        ),
        ("savedquery", {**own, **_ACTIVE_ACCOUNTS}),
    ]


def _organization(organization: Organization) -> dict[str, Any]:
    return {
        "name": organization.unique_name,
        "initialversion": organization.version,
        "schemanameprefix": "new",
        "basecurrencyid": CURRENCY_ID,
        "basecurrencysymbol": "$",
        "basecurrencyprecision": 2,
        "pricingdecimalprecision": 2,
        "currencydecimalprecision": 2,
        # Docs page "Use change tracking to synchronize data with external systems".
        "expirechangetrackingindays": 7,
        "expiresubscriptionsindays": 90,
        "languagecode": 1033,
        "localeid": 1033,
        "isdisabled": False,
        "isauditenabled": False,
        FISCAL_START_COLUMN: "2024-01-01T00:00:00Z",
    }


# Key, name and columns of a view on docs page "Web API Query Data Sample".
_ACTIVE_ACCOUNTS: dict[str, Any] = {
    "savedqueryid": "00000000-0000-0000-00aa-000010001002",
    "name": "Active Accounts",
    "returnedtypecode": "account",
    "querytype": 0,
    "isdefault": True,
    "fetchxml": (
        "<fetch><entity name='account'><attribute name='name'/>"
        "<attribute name='primarycontactid'/><filter>"
        "<condition attribute='statecode' operator='eq' value='0'/></filter>"
        "<order attribute='name'/></entity></fetch>"
    ),
}
_CURRENCY: dict[str, Any] = {
    "currencyname": "US Dollar",
    "currencysymbol": "$",
    "isocurrencycode": "USD",
    "currencyprecision": 2,
}
_USER_SETTINGS: dict[str, Any] = {
    "timezonecode": UTC_CODE,
    "timezonebias": 0,
    "localeid": 1033,
    "uilanguageid": 1033,
    "helplanguageid": 1033,
}
_USER: dict[str, Any] = {
    "fullname": "# Sandbox",
    "firstname": "#",
    "lastname": "Sandbox",
    "domainname": "sandbox@contoso.example",
    "internalemailaddress": "sandbox@contoso.example",
    "isdisabled": False,
    "accessmode": 4,
}
