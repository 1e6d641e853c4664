"""Refuses what a caller's roles forbid, in Dataverse's words."""

from __future__ import annotations

import uuid

from dataverse_source.sandbox.environment.environment import Caller, Environment
from dataverse_source.sandbox.environment.row_access import read_depth
from dataverse_source.sandbox.environment.users import ApplicationUser
from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.schema.tables import Table

NOT_A_MEMBER = "The user is not a member of the organization."
DISABLED = "The specified user is either disabled or is not a member of any business unit."
WITHOUT_ROLE = "The user has not been assigned any roles."
NO_ACCESS = (
    "Not enough privilege to access the Microsoft Dynamics 365 object or perform the requested "
    "operation."
)


def caller_of(environment: Environment, client_id: str) -> Caller:
    """The caller that a valid token stands for.

    Raises:
        DataverseFault: no application user, a disabled one, or one without a role.
    """
    user = environment.users.of_client(client_id)
    if user is None:
        raise DataverseFault(403, "0x80072560", NOT_A_MEMBER)
    refuse_unable(environment, user)
    return Caller(
        user_id=user.user_id,
        client_id=user.client_id,
        object_id=user.object_id,
        **user.as_options(),
    )


def refuse_unable(environment: Environment, user: ApplicationUser) -> None:
    """Refuses a user who is disabled or has no role.

    Raises:
        DataverseFault: with the status that the switch ``user_refusal_status`` says.
    """
    status = int(environment.switches.user_refusal_status)
    if not user.enabled:
        raise DataverseFault(status, "0x80040225", DISABLED)
    if not user.has_role:
        raise DataverseFault(status, "0x80042f09", WITHOUT_ROLE)


def require_read(environment: Environment, caller: Caller, table: Table) -> None:
    """Refuses a caller whose roles do not let it read a table.

    Raises:
        DataverseFault: 403, worded as Dataverse words a missing privilege.
    """
    if not caller.may_read(table.logical_name):
        raise missing_privilege(environment, caller, table, "Read")


def require_write(environment: Environment, caller: Caller, table: Table, action: str) -> None:
    """Refuses a caller whose roles do not let it ``Create``, ``Write`` or ``Delete`` rows.

    Raises:
        DataverseFault: 403, worded as Dataverse words a missing privilege.
    """
    if not caller.may_write:
        raise missing_privilege(environment, caller, table, action)


def require_change_tracking(environment: Environment, caller: Caller, table: Table) -> None:
    """Refuses changes to a caller without organization-level read on the table.

    Raises:
        DataverseFault: 403, with the code that the switch ``tracking_privilege_code`` says.
    """
    require_read(environment, caller, table)
    if caller.organization_read and read_depth(caller, table) == "organization":
        return
    if environment.switches.tracking_privilege_code == "0x80048306":
        raise DataverseFault(403, "0x80048306", NO_ACCESS)
    raise _privilege_fault(environment, caller, table, "Read")


def no_access_to_row(environment: Environment, caller: Caller, table: Table) -> DataverseFault:
    """The fault for a row that exists, but lies outside the depth of the read privilege."""
    return _privilege_fault(environment, caller, table, "Read")


def missing_privilege(
    environment: Environment, caller: Caller, table: Table, action: str
) -> DataverseFault:
    """The fault for a privilege such as ``prvReadAccount`` that the caller's roles lack."""
    if environment.switches.privilege_code == "0x80048306":
        return DataverseFault(403, "0x80048306", NO_ACCESS)
    return _privilege_fault(environment, caller, table, action)


def _privilege_fault(
    environment: Environment, caller: Caller, table: Table, action: str
) -> DataverseFault:
    privilege = f"prv{action}{table.schema_name}"
    if table.logical_name == "audit":  # docs page "Retrieve the history of audited data changes"
        privilege = "prvReadAuditSummary"
    privilege_id = uuid.uuid5(uuid.NAMESPACE_OID, privilege)
    business_unit = environment.organization.business_unit_id
    name = table.display_name or table.schema_name
    return DataverseFault(
        403,
        "0x80040220",
        f"Principal user (Id={caller.user_id}, type=8, roleCount=1, privilegeCount=1491, "
        f"accessMode='4 Non-interactive', AADObjectId='{caller.object_id}', "
        f"MetadataCachePrivilegesCount=5214, businessUnitId={business_unit}), is missing "
        f"{privilege} privilege (Id={privilege_id}) on OTC={table.object_type_code} for entity "
        f"'{table.logical_name}' (LocalizedName='{name}'). context.Caller={caller.user_id}. "
        "Consider adding missed privilege to one of the principal (user/team) roles.",
    )
