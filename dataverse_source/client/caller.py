"""Requests that act for another user: the setting ``caller``.

Docs page "Impersonate another user using the Web API": the header CallerObjectId holds the user's
object id in Microsoft Entra ID; MSCRMCallerID, with a systemuserid, is its older form. The user
that signs in needs the privilege prvActOnBehalfOfAnotherUser, and a request may do what both may.
"""

from __future__ import annotations

from collections.abc import Mapping

from dataverse_source.config.setting_names import where_to_set
from dataverse_source.errors import AccessDeniedError

HEADER = "CallerObjectId"
PRIVILEGE = "prvActOnBehalfOfAnotherUser"

_NOT_A_MEMBER = "0x80072560"


def caller_header(caller: str | None) -> dict[str, str]:
    """The header of every request; none without the setting."""
    return {} if caller is None else {HEADER: caller}


def about_caller(error: AccessDeniedError, headers: Mapping[str, str]) -> AccessDeniedError:
    """The same error; with `caller` its text says what that has to do with it.

    Args:
        error: Dataverse refused a request.
        headers: of `caller_header`.
    """
    if not headers:
        return error
    setting = where_to_set("caller")
    if PRIVILEGE in str(error):
        error.what = "The application user may not act for another user"
        error.remedy = (
            f"Give one of its security roles the privilege {PRIVILEGE} (Business Management, Act "
            f"on Behalf of Another User; the role Delegate has it). Or remove {setting}."
        )
    elif error.code == _NOT_A_MEMBER:
        error.what = f"The environment has no user with the object id {headers[HEADER]} (caller)"
        error.remedy = (
            "Take the Object ID of the user in Microsoft Entra ID, and see that it is a user of "
            f"this environment. The setting is {setting}."
        )
    else:
        error.remedy = (
            f"{error.remedy or ''} With caller, both the application user and the user "
            f"{headers[HEADER]} need the privilege, and the application user {PRIVILEGE}, too."
        ).strip()
    return error
