from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msal
import pytest
import requests

from dataverse_source.sandbox import Sandbox
from tests.support.sandbox.user_clients import api, session_of, sign_in, signed_in

Ask = Callable[..., requests.Response]


@pytest.fixture
def running() -> Iterator[Sandbox]:
    with Sandbox(rows={"account": 8}, control_port=0) as sandbox:
        yield sandbox


@pytest.fixture
def ask(running: Sandbox) -> Iterator[Ask]:
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {running.control_token}"

        def asked(method: str, path: str, body: Any = None) -> requests.Response:
            return session.request(method, f"{running.control_url}/{path}", json=body)

        yield asked


def test_tells_how_to_connect(running: Sandbox, ask: Ask) -> None:
    assert ask("GET", "").json() == running.connection
    assert running.connection["control_url"] == running.control_url
    assert running.connection["control_token"] == running.control_token


def test_there_is_none_unless_asked_for() -> None:
    with Sandbox(rows={}) as sandbox:
        assert sandbox.control_url is None
        assert "control_url" not in sandbox.connection


def test_rows_can_be_made_changed_and_deleted(running: Sandbox, ask: Ask) -> None:
    made = {"create": "account", "values": {"name": "Ünder", "revenue": 12345678901.1234}}
    (key,) = ask("POST", "changes", [made]).json()
    row = ask("GET", f"rows/account/{key}").json()
    assert (row["name"], row["revenue"]) == ("Ünder", "12345678901.1234")
    ask("POST", "changes", [{"update": "account", "key": key, "values": {"name": "Other"}}])
    with signed_in(running) as session:
        answer = session.get(api(running, f"accounts({key})?$select=name")).json()
        assert answer["name"] == "Other"
    assert len(ask("GET", "rows/account").json()) == 9
    ask("POST", "changes", [{"delete": "account", "key": key}])
    assert ask("GET", f"rows/account/{key}").status_code == 404


def test_schema_can_be_changed(running: Sandbox, ask: Ask) -> None:
    column = {"name": "new_size", "type": "Integer", "schema_name": "new_Size"}
    added = [
        {"add_column": "account", "column": column},
        {"create": "account", "values": {"name": "x", "new_size": 7}},
    ]
    assert ask("POST", "changes", added).status_code == 200
    with signed_in(running) as session:
        url = api(running, "accounts?$select=new_size&$filter=new_size eq 7")
        assert len(session.get(url).json()["value"]) == 1
        definition = api(running, "EntityDefinitions(LogicalName='account')/Attributes")
        names = {each["LogicalName"] for each in session.get(definition).json()["value"]}
        assert "new_size" in names
        ask("POST", "changes", [{"remove_column": "account", "name": "new_size"}])
        assert session.get(url).status_code == 400


def test_changes_between_pages(running: Sandbox, ask: Ask) -> None:
    hook = {
        "path": "/accounts",
        "nth": 2,
        "changes": [{"create": "account", "values": {"name": "late"}}],
    }
    assert ask("POST", "hooks", hook).json() == {"pending": 1}
    with signed_in(running) as session:
        session.headers["Prefer"] = "odata.maxpagesize=3"
        answer = session.get(api(running, "accounts?$select=name&$orderby=createdon")).json()
        assert running.store.count("account") == 8
        answer = session.get(answer["@odata.nextLink"]).json()
        assert running.store.count("account") == 9
        names = [row["name"] for row in session.get(answer["@odata.nextLink"]).json()["value"]]
    assert names[-1] == "late"
    assert ask("GET", "hooks").json() == {"pending": 0, "ran": 1}


def test_clock(running: Sandbox, ask: Ask) -> None:
    ask("PUT", "clock", {"frozen": True, "now": "2026-02-03T04:05:06Z"})
    assert ask("GET", "clock").json() == {"now": "2026-02-03T04:05:06Z", "frozen": True}
    assert ask("POST", "changes", [{"advance": 60}]).json() == ["2026-02-03T04:06:06+00:00"]
    ask("PUT", "clock", {"frozen": False})
    assert not running.clock.is_frozen


def test_switches(running: Sandbox, ask: Ask) -> None:
    assert ask("PATCH", "switches", {"gzip": "never"}).json()["gzip"] == "never"
    assert running.switches.gzip == "never"
    refused = ask("PATCH", "switches", {"gzip": "often"})
    assert (refused.status_code, "gzip can't be 'often'" in refused.json()["error"]) == (400, True)


def test_limits_and_latency(running: Sandbox, ask: Ask) -> None:
    ask("PATCH", "limits", {"enforced": True, "requests": 1, "execution_seconds": 1200.5})
    ask("PATCH", "latency", {"base_seconds": 0.001})
    with signed_in(running) as session:
        assert [session.get(api(running, "WhoAmI")).status_code for _ in range(2)] == [200, 429]
        assert ask("GET", "limits").json()["refused"] == {"0x80072322": 1}
        ask("DELETE", "limits")
        assert session.get(api(running, "WhoAmI")).status_code == 200
    assert running.latency.base_seconds == 0.001
    assert running.limits.settings.execution_seconds == 1200.5


def test_faults(running: Sandbox, ask: Ask) -> None:
    ask("POST", "faults", {"kind": "throttled", "retry_after": 1.5, "path": "/WhoAmI", "times": 2})
    ask("POST", "faults/random", {"rates": {"json_500": 1.0}, "path": "/accounts"})
    with signed_in(running) as session:
        assert session.get(api(running, "WhoAmI")).status_code == 429
        assert session.get(api(running, "accounts")).status_code == 500
        fired = ask("GET", "faults").json()
        assert fired["pending"] == 1
        assert [kind for kind, _ in fired["fired"]] == ["throttled", "json_500"]
        ask("DELETE", "faults")
        assert session.get(api(running, "WhoAmI")).status_code == 200


def test_requests(running: Sandbox, ask: Ask) -> None:
    with signed_in(running) as session:
        ask("DELETE", "requests")
        session.get(api(running, "WhoAmI?a=b"))
    (entry,) = ask("GET", "requests").json()
    assert (entry["path"], entry["query"], entry["status"]) == ("/api/data/v9.2/WhoAmI", "a=b", 200)
    assert entry["headers"]["authorization"].startswith("Bearer ")


def test_applications_with_their_own_rights(running: Sandbox, ask: Ask) -> None:
    user = {"readable_tables": ["contact"], "organization_read": False}
    made = ask("POST", "applications", {"name": "Other", "user": user}).json()
    token = sign_in(running, made["client_secret"], client=made["client_id"])["access_token"]
    with session_of(running) as session:
        session.headers["Authorization"] = f"Bearer {token}"
        assert session.get(api(running, "contacts")).status_code == 200
        refused = session.get(api(running, "accounts"))
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "0x80040220")
        change = {"user": made["client_id"], "values": {"enabled": False}}
        ask("POST", "changes", [change])
        assert session.get(api(running, "contacts")).json()["error"]["code"] == "0x80040225"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("GET", "nothing", None, 404, "There is no GET /nothing"),
        ("POST", "changes", [{"burn": 1}], 400, "is not a known change. Begin with one of: create"),
        ("POST", "changes", {"create": "account"}, 400, "a JSON list of objects"),
        ("POST", "changes", [{"update": "account"}], 400, "needs 'key'"),
        ("POST", "changes", [{"create": "account", "values": {"nope": 1}}], 400, "nope"),
        ("POST", "changes", [{"add_column": "nope", "column": {}}], 400, "name"),
        ("POST", "hooks", {"changes": [{"burn": 1}]}, 400, "is not a known change"),
        ("POST", "hooks", {"changes": [], "when": "never"}, 400, "'before' or 'after'"),
        ("POST", "faults", {"kind": "fire"}, 400, "no fault 'fire'"),
        ("PUT", "clock", {"now": "noon"}, 400, "noon"),
        ("PATCH", "limits", [1], 400, "items"),
    ],
)
def test_says_what_is_wrong(
    ask: Ask, method: str, path: str, body: Any, status: int, said: str
) -> None:
    answer = ask(method, path, body)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    "headers", [{"Host": "rebound.example"}, {"Host": "localhost.evil:80"}, {"Origin": "null"}]
)
def test_web_pages_are_refused(running: Sandbox, ask: Ask, headers: dict[str, str]) -> None:
    named = {"Authorization": f"Bearer {running.control_token}", **headers}
    with session_of(running) as session:
        for url in (f"{running.control_url}/", api(running, "WhoAmI")):
            assert session.get(url, headers=named, timeout=30).status_code == 403
    assert ask("GET", "clock").status_code == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}, {"Authorization": "Basic"}])
def test_the_token_is_needed(running: Sandbox, headers: dict[str, str]) -> None:
    for method, path in (("GET", ""), ("POST", "changes"), ("GET", "nothing")):
        answer = requests.request(
            method, f"{running.control_url}/{path}", headers=headers, timeout=30
        )
        assert answer.status_code == 401
        assert "control_token" in answer.json()["error"]


def test_the_token_may_be_given() -> None:
    with Sandbox(rows={}, control_port=0, control_token="mine") as sandbox:
        headers = {"Authorization": "Bearer mine"}
        assert requests.get(f"{sandbox.control_url}/", headers=headers, timeout=30).ok


def test_msal_gets_a_token_as_a_machine_in_azure(
    running: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", str(running.control_url))
    with requests.Session() as plain, session_of(running) as session:
        plain.trust_env = False
        client = msal.ManagedIdentityClient(msal.SystemAssignedManagedIdentity(), http_client=plain)
        answer = client.acquire_token_for_client(resource=running.environment_url)
        session.headers["Authorization"] = f"Bearer {answer['access_token']}"
        assert session.get(api(running, "WhoAmI")).status_code == 200


def test_managed_identity_refuses(running: Sandbox) -> None:
    url = f"{running.control_url}/metadata/identity/oauth2/token"
    right = {"api-version": "2018-02-01", "resource": running.environment_url}

    def asked(changes: dict[str, str], headers: dict[str, str]) -> tuple[int, str]:
        answer = requests.get(url, params={**right, **changes}, headers=headers, timeout=30)
        return answer.status_code, answer.json().get("error", "")

    machine = {"Metadata": "true"}
    assert asked({}, machine) == (200, "")
    assert asked({"client_id": running.client_id}, machine) == (200, "")
    assert asked({}, {}) == (400, "invalid_request")
    assert asked({"client_id": "another"}, machine) == (400, "invalid_request")
    assert asked({"resource": "https://a.example"}, machine) == (400, "invalid_resource")
    assert asked({"api-version": "1"}, machine) == (400, "invalid_request")
