"""RetrieveUserPrivileges, beside the privileges that metadata names."""

from __future__ import annotations

import requests

from dataverse_source.sandbox import Sandbox
from tests.support.sandbox.user_clients import api, signed_in

FUNCTION = "Microsoft.Dynamics.CRM.RetrieveUserPrivileges()"
USER = "8061643d-ebf7-e811-a974-000d3a1e1c9a"


def depths(sandbox: Sandbox, session: requests.Session) -> dict[str, str]:
    """Depth by the privilege's id."""
    answer = session.get(api(sandbox, f"systemusers({USER})/{FUNCTION}"))
    assert answer.status_code == 200, answer.text
    return {one["PrivilegeId"]: one["Depth"] for one in answer.json()["RolePrivileges"]}


def privilege(sandbox: Sandbox, session: requests.Session, table: str, kind: str) -> str:
    path = f"EntityDefinitions(LogicalName='{table}')?$select=Privileges"
    found = session.get(api(sandbox, path)).json()["Privileges"]
    return next(str(one["PrivilegeId"]) for one in found if one["PrivilegeType"] == kind)


def test_the_ids_are_those_of_metadata(sandbox: Sandbox) -> None:
    with signed_in(sandbox) as session:
        found = depths(sandbox, session)
        assert found[privilege(sandbox, session, "account", "Read")] == "Global"
        assert found[privilege(sandbox, session, "account", "Write")] == "Global"


def test_roles_limit_them(sandbox: Sandbox) -> None:
    readable = frozenset({"account", "systemuser"})
    sandbox.users.change(
        sandbox.client_id, organization_read=False, readable_tables=readable, may_write=False
    )
    with signed_in(sandbox) as session:
        found = depths(sandbox, session)
        assert found == {privilege(sandbox, session, "account", "Read"): "Deep"} | {
            privilege(sandbox, session, "systemuser", "Read"): found[
                privilege(sandbox, session, "systemuser", "Read")
            ]
        }


def test_they_are_read_from_the_users_table(sandbox: Sandbox) -> None:
    sandbox.users.change(sandbox.client_id, readable_tables=frozenset({"account"}))
    with signed_in(sandbox) as session:
        answer = session.get(api(sandbox, f"systemusers({USER})/{FUNCTION}"))
        assert answer.status_code == 403
        assert "prvReadUser" in answer.text or "prvReadSystemUser" in answer.text


def test_those_of_others_are_not_known(sandbox: Sandbox) -> None:
    other = "11111111-1111-1111-1111-111111111111"
    with signed_in(sandbox) as session:
        answer = session.get(api(sandbox, f"systemusers({other})/{FUNCTION}"))
        assert answer.status_code == 501
