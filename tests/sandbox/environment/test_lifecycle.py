"""An environment restored, copied over, reset or closed under the same address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from dataverse_source.sandbox import LimitSettings, Sandbox, Switches
from dataverse_source.sandbox.changes import apply
from dataverse_source.sandbox.schema.tables import Column
from tests.support.sandbox.user_clients import api, signed_in

TRACK = {"Prefer": "odata.track-changes"}
SELECT = "accounts?$select=name"


@pytest.fixture
def crm() -> Iterator[tuple[Sandbox, requests.Session]]:
    with (
        Sandbox(rows={"account": 5}, limits=LimitSettings(servers=2)) as sandbox,
        signed_in(sandbox) as session,
    ):
        yield sandbox, session


def names(sandbox: Sandbox) -> list[str]:
    return [row["name"] for row in sandbox.store.rows("account")]


def organization_id(sandbox: Sandbox, session: requests.Session) -> str:
    return str(session.get(api(sandbox, "WhoAmI")).json()["OrganizationId"])


def test_a_restore_brings_rows_and_numbers_back(crm: Any) -> None:
    sandbox, session = crm
    before = sandbox.store.rows("account"), sandbox.store.version
    sandbox.back_up("monday")
    owner = organization_id(sandbox, session)
    first, second, *_ = (row["accountid"] for row in before[0])
    sandbox.store.update("account", first, {"name": "changed"})
    sandbox.store.delete("account", second)
    sandbox.store.create("account", {"name": "new"})
    later = session.get(api(sandbox, SELECT), headers=TRACK).json()["@odata.deltaLink"]
    sandbox.restore("monday")
    assert (sandbox.store.rows("account"), sandbox.store.version) == before
    assert organization_id(sandbox, session) == owner
    # The link is of a version that is not reached yet; once it is, nothing tells it apart.
    assert session.get(later).json()["error"]["code"] == "0x80040203"
    for number in range(9):
        sandbox.store.create("account", {"name": f"other {number}"})
    told = session.get(later).json()["value"]
    assert 0 < len(told) < 9


def test_a_backup_holds_deletes_tables_and_files(crm: Any) -> None:
    sandbox, session = crm
    gone = sandbox.store.rows("account")[0]["accountid"]
    link = session.get(api(sandbox, SELECT), headers=TRACK).json()["@odata.deltaLink"]
    sandbox.store.delete("account", gone)
    sandbox.back_up()
    sandbox.add_column("account", Column("new_x", "String"))
    sandbox.restore()
    (entry,) = session.get(link).json()["value"]
    assert (entry["reason"], entry["id"]) == ("deleted", gone)
    assert "new_x" not in sandbox.store.table("account").by_name
    # Indexes are there again: a key can't be taken twice.
    key = sandbox.store.rows("account")[0]["accountid"]
    with pytest.raises(ValueError, match="exists"):
        sandbox.store.create("account", {"accountid": key})


def test_a_backup_can_be_restored_twice_and_is_kept_by_its_name(crm: Any) -> None:
    sandbox, _ = crm
    before = names(sandbox)
    sandbox.back_up("a")
    sandbox.store.create("account", {"name": "between"})
    sandbox.back_up("b")
    sandbox.restore("a")
    assert names(sandbox) == before
    sandbox.restore("b")
    assert "between" in names(sandbox)
    sandbox.restore("a")
    assert names(sandbox) == before
    with pytest.raises(LookupError, match="no backup 'c'"):
        sandbox.restore("c")


def test_no_backup_within_a_transaction(crm: Any) -> None:
    sandbox, _ = crm
    with sandbox.store.transaction(), pytest.raises(RuntimeError, match="transaction"):
        sandbox.back_up()


def test_another_environment_is_copied_over(crm: Any) -> None:
    sandbox, session = crm
    owner, before = organization_id(sandbox, session), set(names(sandbox))
    link = session.get(api(sandbox, SELECT), headers=TRACK).json()["@odata.deltaLink"]
    sandbox.copy_over(rows={"accounts": 7}, seed=9, first_version=50)
    assert organization_id(sandbox, session) != owner
    assert len(names(sandbox)) == 7
    assert set(names(sandbox)) != before
    assert all(row["versionnumber"] < 1_000_000 for row in sandbox.store.rows("account"))
    assert session.get(link).status_code == 400
    (row,) = session.get(api(sandbox, "organizations?$select=organizationid")).json()["value"]
    assert row["organizationid"] == organization_id(sandbox, session)


def test_a_running_environment_is_copied_over(crm: Any) -> None:
    sandbox, session = crm
    owner = organization_id(sandbox, session)
    with Sandbox(rows={"account": 2}, seed=3) as other:
        other.add_column("account", Column("new_theirs", "String"))
        sandbox.copy_over(other)
        assert sandbox.store.rows("account") == other.store.rows("account")
    assert organization_id(sandbox, session) != owner
    (row,) = session.get(api(sandbox, "organizations?$select=organizationid")).json()["value"]
    assert row["organizationid"] == organization_id(sandbox, session)
    (unit,) = session.get(api(sandbox, "businessunits?$select=_organizationid_value")).json()[
        "value"
    ]
    assert unit["_organizationid_value"] == organization_id(sandbox, session)
    assert session.get(api(sandbox, "accounts?$select=new_theirs")).status_code == 200
    sandbox.copy_over(rows={}, organization_id=owner)
    assert organization_id(sandbox, session) == owner


def test_a_reset_leaves_an_organizations_own_rows(crm: Any) -> None:
    sandbox, session = crm
    owner = organization_id(sandbox, session)
    sandbox.add_column("account", Column("new_x", "String"))
    sandbox.reset()
    assert names(sandbox) == []
    assert sandbox.store.count("organization") == 1
    assert "new_x" not in sandbox.store.table("account").by_name
    assert organization_id(sandbox, session) != owner
    counted = session.get(api(sandbox, "RetrieveTotalRecordCount(EntityNames=['account'])"))
    assert counted.json()["EntityRecordCountCollection"]["Values"] == [0]


def test_metadata_stamps_of_another_timeline_have_expired(crm: Any) -> None:
    sandbox, session = crm
    call = "RetrieveMetadataChanges(Query=@q,ClientVersionStamp=@s)"
    sandbox.back_up()
    sandbox.add_column("account", Column("new_x", "String"))
    whole = session.get(api(sandbox, "RetrieveMetadataChanges()")).json()
    sandbox.restore()
    sandbox.add_column("account", Column("new_other", "String"))
    asked = api(sandbox, f"{call}?@q=null&@s='{whole['ServerVersionStamp']}'")
    assert session.get(asked).json()["error"]["code"] == "0x80044352"


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [("403", 403, "0x80048d18"), ("403_page", 403, ""), ("503", 503, "0x8004A10E")],
)
def test_administration_mode_lets_no_application_in(
    crm: Any, form: str, status: int, code: str
) -> None:
    sandbox, session = crm
    sandbox.switches = Switches().changed(administration_mode=form)
    sandbox.administration_mode = True
    for path in ("WhoAmI", "accounts", "EntityDefinitions?$select=LogicalName"):
        answer = session.get(api(sandbox, path))
        assert answer.status_code == status
        if code:
            assert answer.json()["error"]["code"] == code
        else:
            assert answer.headers["Content-Type"] == "text/html"
    sandbox.administration_mode = False
    assert session.get(api(sandbox, "WhoAmI")).status_code == 200


def test_a_new_column_that_only_some_servers_know(crm: Any) -> None:
    sandbox, session = crm
    sandbox.add_column("account", Column("new_code", "String"), known_to=[1])
    key = sandbox.store.create("account", {"name": "x", "new_code": "c"})
    url = api(sandbox, f"accounts({key})?$select=new_code")
    found = {}
    for _ in range(40):
        session.cookies.clear()
        answer = session.get(url)
        found[answer.status_code] = answer.json()
    assert found.keys() == {200, 400}
    assert found[200]["new_code"] == "c"
    assert found[400]["error"]["message"].startswith("Could not find a property named 'new_code'")
    # Metadata lists it everywhere; without a $select those servers leave it out.
    listed = session.get(
        api(sandbox, "EntityDefinitions(LogicalName='account')/Attributes(LogicalName='new_code')")
    )
    assert listed.status_code == 200
    shown = set()
    for _ in range(40):
        session.cookies.clear()
        shown.add("new_code" in session.get(api(sandbox, f"accounts({key})")).json())
    assert shown == {True, False}
    sandbox.spread_columns()
    for _ in range(10):
        session.cookies.clear()
        assert session.get(url).status_code == 200


def test_the_same_as_changes(crm: Any) -> None:
    sandbox, session = crm
    owner = organization_id(sandbox, session)
    apply(
        sandbox,
        [
            {"back_up": "monday"},
            {"copy_over": {"rows": {"account": 2}, "seed": 4, "organization_id": owner}},
        ],
    )
    assert len(names(sandbox)) == 2
    assert organization_id(sandbox, session) == owner
    column = {"name": "new_late", "type": "String"}
    apply(sandbox, [{"add_column": "account", "column": column, "known_to": []}])
    assert session.get(api(sandbox, "accounts?$select=new_late")).status_code == 400
    apply(sandbox, [{"spread_columns": True}, {"administration_mode": True}])
    assert session.get(api(sandbox, "WhoAmI")).status_code == 403
    apply(sandbox, [{"administration_mode": False}, {"restore": "monday"}])
    assert len(names(sandbox)) == 5
    apply(sandbox, [{"reset": True}])
    assert names(sandbox) == []
    with pytest.raises(ValueError, match="takes no colour"):
        apply(sandbox, [{"copy_over": {"colour": 1}}])
