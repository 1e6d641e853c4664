"""Functions bound to a row: ``systemusers(<id>)/Microsoft.Dynamics.CRM.<function>(...)``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from dataverse_source.sandbox.environment.access_rules import require_read
from dataverse_source.sandbox.environment.environment import Caller, Environment
from dataverse_source.sandbox.environment.row_access import is_visible
from dataverse_source.sandbox.http.messages import DataverseFault, Request, Response
from dataverse_source.sandbox.query.collection.function_calls import (
    NAMESPACE,
    function_response,
    read_arguments,
    required,
)
from dataverse_source.sandbox.query.filter.keys import no_such_row, read_key
from dataverse_source.sandbox.query.syntax.addresses import Segment
from dataverse_source.sandbox.query.syntax.odata import bad_query
from dataverse_source.sandbox.schema.tables import Table
from dataverse_source.sandbox.store.layout import sql_table
from dataverse_source.sandbox.store.values import json_text

COMPLETED = 1
"""``statecode`` of an activity that is done."""

WRITE_RIGHTS = ("WriteAccess", "AppendAccess", "AppendToAccess", "CreateAccess", "DeleteAccess")
OWNER_RIGHTS = ("ShareAccess", "AssignAccess")
"""Members of the enumeration AccessRights besides ReadAccess, in the order that docs page
"Verify access in code" prints them; rows that have no owner can't be shared or assigned."""

_ROW = re.compile(r"(?:.*/)?(\w+)\((.+)\)")
Arguments = dict[str, Any]


def answer_bound(
    environment: Environment, caller: Caller, request: Request, segments: list[Segment]
) -> Response | None:
    """The answer to a function that is bound to a row, None for any other request.

    Raises:
        DataverseFault: no such row, a wrong argument, or the caller may not read the row.
    """
    if len(segments) != 2 or segments[0].inside is None or request.method != "GET":
        return None
    table = environment.schema.by_entity_set.get(segments[0].name)
    name = segments[1].name.removeprefix(NAMESPACE)
    function = _FUNCTIONS.get((table.logical_name, name)) if table is not None else None
    if table is None or function is None or name == segments[1].name:
        return None
    require_read(environment, caller, table)
    key = read_key(environment, table, segments[0].inside)
    _refuse_missing(environment, table, key)
    arguments = read_arguments(request, segments[1].inside or "")
    return function_response(request, name, function(environment, caller, key, arguments))


def referred_row(environment: Environment, caller: Caller, value: Any) -> tuple[Table, str]:
    """Table and key of the row that ``{'@odata.id': 'accounts(<id>)'}`` refers to.

    Raises:
        DataverseFault: it is no such reference, or the table may not be read. Whether the row
            is there is not looked up.
    """
    match = _ROW.fullmatch(str(value.get("@odata.id"))) if isinstance(value, dict) else None
    table = environment.schema.by_entity_set.get(match[1]) if match else None
    if match is None or table is None:
        raise bad_query("The parameter 'Target' needs the @odata.id of a row.")
    require_read(environment, caller, table)
    return table, read_key(environment, table, match[2])


def _refuse_missing(environment: Environment, table: Table, key: str) -> None:
    if environment.store.row(table.logical_name, key) is None:
        raise no_such_row(table, key)


def _access_of_user(
    environment: Environment, caller: Caller, key: str, arguments: Arguments
) -> dict[str, Any]:
    """RetrievePrincipalAccess: what a user may do with a row."""
    table, target = referred_row(environment, caller, required(arguments, "Target"))
    _refuse_missing(environment, table, target)
    user = environment.users.rights_of(key)
    asked = Caller(key, user.client_id, **user.as_options())
    sees = is_visible(environment, asked, table, target)
    rights = ["ReadAccess"] if user.may_read(table.logical_name) and sees else []
    if user.may_write:
        rights += [*WRITE_RIGHTS, *(OWNER_RIGHTS if table.ownership == "UserOwned" else ())]
    return {"AccessRights": ", ".join(rights) or "None"}


def _access_of_team(
    _environment: Environment, _caller: Caller, _key: str, _arguments: Arguments
) -> dict[str, Any]:
    raise DataverseFault(501, "0x8006088a", "The sandbox gives no security roles to teams yet.")


def _total_time(
    environment: Environment, _caller: Caller, key: str, _arguments: Arguments
) -> dict[str, Any]:
    """CalculateTotalTimeIncident: minutes of the case's completed activities.

    Those that were billed are left out (CalculateTotalTimeIncidentResponse.TotalTime).
    """
    if "activitypointer" not in environment.schema.by_logical_name:
        raise DataverseFault(501, "0x8006088a", "The sandbox's schema has no activities.")
    with environment.store.reading() as connection:
        (minutes,) = connection.execute(
            "SELECT coalesce(sum(CAST(actualdurationminutes AS INTEGER)), 0) "  # noqa: S608
            f"FROM {sql_table('activitypointer')} WHERE regardingobjectid = ? "
            "AND CAST(statecode AS INTEGER) = ? AND coalesce(isbilled, 'false') <> 'true'",
            (json_text(key), COMPLETED),
        ).fetchone()
    return {"TotalTime": int(minutes)}


_FUNCTIONS: dict[
    tuple[str, str], Callable[[Environment, Caller, str, Arguments], dict[str, Any]]
] = {
    ("systemuser", "RetrievePrincipalAccess"): _access_of_user,
    ("team", "RetrievePrincipalAccess"): _access_of_team,
    ("incident", "CalculateTotalTimeIncident"): _total_time,
}
