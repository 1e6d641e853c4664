"""What other clients ask for first: it is there, or the refusal says that the sandbox lacks it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from dataverse_source.sandbox import Sandbox
from tests.support.sandbox.user_clients import api, signed_in


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(rows={"team": 2}) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def session(running: Sandbox) -> Iterator[requests.Session]:
    with signed_in(running) as made:
        yield made


def error(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["message"]


def test_a_lookup_to_a_table_that_is_lacking(running: Sandbox, session: requests.Session) -> None:
    steps = api(running, "sdkmessageprocessingsteps?$expand=")
    assert error(session.get(f"{steps}plugintypeid($select=name)")) == (
        501,
        "The sandbox has no table plugintype yet: 'plugintypeid' can't be expanded.",
    )
    assert error(session.get(f"{steps}nothing"))[0] == 400
    assert session.get(f"{steps}sdkmessageid($select=name)").status_code == 200


def test_search_is_lacking(running: Sandbox, session: requests.Session) -> None:
    address = f"{running.environment_url}/api/search/v2.0/query"
    assert error(session.post(address, json={"search": "a"})) == (
        501,
        "The sandbox has no search yet.",
    )
    other = session.get(f"{running.environment_url}/api/other")
    assert other.status_code == 404


def test_roles_of_teams(running: Sandbox, session: requests.Session) -> None:
    unit = running.store.rows("businessunit")[0]["businessunitid"]
    role = running.store.create("role", {"name": "Reader", "businessunitid": unit})
    team = running.store.rows("team")[0]["teamid"]
    running.store.create("teamroles", {"teamid": team, "roleid": role})
    rest = f"teams({team})?$select=name&$expand=teamroles_association($select=name)"
    (found,) = session.get(api(running, rest)).json()["teamroles_association"]
    assert found["name"] == "Reader"


@pytest.mark.parametrize(
    ("table", "supported"),
    [
        ("account", ["CreateMultiple", "UpdateMultiple", "UpsertMultiple"]),
        ("new_project", ["CreateMultiple", "UpdateMultiple", "UpsertMultiple"]),
        ("new_sensorreading", []),
        ("teamroles", []),
    ],
)
def test_which_tables_take_bulk_messages(
    running: Sandbox, session: requests.Session, table: str, supported: list[str]
) -> None:
    """The query that docs page "Use bulk operation messages" shows."""
    options = {
        "$select": "sdkmessagefilterid",
        "$expand": "sdkmessageid($select=name)",
        "$filter": f"primaryobjecttypecode eq '{table}' and endswith(sdkmessageid/name,'Multiple')",
    }
    answer = session.get(api(running, "sdkmessagefilters"), params=options)
    rows: list[dict[str, Any]] = answer.json()["value"]
    assert sorted(row["sdkmessageid"]["name"] for row in rows) == supported
