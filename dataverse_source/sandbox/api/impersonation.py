"""Requests that act for another user, named by a header.

Source: docs page "Impersonate another user using the Web API". Such a request may do what
both users may do. What it writes is written by the other user, on behalf of the actual one.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from dataverse_source.sandbox.environment.access_rules import NO_ACCESS, NOT_A_MEMBER
from dataverse_source.sandbox.environment.callers import Caller
from dataverse_source.sandbox.environment.environment import Environment
from dataverse_source.sandbox.environment.people import rights_of_user, user_with_object_id
from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.query.filter.keys import no_such_row
from dataverse_source.sandbox.query.syntax.odata import bad_query
from dataverse_source.sandbox.store.values import ValueRefused, parse_guid

OBJECT_ID, USER_ID = "callerobjectid", "mscrmcallerid"
"""Headers: the other user's object id in Entra, or its systemuserid."""

PRIVILEGE = "prvActOnBehalfOfAnotherUser"


def asked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that name another user."""
    return {name: headers[name] for name in (OBJECT_ID, USER_ID) if name in headers}


def acting_caller(environment: Environment, caller: Caller, headers: Mapping[str, str]) -> Caller:
    """The user that a request acts as: the caller, or the one that a header names.

    Raises:
        DataverseFault: the caller may not act for others (403), or the user is not known, is
            disabled or has no role.
    """
    asked = asked_headers(headers)
    if not asked:
        return caller
    if not caller.may_impersonate:
        raise _missing_privilege(environment, caller)
    user_id = _user_id(environment, asked)
    return caller.acting_for(user_id, rights_of_user(environment, user_id))


def _user_id(environment: Environment, asked: Mapping[str, str]) -> str:
    """The systemuserid of the user that a header names; the object id goes first."""
    name = OBJECT_ID if OBJECT_ID in asked else USER_ID
    users = environment.schema.by_logical_name.get("systemuser")
    if users is None:
        raise DataverseFault(501, "0x8006088a", "This schema has no table systemuser.")
    try:
        named = parse_guid(asked[name])
    except ValueRefused:
        raise bad_query(f"The value '{asked[name]}' of {name} is not a GUID.") from None
    if name == USER_ID:
        if environment.store.row("systemuser", named) is None:
            raise no_such_row(users, named)
        return named
    found = user_with_object_id(environment, named)
    if found is None:
        raise DataverseFault(403, "0x80072560", NOT_A_MEMBER)
    return found


def _missing_privilege(environment: Environment, caller: Caller) -> DataverseFault:
    if environment.switches.privilege_code == "0x80048306":
        return DataverseFault(403, "0x80048306", NO_ACCESS)
    privilege_id = uuid.uuid5(uuid.NAMESPACE_OID, PRIVILEGE)
    message = (
        f"Principal user (Id={caller.user_id}, type=8) is missing {PRIVILEGE} privilege "
        f"(Id={privilege_id})"
    )
    return DataverseFault(403, "0x80040220", message)
