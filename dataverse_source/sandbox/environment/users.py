"""Application users of the environment, and what their security roles let them do."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dataverse_source.sandbox.environment.callers import Caller
from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.schema.tables import Table

if TYPE_CHECKING:
    from dataverse_source.sandbox.environment.environment import Environment

NOT_A_MEMBER = "The user is not a member of the organization."
DISABLED = "The specified user is either disabled or is not a member of any business unit."
WITHOUT_ROLE = "The user has not been assigned any roles."
NO_ACCESS = (
    "Not enough privilege to access the Microsoft Dynamics 365 object or perform the requested "
    "operation."
)


@dataclass(frozen=True)
class ApplicationUser:
    """A Dataverse user that stands for an app registration.

    Attributes:
        user_id: systemuserid.
        client_id: application id of the app registration.
        object_id: object id of its service principal.
        enabled: False for a disabled user.
        has_role: False for a user without a security role.
        organization_read: read privileges are at organization level.
        readable_tables: logical names that its roles let it read; None for all.
        may_write: its roles let it create, update and delete rows.
        may_impersonate: its roles have prvActOnBehalfOfAnotherUser.
    """

    user_id: str
    client_id: str
    object_id: str = ""
    enabled: bool = True
    has_role: bool = True
    organization_read: bool = True
    readable_tables: frozenset[str] | None = None
    may_write: bool = True
    may_impersonate: bool = True

    def may_read(self, logical_name: str) -> bool:
        """Whether the user's roles let it read rows of a table."""
        return self.readable_tables is None or logical_name in self.readable_tables


class Users:
    """The application users by client id, an app without one is no member; and what people may.

    People are rows of the table systemuser. They may do everything unless ``limit`` says else.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_client: dict[str, ApplicationUser] = {}
        self._people: dict[str, ApplicationUser] = {}

    def add(self, user: ApplicationUser) -> None:
        """Adds or replaces the user of an application."""
        with self._lock:
            self._by_client[user.client_id] = user

    def limit(self, user_id: str, **rights: Any) -> None:
        """Sets what a person may do, that is a row of systemuser that is no application's.

        Args:
            user_id: its systemuserid.
            rights: as of ``ApplicationUser``: ``readable_tables``, ``may_write``, ``enabled``...
        """
        with self._lock:
            self._people[user_id.lower()] = ApplicationUser(user_id.lower(), "", **rights)

    def rights_of(self, user_id: str) -> ApplicationUser:
        """What a user may do, whether of an application or a person."""
        with self._lock:
            known = (user for user in self._by_client.values() if user.user_id == user_id)
            return next(known, self._people.get(user_id) or ApplicationUser(user_id, ""))

    def change(self, client_id: str, **values: Any) -> None:
        """Changes a user, for instance ``enabled=False``.

        Raises:
            KeyError: the application has no user here.
        """
        with self._lock:
            self._by_client[client_id] = replace(self._by_client[client_id], **values)

    def remove(self, client_id: str) -> None:
        """Takes an application's user away."""
        with self._lock:
            self._by_client.pop(client_id, None)

    def with_object_id(self, object_id: str) -> str | None:
        """The systemuserid of the application user with an object id in Entra, if there is one."""
        with self._lock:
            users = (user for user in self._by_client.values() if user.object_id == object_id)
            return next((user.user_id for user in users), None)

    def caller(self, client_id: str, environment: Environment) -> Caller:
        """The caller that a good token stands for.

        Raises:
            DataverseFault: no application user, a disabled one, or one without a role.
        """
        user = self._by_client.get(client_id)
        if user is None:
            raise DataverseFault(403, "0x80072560", NOT_A_MEMBER)
        refuse_unable(environment, user)
        return Caller(
            user_id=user.user_id,
            client_id=user.client_id,
            object_id=user.object_id,
            organization_read=user.organization_read,
            readable_tables=user.readable_tables,
            may_write=user.may_write,
            may_impersonate=user.may_impersonate,
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
    if caller.organization_read:
        return
    if environment.switches.tracking_privilege_code == "0x80048306":
        raise DataverseFault(403, "0x80048306", NO_ACCESS)
    raise _privilege_fault(environment, caller, table, "Read")


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
