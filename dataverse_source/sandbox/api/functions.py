"""Unbound functions: WhoAmI, RetrieveVersion, RetrieveCurrentOrganization and the like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dataverse_source.sandbox.environment.environment import Caller, Environment
from dataverse_source.sandbox.http.messages import DataverseFault, Request, Response
from dataverse_source.sandbox.query.collection.function_calls import (
    function_response,
    read_arguments,
    required,
)
from dataverse_source.sandbox.query.syntax.odata import bad_query
from dataverse_source.sandbox.schema.tables import Table
from dataverse_source.sandbox.store.time_zones import BY_NAME

Arguments = Mapping[str, Any]
Body = dict[str, Any]


def answer_function(
    environment: Environment, caller: Caller, request: Request, name: str, inside: str
) -> Response:
    """Answers a call of a function.

    Args:
        environment: the environment.
        caller: who asks.
        request: the request.
        name: the function, one of ``NAMES``.
        inside: the text between the parentheses.

    Raises:
        DataverseFault: an argument is missing or wrong.
    """
    arguments = read_arguments(request, inside)
    body = _FUNCTIONS[name](environment, caller, request, arguments)
    return function_response(request, name, body)


def _who_am_i(environment: Environment, caller: Caller, _request: Request, _: Arguments) -> Body:
    organization = environment.organization
    known = "systemuser" in environment.schema.by_logical_name
    user = environment.store.row("systemuser", caller.user_id) if known else None
    unit = user.get("businessunitid") if user else None
    return {
        "BusinessUnitId": unit or organization.business_unit_id,
        "UserId": caller.user_id,
        "OrganizationId": organization.organization_id,
    }


def _version(environment: Environment, _caller: Caller, _request: Request, _: Arguments) -> Body:
    return {"Version": environment.organization.version}


def _current_organization(
    environment: Environment, _caller: Caller, request: Request, _: Arguments
) -> Body:
    organization, url = environment.organization, request.base_url
    endpoints = {
        "WebApplication": f"{url}/",
        "OrganizationService": f"{url}/XRMServices/2011/Organization.svc",
        "OrganizationDataService": f"{url}/XRMServices/2011/OrganizationData.svc",
    }
    return {
        "Detail": {
            "OrganizationId": organization.organization_id,
            "FriendlyName": organization.friendly_name,
            "OrganizationVersion": organization.version,
            "EnvironmentId": organization.environment_id,
            "Geo": organization.geo,
            "TenantId": organization.tenant_id,
            "UniqueName": organization.unique_name,
            "UrlName": organization.url_name,
            "State": "Enabled",
            "Endpoints": {
                "Count": len(endpoints),
                "IsReadOnly": False,
                "Keys": list(endpoints),
                "Values": list(endpoints.values()),
            },
        }
    }


def _total_record_count(
    environment: Environment, _caller: Caller, _request: Request, arguments: Arguments
) -> Body:
    """Rows by logical name, as they were at the last count."""
    names = arguments.get("EntityNames") or []
    for name in names:
        if name not in environment.schema.by_logical_name:
            message = f"The entity with a name = '{name}' was not found in the MetadataCache."
            raise DataverseFault(400, "0x80040203", message)
    counts = environment.record_counts
    if environment.switches.total_record_count == "zero":
        values = [0 for _ in names]
    else:
        values = [counts.count(environment.store, name) for name in names]
    return {
        "EntityRecordCountCollection": {
            "Count": len(names),
            "IsReadOnly": False,
            "Keys": names,
            "Values": values,
        }
    }


def _time_zone_code(
    _environment: Environment, _caller: Caller, _request: Request, arguments: Arguments
) -> Body:
    """The code of a time zone by its standard name, which the sandbox knows in English."""
    name, locale = required(arguments, "LocalizedStandardName"), required(arguments, "LocaleId")
    zone = BY_NAME.get(str(name))
    if zone is None or locale != ENGLISH:
        raise bad_query(f"There is no time zone '{name}' in the language {locale}.")
    return {"TimeZoneCode": zone.code}


def _available_languages(
    _environment: Environment, _caller: Caller, _request: Request, _: Arguments
) -> Body:
    return {"LocaleIds": [ENGLISH]}


def _provisioned_languages(
    _environment: Environment, _caller: Caller, _request: Request, _: Arguments
) -> Body:
    return {"RetrieveProvisionedLanguages": [ENGLISH]}


def _installed_language_packs(
    _environment: Environment, _caller: Caller, _request: Request, _: Arguments
) -> Body:
    return {"RetrieveInstalledLanguagePacks": [ENGLISH]}


def _valid_many_to_many(
    environment: Environment, _caller: Caller, _request: Request, _: Arguments
) -> Body:
    """Tables that can take part in N:N relationships."""
    names = [table.logical_name for table in environment.schema.tables if _can_be_related(table)]
    return {"EntityNames": sorted(names)}


def _valid_referenced(
    environment: Environment, _caller: Caller, _request: Request, arguments: Arguments
) -> Body:
    """Tables that a table can have a lookup to."""
    return _valid_ends(environment, arguments, "ReferencingEntityName")


def _valid_referencing(
    environment: Environment, _caller: Caller, _request: Request, arguments: Arguments
) -> Body:
    """Tables that can have a lookup to a table."""
    return _valid_ends(environment, arguments, "ReferencedEntityName")


def _valid_ends(environment: Environment, arguments: Arguments, name: str) -> Body:
    given = arguments.get(name)
    if given is not None and given not in environment.schema.by_logical_name:
        message = f"The entity with a name = '{given}' was not found in the MetadataCache."
        raise DataverseFault(400, "0x80040203", message)
    names = [table.logical_name for table in environment.schema.tables if _can_be_related(table)]
    return {"EntityNames": sorted(names)}


def _can_be_related(table: Table) -> bool:
    return not (table.is_intersect or table.is_logical_entity or table.is_private)


def _organization_info(
    _environment: Environment, _caller: Caller, _request: Request, _: Arguments
) -> Body:
    return {"organizationInfo": {"InstanceType": "Customer", "Solutions": []}}


ENGLISH = 1033
_FUNCTIONS: dict[str, Callable[[Environment, Caller, Request, Arguments], Body]] = {
    "WhoAmI": _who_am_i,
    "RetrieveVersion": _version,
    "RetrieveCurrentOrganization": _current_organization,
    "RetrieveTotalRecordCount": _total_record_count,
    "GetTimeZoneCodeByLocalizedName": _time_zone_code,
    "RetrieveAvailableLanguages": _available_languages,
    "RetrieveProvisionedLanguages": _provisioned_languages,
    "RetrieveInstalledLanguagePacks": _installed_language_packs,
    "GetValidManyToMany": _valid_many_to_many,
    "GetValidReferencedEntities": _valid_referenced,
    "GetValidReferencingEntities": _valid_referencing,
    "RetrieveOrganizationInfo": _organization_info,
}
NAMES = frozenset(_FUNCTIONS)
