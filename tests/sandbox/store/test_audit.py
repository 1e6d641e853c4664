from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from dataverse_source.sandbox import Sandbox
from tests.support.sandbox.user_clients import api, signed_in

AUDIT = "audits?$select=_objectid_value,objecttypecode,operation,action,_userid_value"


class Crm:
    """A sandbox with auditing on, asked over HTTPS."""

    def __init__(self, sandbox: Sandbox, session: requests.Session) -> None:
        self.sandbox, self.session, self.store = sandbox, session, sandbox.store
        self.set_auditing(True)

    def set_auditing(self, on: bool) -> None:
        (row,) = self.store.rows("organization")
        self.store.update("organization", row["organizationid"], {"isauditenabled": on})

    def json(self, path: str) -> Any:
        answer = self.session.get(api(self.sandbox, path))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def status(self, path: str) -> int:
        return self.session.get(api(self.sandbox, path)).status_code


@pytest.fixture
def crm() -> Iterator[Crm]:
    with Sandbox(rows={}) as sandbox, signed_in(sandbox) as session:
        yield Crm(sandbox, session)


def change(crm: Crm) -> str:
    """An account's life over HTTP; its key."""
    answer = crm.session.post(api(crm.sandbox, "accounts"), json={"name": "A", "revenue": 5})
    key = answer.headers["OData-EntityId"][-37:-1]
    crm.session.patch(api(crm.sandbox, f"accounts({key})"), json={"name": "B"})
    crm.session.delete(api(crm.sandbox, f"accounts({key})"))
    return key


def test_every_change_makes_a_row(crm: Crm) -> None:
    key = change(crm)
    rows = crm.json(f"{AUDIT}&$orderby=createdon desc,operation desc")["value"]
    assert [row["operation"] for row in rows] == [3, 2, 1]
    assert {(row["_objectid_value"], row["objecttypecode"]) for row in rows} == {(key, "account")}
    user = crm.json("WhoAmI")["UserId"]
    assert {row["_userid_value"] for row in rows} == {user}
    for row in rows:
        assert "@odata.etag" not in row
        # Not selected, but there.
        assert {"transactionid", "attributemask"} <= row.keys()
    table = crm.store.table("account")
    (number,) = (int(n) for n in rows[1]["attributemask"].split(","))
    assert table.columns[number - 1].name == "name"


def test_old_and_new_values(crm: Crm) -> None:
    change(crm)
    by_operation = {row["operation"]: row["auditid"] for row in crm.json(AUDIT)["value"]}
    found = crm.json(f"audits({by_operation[2]})/Microsoft.Dynamics.CRM.RetrieveAuditDetails()")
    assert found["@odata.context"].endswith("CRM.RetrieveAuditDetailsResponse")
    kind = "#Microsoft.Dynamics.CRM.account"
    detail = found["AuditDetail"]
    assert detail["@odata.type"] == "#Microsoft.Dynamics.CRM.AttributeAuditDetail"
    assert detail["OldValue"] == {"@odata.type": kind, "name": "A"}
    assert detail["NewValue"] == {"@odata.type": kind, "name": "B"}
    path = f"audits({by_operation[3]})/Microsoft.Dynamics.CRM.RetrieveAuditDetails"
    gone = crm.json(path)["AuditDetail"]
    assert gone["OldValue"]["revenue"] == 5
    assert gone["NewValue"] == {"@odata.type": kind}


def test_the_history_of_a_row(crm: Crm) -> None:
    key = change(crm)
    target = f"@t={{'@odata.id':'accounts({key})'}}"
    found = crm.json(f"RetrieveRecordChangeHistory(Target=@t)?{target}")
    collection = found["AuditDetailCollection"]
    names = [detail["NewValue"].get("name") for detail in collection["AuditDetails"]]
    assert names == [None, "B", "A"]
    assert (collection["MoreRecords"], collection["TotalRecordCount"]) == (False, -1)
    paging = '@p={"PageNumber":1,"Count":2,"ReturnTotalRecordCount":true}'
    path = f"RetrieveRecordChangeHistory(Target=@t,PagingInfo=@p)?{target}&{paging}"
    page = crm.json(path)["AuditDetailCollection"]
    assert (len(page["AuditDetails"]), page["MoreRecords"], page["TotalRecordCount"]) == (
        2,
        True,
        3,
    )
    second = crm.json(path.replace('"PageNumber":1', '"PageNumber":2'))["AuditDetailCollection"]
    assert second["AuditDetails"] == collection["AuditDetails"][2:]
    assert second["MoreRecords"] is False


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("audits(99999999-0000-0000-0000-000000000000)/Microsoft.Dynamics.CRM."
         "RetrieveAuditDetails()", 404),
        ("RetrieveRecordChangeHistory(Target=@t)?@t={'@odata.id':'nothing(1)'}", 400),
        ("RetrieveRecordChangeHistory(Target=@t)?@t=x", 400),
        ("RetrieveRecordChangeHistory()", 400),
        ("accounts(99999999-0000-0000-0000-000000000000)/Microsoft.Dynamics.CRM."
         "RetrieveAuditDetails()", 501),
    ],
)  # fmt: skip
def test_what_is_refused(crm: Crm, path: str, status: int) -> None:
    assert crm.status(path) == status


def test_nothing_is_written_down_while_auditing_is_off(crm: Crm) -> None:
    crm.set_auditing(False)
    change(crm)
    crm.set_auditing(True)
    crm.store.create("task", {"subject": "not audited"})
    assert crm.json(AUDIT)["value"] == []


def test_reading_needs_the_privilege(crm: Crm) -> None:
    key = change(crm)
    audit_id = crm.json(AUDIT)["value"][0]["auditid"]
    crm.sandbox.users.change(crm.sandbox.client_id, readable_tables=frozenset({"account"}))
    history = f"RetrieveRecordChangeHistory(Target=@t)?@t={{'@odata.id':'accounts({key})'}}"
    for path in (
        AUDIT,
        history,
        f"audits({audit_id})/Microsoft.Dynamics.CRM.RetrieveAuditDetails()",
    ):
        assert crm.status(path) == 403
