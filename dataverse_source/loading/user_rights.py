"""A fingerprint of what the application user may read, which changes with roles and teams."""

from __future__ import annotations

import hashlib

from dataverse_source.client.batch import BatchRequest
from dataverse_source.client.responses import Response
from dataverse_source.errors import DataverseError

CHANGED = "the application user's read privileges have changed"


def request(user_id: str) -> BatchRequest:
    """The request for the user's privileges (docs: "RetrieveUserPrivileges Function").

    They are those of its own roles and of its teams' roles.
    """
    return BatchRequest(f"systemusers({user_id})/Microsoft.Dynamics.CRM.RetrieveUserPrivileges()")


def with_caller(rights: str | None, caller: str | None) -> str | None:
    """What tells whose rights rows were read with: other users may read other rows.

    Args:
        rights: fingerprint of the privileges; None if they are not known.
        caller: value of the setting.
    """
    return rights if caller is None else f"{rights or ''} {caller}"


def are_others(before: str, now: str | None) -> bool:
    """Whether rows were read with other rights, or as another user.

    Args:
        before: from `with_caller`.
        now: likewise; None if nothing is known and there is no caller.
    """
    if now is None:
        return " " in before
    return before != now


def fingerprint(answer: Response) -> str | None:
    """Changes with any read privilege, its depth, or the business unit that it is for.

    None if they are not known: the user may not ask for them.
    """
    try:
        privileges = answer.json()["RolePrivileges"]
        lines = sorted(
            ":".join(str(one.get(name)) for name in ("PrivilegeName", "Depth", "BusinessUnitId"))
            for one in privileges
            if str(one.get("PrivilegeName") or "prvRead").lower().startswith("prvread")
        )
    except (DataverseError, KeyError, TypeError, AttributeError):
        return None
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
