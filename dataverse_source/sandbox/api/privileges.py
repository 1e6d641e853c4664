"""``RetrieveUserPrivileges``: the privileges of the calling application user.

Docs: "RetrieveUserPrivileges Function", "RolePrivilege ComplexType". The sandbox knows the roles
of application users only, so it answers for the caller, not for the other users in its rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dataverse_source.sandbox.environment.access_rules import require_read
from dataverse_source.sandbox.environment.environment import Caller, Environment
from dataverse_source.sandbox.environment.row_access import read_depth
from dataverse_source.sandbox.http.messages import DataverseFault, Request, Response
from dataverse_source.sandbox.metadata.shapes import NO_ID
from dataverse_source.sandbox.metadata.table_definitions import table_members
from dataverse_source.sandbox.query.collection.query import base_url
from dataverse_source.sandbox.query.syntax.addresses import Segment

DEPTH_NAMES = {
    "user": "Basic",
    "business_unit": "Local",
    "parent_child": "Deep",
    "organization": "Global",
}
"""Members of the enumeration PrivilegeDepth."""
FUNCTION = "Microsoft.Dynamics.CRM.RetrieveUserPrivileges"
USERS = "systemuser"


def answer_privileges(
    environment: Environment, caller: Caller, request: Request, segments: list[Segment]
) -> Response | None:
    """The answer, None when the path asks for something else.

    Raises:
        DataverseFault: the caller may not read users, or asks about another one.
    """
    users = environment.schema.by_logical_name.get(USERS)
    if users is None or [one.name for one in segments] != [users.entity_set_name, FUNCTION]:
        return None
    require_read(environment, caller, users)
    if (segments[0].inside or "").lower() != caller.user_id:
        message = "The sandbox knows the privileges of the calling user only."
        raise DataverseFault(501, "0x8006088a", message)
    context = f"{base_url(request)}/$metadata#{FUNCTION}Response"
    found = list(_privileges(environment, caller))
    return Response.of_json({"@odata.context": context, "RolePrivileges": found})


def _privileges(environment: Environment, caller: Caller) -> Iterator[dict[str, Any]]:
    for table in environment.schema.tables:
        for privilege in table_members(table)["Privileges"]:
            is_read = privilege["PrivilegeType"] == "Read"
            if not (caller.may_read(table.logical_name) if is_read else caller.may_write):
                continue
            yield {
                "Depth": DEPTH_NAMES[read_depth(caller, table)],
                "PrivilegeId": privilege["PrivilegeId"],
                "BusinessUnitId": environment.organization.business_unit_id,
                "PrivilegeName": privilege["Name"],
                "RecordFilterId": NO_ID,
                "RecordFilterUniqueName": "",
            }
