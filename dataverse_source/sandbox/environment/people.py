"""People: rows of the table systemuser without an application, and what they may do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dataverse_source.sandbox.environment.access_rules import NOT_A_MEMBER, refuse_unable
from dataverse_source.sandbox.environment.environment import Caller, Environment
from dataverse_source.sandbox.environment.users import ApplicationUser
from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.store.layout import quote, sql_table
from dataverse_source.sandbox.store.values import json_text


def person_of(environment: Environment, object_id: str, client_id: str) -> Caller:
    """The caller that a token stands for which an application got for a person.

    Args:
        environment: where the person is a user.
        object_id: of the person, in Entra.
        client_id: of the application.

    Raises:
        DataverseFault: no user has this object id, or it is disabled or without a role.
    """
    user_id = user_with_object_id(environment, object_id)
    if user_id is None:
        raise DataverseFault(403, "0x80072560", NOT_A_MEMBER)
    rights = rights_of_user(environment, user_id)
    return Caller(user_id=user_id, client_id=client_id, object_id=object_id, **rights.as_options())


def rights_of_user(environment: Environment, user_id: str) -> ApplicationUser:
    """What a user may do.

    Raises:
        DataverseFault: the user is disabled or has no role.
    """
    rights = environment.users.rights_of(user_id)
    row = environment.store.row("systemuser", user_id) or {}
    enabled = rights.enabled and not row.get("isdisabled")
    refuse_unable(environment, replace(rights, enabled=enabled))
    return rights


def user_with_object_id(environment: Environment, object_id: str) -> str | None:
    """The user with an object id, among the rows of users and the application users."""
    users = environment.store.table("systemuser")
    if "azureactivedirectoryobjectid" in users.by_name:
        with environment.store.reading() as connection:
            found: Any = connection.execute(
                f"SELECT {quote(users.primary_id)} FROM {sql_table('systemuser')} "  # noqa: S608
                "WHERE azureactivedirectoryobjectid = ?",
                (json_text(object_id),),
            ).fetchone()
        if found is not None:
            return str(found[0]).strip('"')
    return environment.users.with_object_id(object_id)
