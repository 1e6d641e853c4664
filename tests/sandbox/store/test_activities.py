from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from dataverse_source.sandbox import Sandbox
from tests.support.sandbox.user_clients import api, signed_in

ROWS = {"account": 3, "contact": 5, "task": 4, "email": 3, "activityparty": 10}
TRACK = {"Prefer": "odata.track-changes"}


class Crm:
    """A sandbox with activities, asked over HTTPS."""

    def __init__(self, sandbox: Sandbox, session: requests.Session) -> None:
        self.sandbox, self.session, self.store = sandbox, session, sandbox.store

    def json(self, path: str, headers: dict[str, str] | None = None) -> Any:
        answer = self.session.get(api(self.sandbox, path), headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def crm() -> Iterator[Crm]:
    with Sandbox(rows=ROWS) as sandbox, signed_in(sandbox) as session:
        yield Crm(sandbox, session)


def test_seeded_activities_are_all_there(crm: Crm) -> None:
    columns = "$select=activityid,subject,activitytypecode"
    every = crm.json(f"activitypointers?{columns}")["value"]
    for kind in ("task", "email"):
        own = crm.json(f"{kind}s?{columns}")["value"]
        shown = [
            (row["activityid"], row["subject"], row["activitytypecode"])
            for row in every
            if row["activitytypecode"] == kind
        ]
        assert {row["activitytypecode"] for row in own} == {kind}
        assert sorted(shown) == sorted((r["activityid"], r["subject"], kind) for r in own)
    versions = [row["versionnumber"] for row in crm.store.rows("activitypointer")]
    assert len(versions) == len(set(versions)) >= 7


def test_an_activity_s_changes_are_its_pointer_s(crm: Crm) -> None:
    query = "activitypointers?$select=subject,statecode,activitytypecode"
    link = crm.json(query, TRACK)["@odata.deltaLink"]
    answer = crm.session.post(api(crm.sandbox, "tasks"), json={"subject": "Call back"})
    key = answer.headers["OData-EntityId"][-37:-1]
    page = crm.session.get(link).json()
    (row,) = page["value"]
    assert (row["activityid"], row["subject"], row["activitytypecode"]) == (
        key,
        "Call back",
        "task",
    )
    crm.session.patch(api(crm.sandbox, f"tasks({key})"), json={"statecode": 1})
    page = crm.session.get(page["@odata.deltaLink"]).json()
    assert [entry["statecode"] for entry in page["value"]] == [1]
    crm.session.delete(api(crm.sandbox, f"tasks({key})"))
    page = crm.session.get(page["@odata.deltaLink"]).json()
    assert [entry["id"] for entry in page["value"]] == [key]
    assert crm.store.row("activitypointer", key) is None


def test_parties_are_reached_by_their_activity_only(crm: Crm) -> None:
    contact = crm.store.rows("contact")[0]["contactid"]
    body = {
        "subject": "Offer",
        "email_activity_parties": [
            {"partyid_contact@odata.bind": f"/contacts({contact})", "participationtypemask": 2}
        ],
    }
    answer = crm.session.post(api(crm.sandbox, "emails"), json=body)
    assert answer.status_code == 204, answer.text
    key = answer.headers["OData-EntityId"][-37:-1]
    for entity_set, kind in (("emails", "email"), ("activitypointers", "activitypointer")):
        collection = f"{kind}_activity_parties"
        row = crm.json(f"{entity_set}({key})?$select=subject&$expand={collection}")
        (party,) = row[collection]
        assert party["_partyid_value"] == contact
        assert party["participationtypemask"] == 2
        assert "to" not in row
    party_id = party["activitypartyid"]
    crm.session.delete(api(crm.sandbox, f"emails({key})"))
    assert crm.store.row("activityparty", party_id) is None


def test_seeded_parties_point_at_activities(crm: Crm) -> None:
    keys = {row["activityid"] for row in crm.store.rows("activitypointer")}
    parties = crm.json("activityparties?$select=_activityid_value,participationtypemask")["value"]
    pointing = [row for row in parties if row["_activityid_value"] is not None]
    assert pointing
    assert all(row["_activityid_value"] in keys for row in pointing)


def test_rows_of_intersect_tables_have_plain_guids(crm: Crm) -> None:
    team = crm.store.rows("team")[0]["teamid"]
    user = crm.store.rows("systemuser")[0]["systemuserid"]
    crm.store.create("teammembership", {"teamid": team, "systemuserid": user})
    row = crm.json("teammemberships")["value"][0]
    assert (row["teamid"], row["systemuserid"]) == (team, user)
    assert "_teamid_value" not in row
    assert "modifiedon" not in row
    assert row["versionnumber"] > 0


def test_a_deleted_account_takes_its_activities_along() -> None:
    with Sandbox(rows={}, seed=1) as sandbox:
        store = sandbox.store
        account = store.create("account", {"name": "One"})
        about = {"regardingobjectid": account, "regardingobjectid@table": "account"}
        store.create("task", {"subject": "Call", **about})
        store.delete("account", account)
        assert (store.count("task"), store.count("activitypointer")) == (0, 0)
