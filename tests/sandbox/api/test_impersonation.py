from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.sandbox import USER_ID
from tests.support.sandbox.user_clients import api, signed_in

PERSON_OBJECT = "e39c5d16-675b-48d1-8e67-667427e9c084"
NOBODY = "99999999-0000-0000-0000-000000000000"


class Crm:
    """A sandbox with a person to act for, asked over HTTPS."""

    def __init__(self, sandbox: Sandbox, session: requests.Session) -> None:
        self.sandbox, self.session = sandbox, session
        values = {"fullname": "Person", "azureactivedirectoryobjectid": PERSON_OBJECT}
        self.person = sandbox.store.create("systemuser", values)

    def ask(self, path: str, method: str = "GET", **more: Any) -> requests.Response:
        return self.session.request(method, api(self.sandbox, path), **more)

    def code(self, path: str, **headers: str) -> tuple[int, str]:
        answer = self.ask(path, headers=headers)
        return answer.status_code, str(answer.json()["error"]["code"])


@pytest.fixture
def crm() -> Iterator[Crm]:
    with Sandbox(rows={"account": 2}) as sandbox, signed_in(sandbox) as session:
        yield Crm(sandbox, session)


@pytest.mark.parametrize("header", ["CallerObjectId", "MSCRMCallerID"])
def test_a_request_acts_as_the_user_that_it_names(crm: Crm, header: str) -> None:
    named = PERSON_OBJECT.upper() if header == "CallerObjectId" else crm.person
    acting = {header: named}
    assert crm.ask("WhoAmI", headers=acting).json()["UserId"] == crm.person
    assert crm.ask("WhoAmI").json()["UserId"] == USER_ID
    answer = crm.ask("accounts", "POST", json={"name": "A"}, headers=acting)
    path = answer.headers["OData-EntityId"].partition("/v9.2/")[2]
    row = crm.ask(path).json()
    assert (row["_createdby_value"], row["_createdonbehalfby_value"]) == (crm.person, USER_ID)
    assert (row["_modifiedby_value"], row["_modifiedonbehalfby_value"]) == (crm.person, USER_ID)
    assert (row["_ownerid_value"], row["_owninguser_value"]) == (crm.person, crm.person)
    crm.ask(path, "PATCH", json={"name": "B"})
    row = crm.ask(path).json()
    assert (row["_modifiedby_value"], row["_modifiedonbehalfby_value"]) == (USER_ID, None)
    assert row["_createdonbehalfby_value"] == USER_ID


def test_both_users_need_the_privilege(crm: Crm) -> None:
    acting = {"MSCRMCallerID": crm.person}
    assert crm.ask("accounts", headers=acting).status_code == 200
    crm.sandbox.users.limit(crm.person, readable_tables=frozenset({"contact", "lead"}))
    assert crm.code("accounts", **acting) == (403, "0x80040220")
    assert crm.ask("contacts", headers=acting).status_code == 200
    crm.sandbox.users.change(crm.sandbox.client_id, readable_tables=frozenset({"account", "lead"}))
    assert crm.code("contacts", **acting) == (403, "0x80040220")
    assert crm.ask("leads", headers=acting).status_code == 200
    assert crm.ask("accounts").status_code == 200
    crm.sandbox.users.limit(crm.person, may_write=False)
    answer = crm.ask("accounts", "POST", json={"name": "A"}, headers=acting)
    assert answer.status_code == 403


def test_tracking_needs_both_at_organization_level(crm: Crm) -> None:
    crm.sandbox.users.limit(crm.person, organization_read=False)
    headers = {"MSCRMCallerID": crm.person, "Prefer": "odata.track-changes"}
    assert crm.ask("accounts?$select=name", headers=headers).status_code == 403
    del headers["MSCRMCallerID"]
    assert crm.ask("accounts?$select=name", headers=headers).status_code == 200


def test_who_may_not(crm: Crm) -> None:
    acting = {"MSCRMCallerID": crm.person}
    assert crm.code("WhoAmI", MSCRMCallerID=NOBODY) == (404, "0x80040217")
    assert crm.code("WhoAmI", CallerObjectId=NOBODY) == (403, "0x80072560")
    assert crm.code("WhoAmI", MSCRMCallerID="x") == (400, "0x80060888")
    crm.sandbox.users.limit(crm.person, has_role=False)
    assert crm.code("WhoAmI", **acting) == (403, "0x80042f09")
    crm.sandbox.users.limit(crm.person)
    crm.sandbox.store.update("systemuser", crm.person, {"isdisabled": True})
    assert crm.code("WhoAmI", **acting) == (403, "0x80040225")
    crm.sandbox.users.change(crm.sandbox.client_id, may_impersonate=False)
    status, code = crm.code("WhoAmI", **acting)
    assert (status, code) == (403, "0x80040220")
    crm.sandbox.switches = crm.sandbox.switches.changed(privilege_code="0x80048306")
    assert crm.code("WhoAmI", **acting) == (403, "0x80048306")


def test_another_application_may_be_acted_for(crm: Crm) -> None:
    other = crm.sandbox.add_application()
    headers = {"CallerObjectId": other.object_id}
    found = crm.ask("WhoAmI", headers=headers).json()["UserId"]
    assert found == crm.sandbox.users.with_object_id(other.object_id)


def test_conditions_on_the_caller(crm: Crm) -> None:
    crm.sandbox.store.create(
        "account", {"name": "Mine", "ownerid": crm.person, "ownerid@table": "systemuser"}
    )
    mine = (
        "accounts?$select=name&$filter=Microsoft.Dynamics.CRM.EqualUserId(PropertyName='ownerid')"
    )
    rows = crm.ask(mine, headers={"MSCRMCallerID": crm.person}).json()["value"]
    assert [row["name"] for row in rows] == ["Mine"]


def test_requests_of_a_batch(crm: Crm) -> None:
    """The batch's header counts for those of its requests that have none."""
    head = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    plain = "GET /api/data/v9.2/WhoAmI HTTP/1.1\r\nAccept: application/json\r\n"
    own = f"{plain}MSCRMCallerID: {USER_ID}\r\n"
    body = "".join(f"--b\r\n{head}{part}\r\n\r\n" for part in (plain, own)) + "--b--\r\n"
    headers = {"Content-Type": "multipart/mixed; boundary=b", "MSCRMCallerID": crm.person}
    text = crm.ask("$batch", "POST", data=body, headers=headers).text
    assert text.index(crm.person) < text.index(USER_ID)
    del headers["MSCRMCallerID"]
    assert crm.person not in crm.ask("$batch", "POST", data=body, headers=headers).text
