from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.api.hooks import Hooks
from dataverse_source.sandbox.http.messages import Request
from dataverse_source.sandbox.schema.schema_changes import with_column
from dataverse_source.sandbox.schema.tables import Column
from tests.support.sandbox.user_clients import api, signed_in

REQUEST = Request("GET", "/api/data/v9.2/accounts", "$top=1")


@pytest.fixture
def running() -> Iterator[Sandbox]:
    with Sandbox(rows={"account": 6}) as sandbox:
        yield sandbox


@pytest.fixture
def session(running: Sandbox) -> Iterator[requests.Session]:
    with signed_in(running) as session:
        session.headers["Prefer"] = "odata.maxpagesize=2"
        yield session


def test_runs_from_the_nth_request_so_often() -> None:
    hooks, seen = Hooks(), []
    hooks.on("/accounts", lambda: seen.append(len(seen)), nth=2, times=2)
    for _ in range(5):
        hooks.run("before", REQUEST)
        hooks.run("after", REQUEST)
    assert seen == [0, 1]
    assert (hooks.pending, hooks.ran) == (0, 2)


def test_runs_at_matching_requests_only() -> None:
    hooks, seen = Hooks(), []
    hooks.on(r"\$top", lambda: seen.append("query"), times=None)
    hooks.on("/contacts", lambda: seen.append("path"))
    hooks.on("", lambda: seen.append("method"), method="POST")
    hooks.on("", lambda: seen.append("before"), when="before")
    hooks.run("before", REQUEST)
    hooks.run("after", REQUEST)
    hooks.run("after", REQUEST)
    assert seen == ["before", "query", "query"]
    hooks.clear()
    assert hooks.pending == 0


def test_row_deleted_between_pages(running: Sandbox, session: requests.Session) -> None:
    last = max(running.store.rows("account"), key=lambda row: str(row["createdon"]))
    running.hooks.on("/accounts", lambda: running.store.delete("account", last["accountid"]))
    url: str | None = api(running, "accounts?$select=accountid&$orderby=createdon")
    keys = []
    while url:
        page = session.get(url).json()
        keys += [row["accountid"] for row in page["value"]]
        url = page.get("@odata.nextLink")
    assert len(keys) == 5
    assert last["accountid"] not in keys


def test_schema_changed_while_reading(running: Sandbox, session: requests.Session) -> None:
    column = Column("new_note", "String", schema_name="new_Note", max_length=100)

    def add() -> None:
        running.store.change_schema(with_column(running.store.schema, "account", column))

    running.hooks.on("/accounts", add)
    first = session.get(api(running, "accounts")).json()
    second = session.get(first["@odata.nextLink"]).json()
    assert "new_note" not in first["value"][0]
    assert second["value"][0]["new_note"] is None


def test_row_that_becomes_visible_late(running: Sandbox, session: requests.Session) -> None:
    version = running.store.reserve_version()
    running.store.create("account", {"name": "quick"})
    quick = api(running, f"accounts?$select=name&$filter=versionnumber gt {version}")
    assert [row["name"] for row in session.get(quick).json()["value"]] == ["quick"]
    assert running.store.settled_version == version - 1
    running.store.create("account", {"name": "slow"}, version=version)
    assert running.store.settled_version == running.store.version
    late = api(running, f"accounts?$select=name&$filter=versionnumber eq {version}")
    assert [row["name"] for row in session.get(late).json()["value"]] == ["slow"]


def test_action_that_fails_is_a_500(running: Sandbox, session: requests.Session) -> None:
    running.hooks.on("/WhoAmI", lambda: running.store.delete("account", "nonsense"))
    answer = session.get(api(running, "WhoAmI"))
    assert answer.status_code == 500
    assert "nonsense" in answer.json()["error"]["message"]


def test_refuses_what_can_not_be() -> None:
    with pytest.raises(ValueError, match="'before' or 'after'"):
        Hooks().on("", print, nth=0)
