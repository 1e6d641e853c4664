"""Unbound functions: WhoAmI, RetrieveVersion, RetrieveCurrentOrganization and the like."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dataverse_source.sandbox.addresses import Segment
from dataverse_source.sandbox.environment import Caller, Environment
from dataverse_source.sandbox.messages import DataverseFault, Request, Response
from dataverse_source.sandbox.odata import Array, Literal, bad_query, parse_operand
from dataverse_source.sandbox.options import read_options, split_top
from dataverse_source.sandbox.query import JSON, base_url

NAMES = frozenset(
    {"WhoAmI", "RetrieveVersion", "RetrieveCurrentOrganization", "RetrieveTotalRecordCount"}
)


def refuse_function(segments: list[Segment]) -> None:
    """Refuses a function or action of Dataverse that the sandbox does not have.

    Raises:
        DataverseFault: 501; a name that can be no function is let pass.
    """
    for segment in segments:
        bound = segment.name.startswith("Microsoft.Dynamics.CRM.")
        called = segment.inside is not None and ("=" in segment.inside or not segment.inside)
        if bound or (called and segment.name[:1].isupper()):
            name = segment.name.rpartition(".")[2]
            raise DataverseFault(501, "0x8006088a", f"The sandbox has no function {name}.")


def answer_function(
    environment: Environment, caller: Caller, request: Request, name: str, arguments: str
) -> Response:
    """Answers a function call; ``arguments`` is the text between the parentheses."""
    context = f"{base_url(request)}/$metadata#Microsoft.Dynamics.CRM.{name}Response"
    body = {"@odata.context": context}
    if name == "WhoAmI":
        body.update(_who_am_i(environment, caller))
    elif name == "RetrieveVersion":
        body["Version"] = environment.organization.version
    elif name == "RetrieveCurrentOrganization":
        body.update(_current_organization(environment, request))
    else:
        names = _arguments(request, arguments).get("EntityNames", [])
        body.update(_total_record_count(environment, names))
    headers = {"Content-Type": JSON, "OData-Version": "4.0"}
    return Response(200, json.dumps(body, ensure_ascii=False).encode(), headers)


def _arguments(request: Request, text: str) -> Mapping[str, Any]:
    """Values of a call's arguments; an alias stands for its text in the query string."""
    aliases = read_options(request.query).aliases
    values: dict[str, Any] = {}
    for part in filter(None, split_top(text, ",")):
        name, _, value = part.partition("=")
        shown = aliases.get(value.strip(), "null") if value.strip()[:1] == "@" else value
        node = parse_operand(shown, aliases)
        if isinstance(node, Array):
            values[name.strip()] = list(node.values)
        elif isinstance(node, Literal):
            values[name.strip()] = node.value
        else:
            raise bad_query(f"The value of the parameter '{name}' is not valid.")
    return values


def _who_am_i(environment: Environment, caller: Caller) -> dict[str, str]:
    organization = environment.organization
    return {
        "BusinessUnitId": organization.business_unit_id,
        "UserId": caller.user_id,
        "OrganizationId": organization.organization_id,
    }


def _current_organization(environment: Environment, request: Request) -> dict[str, Any]:
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


def _total_record_count(environment: Environment, names: list[str]) -> dict[str, Any]:
    """Rows by logical name, as they were at the last count."""
    for name in names:
        if name not in environment.schema.by_logical_name:
            raise bad_query(f"The entity with a name = '{name}' was not found in the "
                            "MetadataCache.")  # fmt: skip
    return {
        "EntityRecordCountCollection": {
            "Count": len(names),
            "IsReadOnly": False,
            "Keys": names,
            "Values": [environment.record_counts.count(environment.store, name) for name in names],
        }
    }
