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
