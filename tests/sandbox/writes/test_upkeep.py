from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from dataverse_source.sandbox import Sandbox, Switches
from dataverse_source.sandbox.changes import apply
from dataverse_source.sandbox.environment.clock import Clock
from dataverse_source.sandbox.writes.upkeep import delete_in_bulk, merge, recalculate
from tests.support.sandbox.user_clients import api, signed_in

TRACK = {"Prefer": "odata.track-changes"}
SELECT = "accounts?$select=name,merged,statecode"


@pytest.fixture
def crm() -> Iterator[tuple[Sandbox, requests.Session]]:
    with (
        Sandbox(rows={"account": 3}, clock=Clock(frozen=True)) as sandbox,
        signed_in(sandbox) as session,
    ):
        yield sandbox, session


def delta_link(sandbox: Sandbox, session: requests.Session, query: str = SELECT) -> str:
    return str(session.get(api(sandbox, query), headers=TRACK).json()["@odata.deltaLink"])


def entity(key: str, table: str = "account") -> dict[str, str]:
    return {"@odata.type": f"Microsoft.Dynamics.CRM.{table}", f"{table}id": key}


def accounts(sandbox: Sandbox) -> list[str]:
    return [str(row["accountid"]) for row in sandbox.store.rows("account")]


def test_a_merge_deactivates_one_row_and_deletes_none(crm: Any) -> None:
    sandbox, session = crm
    kept, merged, _ = accounts(sandbox)
    link = delta_link(sandbox, session)
    merge(sandbox.environment, "account", kept, merged)
    (row,) = session.get(link).json()["value"]
    assert (row["accountid"], row["merged"], row["statecode"]) == (merged, True, 1)
    loser = sandbox.store.row("account", merged)
    assert loser is not None
    assert (loser["masterid"], loser["statuscode"]) == (kept, 2)
    sandbox.switches = Switches().changed(merged_rows="both")
    link = delta_link(sandbox, session)
    merge(sandbox.environment, "account", kept, merged)
    assert {row["accountid"] for row in session.get(link).json()["value"]} == {kept, merged}


def test_merge_as_an_action(crm: Any) -> None:
    sandbox, session = crm
    kept, merged, _ = accounts(sandbox)
    body = {
        "Target": entity(kept),
        "Subordinate": entity(merged),
        "UpdateContent": {"@odata.type": "Microsoft.Dynamics.CRM.account", "telephone1": "1"},
        "PerformParentingChecks": False,
    }
    answer = session.post(api(sandbox, "Merge"), json=body)
    assert (answer.status_code, answer.content) == (204, b"")
    row = sandbox.store.row("account", kept)
    assert row is not None
    assert row["telephone1"] == "1"
    assert sandbox.store.row("account", merged)["merged"] is True


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"Target": None}, 400),
        ({"Subordinate": {"accountid": "x"}}, 400),
        ({"Subordinate": entity("x")}, 400),
        ({"Subordinate": entity("99999999-0000-0000-0000-000000000000")}, 404),
        ({"Subordinate": entity("99999999-0000-0000-0000-000000000000", "contact")}, 400),
        ({"UpdateContent": {"nothing": 1}}, 400),
    ],
)
def test_merge_refuses_what_it_can_t_do(crm: Any, change: dict[str, Any], status: int) -> None:
    sandbox, session = crm
    kept, merged, _ = accounts(sandbox)
    body = {"Target": entity(kept), "Subordinate": entity(merged), **change}
    before = sandbox.store.rows("account")
    assert session.post(api(sandbox, "Merge"), json=body).status_code == status
    assert session.get(api(sandbox, "Merge")).status_code == 405
    assert sandbox.store.rows("account") == before


def test_rows_of_some_tables_can_t_be_merged(crm: Any) -> None:
    sandbox, _ = crm
    with pytest.raises(ValueError, match="Rows of task can't be merged"):
        merge(sandbox.environment, "task", "a", "b")


def test_a_recalculated_rollup_moves_the_version_number_or_nothing(crm: Any) -> None:
    sandbox, session = crm
    key = accounts(sandbox)[0]
    query = "accounts?$select=opendeals"
    for setting, appears in (("version_number_only", True), ("nothing", False)):
        sandbox.switches = Switches().changed(rollup_recalculation=setting)
        before = sandbox.store.row("account", key)
        link = delta_link(sandbox, session, query)
        sandbox.clock.advance(60)
        recalculate(sandbox.environment, "account", key, {"opendeals": 40 + appears})
        after = sandbox.store.row("account", key)
        assert before is not None
        assert after is not None
        assert after["opendeals"] == 40 + appears
        assert after["modifiedon"] == before["modifiedon"]
        assert (after["versionnumber"] > before["versionnumber"]) is appears
        assert bool(session.get(link).json()["value"]) is appears


def test_deletes_in_bulk(crm: Any) -> None:
    sandbox, session = crm
    keys = accounts(sandbox)
    link = delta_link(sandbox, session)
    delete_in_bulk(sandbox.environment, "account", keys[:2])
    assert [entry["id"] for entry in session.get(link).json()["value"]] == keys[:2]
    sandbox.switches = Switches().changed(cascade_tombstones="parent_only")
    assert session.get(link).json()["value"] == []
    assert accounts(sandbox) == keys[2:]


def test_the_total_record_count_is_up_to_a_day_old(crm: Any) -> None:
    sandbox, _ = crm

    def count() -> int:
        with signed_in(sandbox) as fresh:
            answer = fresh.get(api(sandbox, "RetrieveTotalRecordCount(EntityNames=['account'])"))
        found = answer.json()["EntityRecordCountCollection"]
        assert found["Keys"] == ["account"]
        return int(found["Values"][0])

    assert count() == 3
    sandbox.store.create("account", {"name": "new"})
    sandbox.clock.advance(24 * 3600 - 1)
    assert count() == 3
    sandbox.clock.advance(1)
    assert count() == 4
    sandbox.store.create("account", {"name": "newer"})
    assert count() == 4
    sandbox.clock.advance(24 * 3600)
    assert count() == 5


def test_the_same_as_changes_for_the_control_port(crm: Any) -> None:
    sandbox, session = crm
    kept, merged, gone = accounts(sandbox)
    sandbox.switches = Switches().changed(cascade_tombstones="parent_only")
    (number,) = apply(sandbox, [{"reserve": "version"}])
    link = delta_link(sandbox, session)
    apply(
        sandbox,
        [
            {"create": "account", "values": {"name": "late"}, "version": number},
            {"merge": "account", "kept": kept, "merged": merged},
            {"recalculate": "account", "key": kept, "values": {"opendeals": 3}},
            {"delete": "account", "key": gone, "in_bulk": True},
        ],
    )
    late = sandbox.store.rows("account")[-1]
    assert (late["name"], late["versionnumber"]) == ("late", number)
    page = session.get(link).json()["value"]
    # What was deleted in bulk is not told.
    assert [row["accountid"] for row in page] == [late["accountid"], merged, kept]
