from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import jwt
import pytest
import requests

from dataverse_source.sandbox import Sandbox, Switches
from dataverse_source.sandbox.environment.access_rules import require_change_tracking, require_read
from dataverse_source.sandbox.environment.clock import Clock
from dataverse_source.sandbox.environment.environment import Caller
from dataverse_source.sandbox.http.messages import DataverseFault
from tests.support.sandbox.user_clients import api, session_of, sign_in, signed_in

GUIDS = r"[0-9a-f-]{36},[0-9a-f-]{36}"


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(rows={}) as sandbox:
        yield sandbox


@pytest.fixture
def own() -> Iterator[Sandbox]:
    with Sandbox(rows={}) as sandbox:
        yield sandbox


def test_headers_of_an_answer(running: Sandbox) -> None:
    with signed_in(running) as session:
        answer = session.get(api(running))
    assert answer.status_code == 200
    assert answer.headers["OData-Version"] == "4.0"
    assert answer.headers["Content-Type"] == "application/json; odata.metadata=minimal"
    assert re.fullmatch(GUIDS, answer.headers["x-ms-service-request-id"])
    assert re.fullmatch(GUIDS, answer.headers["REQ_ID"])
    assert answer.headers["x-ms-dop-hint"] == "4"
    assert int(answer.headers["x-ms-ratelimit-burst-remaining-xrm-requests"]) < 6000
    time_left = answer.headers["x-ms-ratelimit-time-remaining-xrm-requests"]
    assert re.fullmatch(r"(1,)?\d{3}\.\d\d", time_left)
    assert set(answer.cookies.keys()) == {"ARRAffinity", "ReqClientId"}


def test_gzip_when_asked(running: Sandbox) -> None:
    with signed_in(running) as session:
        packed = session.get(api(running))
        plain = session.get(api(running), headers={"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert packed.content == plain.content
    assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"])


def test_gzip_never() -> None:
    with (
        Sandbox(rows={}, switches=Switches(gzip="never")) as sandbox,
        signed_in(sandbox) as session,
    ):
        assert "Content-Encoding" not in session.get(api(sandbox)).headers


def test_head_has_no_body(running: Sandbox) -> None:
    with signed_in(running) as session:
        answer = session.head(api(running))
        assert answer.status_code == 200
        assert answer.content == b""
        assert session.get(api(running)).status_code == 200


def test_head_of_rows(running: Sandbox) -> None:
    with signed_in(running) as session:
        assert session.head(api(running, "WhoAmI")).status_code == 200
        assert session.head(api(running, "nothing")).status_code == 404


def test_another_application_with_fewer_rights(running: Sandbox) -> None:
    other = running.add_application(readable_tables=frozenset({"contact"}))
    secret = next(iter(other.secrets))
    token = sign_in(running, secret, client=other.client_id)["access_token"]
    with session_of(running) as session:
        session.headers["Authorization"] = f"Bearer {token}"
        assert session.get(api(running, "contacts?$top=1")).status_code == 200
        assert error_of(session.get(api(running, "accounts?$top=1")))[:2] == (403, "0x80040220")


def test_challenge_without_a_token(running: Sandbox) -> None:
    with session_of(running) as session:
        answer = session.get(api(running))
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == (
        f"Bearer authorization_uri={running.authority_host}/{running.tenant_id}"
        f"/oauth2/authorize, resource_id={running.environment_url}/"
    )


def forged(sandbox: Sandbox) -> str:
    claims = jwt.decode(sign_in(sandbox)["access_token"], options={"verify_signature": False})
    return jwt.encode(claims, "a key that only this test knows, and no one else", "HS256")


def for_graph(sandbox: Sandbox) -> str:
    scope = "https://graph.microsoft.com/.default"
    return str(sign_in(sandbox, scope=scope)["access_token"])


def altered(sandbox: Sandbox) -> str:
    head, claims, signature = str(sign_in(sandbox)["access_token"]).split(".")
    return f"{head}.{claims}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


@pytest.mark.parametrize("make", [forged, for_graph, altered])
def test_bad_tokens(running: Sandbox, make: object) -> None:
    assert callable(make)
    with session_of(running) as session:
        headers = {"Authorization": f"Bearer {make(running)}"}
        answer = session.get(api(running), headers=headers)
    assert answer.status_code == 401
    assert "error=" not in answer.headers["WWW-Authenticate"]


def test_challenge_may_say_what_is_wrong(own: Sandbox) -> None:
    own.switches = own.switches.changed(bad_bearer_challenge="error")
    with session_of(own) as session:
        answer = session.get(api(own), headers={"Authorization": "Bearer x"})
    assert answer.headers["WWW-Authenticate"].endswith(", error=invalid_token")


def test_audience_with_a_trailing_slash_is_good(running: Sandbox) -> None:
    token = sign_in(running, scope=f"{running.environment_url}//.default")["access_token"]
    assert jwt.decode(token, options={"verify_signature": False})["aud"].endswith("/")
    with session_of(running) as session:
        answer = session.get(api(running), headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200


def error_of(answer: requests.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["message"]


def test_no_application_user(own: Sandbox) -> None:
    with signed_in(own) as session:
        own.users.remove(own.client_id)
        assert error_of(session.get(api(own))) == (
            403,
            "0x80072560",
            "The user is not a member of the organization.",
        )


@pytest.mark.parametrize("status", ["403", "401"])
@pytest.mark.parametrize(
    ("change", "code"), [({"enabled": False}, "0x80040225"), ({"has_role": False}, "0x80042f09")]
)
def test_users_who_may_not_come_in(
    own: Sandbox, change: dict[str, bool], code: str, status: str
) -> None:
    own.switches = own.switches.changed(user_refusal_status=status)
    own.users.change(own.client_id, **change)
    with signed_in(own) as session:
        assert error_of(session.get(api(own)))[:2] == (int(status), code)


def test_missing_privilege(running: Sandbox) -> None:
    caller = Caller("u", "c", readable_tables=frozenset({"contact"}))
    tables = running.environment.schema.by_logical_name
    require_read(running.environment, caller, tables["contact"])
    with pytest.raises(DataverseFault, match="is missing prvReadAccount privilege") as refusal:
        require_read(running.environment, caller, tables["account"])
    assert (refusal.value.status, refusal.value.code) == (403, "0x80040220")
    assert "on OTC=1 for entity 'account' (LocalizedName='Account')" in refusal.value.message


@pytest.mark.parametrize("code", ["0x80040220", "0x80048306"])
def test_change_tracking_needs_organization_level_read(own: Sandbox, code: str) -> None:
    own.switches = own.switches.changed(tracking_privilege_code=code)
    table = own.environment.schema.by_logical_name["account"]
    require_change_tracking(own.environment, Caller("u", "c"), table)
    with pytest.raises(DataverseFault) as refusal:
        require_change_tracking(own.environment, Caller("u", "c", organization_read=False), table)
    assert (refusal.value.status, refusal.value.code) == (403, code)


@pytest.mark.parametrize("status", ["414", "400"])
def test_url_that_is_too_long(own: Sandbox, status: str) -> None:
    own.switches = own.switches.changed(long_url=status)
    with signed_in(own) as session:
        assert session.get(api(own, "?x=" + "a" * 30_000)).status_code != int(status)
        assert session.get(api(own, "?x=" + "a" * 32_768)).status_code == int(status)


def test_paths_outside_the_web_api(running: Sandbox) -> None:
    with signed_in(running) as session:
        answer = session.get(f"{running.environment_url}/main.aspx")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "text/html"


@pytest.mark.parametrize("version", ["v9.0", "v9.1", "v9.2"])
def test_versions(running: Sandbox, version: str) -> None:
    with signed_in(running) as session:
        answer = session.get(f"{running.environment_url}/api/data/{version}/")
        assert answer.json()["@odata.context"].startswith(
            f"{running.environment_url}/api/data/{version}/$metadata"
        )


def test_log_keeps_what_was_asked(own: Sandbox) -> None:
    with signed_in(own) as session:
        own.requests.clear()
        session.get(api(own, "?a=%20b"), headers={"Prefer": "odata.maxpagesize=3"})
        session.get(api(own, "EntityDefinitions(LogicalName='nothing')"))
    first, second = own.requests
    assert (first.method, first.path, first.query) == ("GET", "/api/data/v9.2/", "a=%20b")
    assert first.headers["prefer"] == "odata.maxpagesize=3"
    assert first.status is not None
    assert second.status == 404
    assert own.requests.matching("EntityDefinitions") == [second]


def test_the_date_of_an_answer_is_that_of_the_sandboxs_clock() -> None:
    with Sandbox(rows={}, clock=Clock(datetime(2031, 5, 4, tzinfo=timezone.utc))) as sandbox:
        answer = requests.get(
            f"{sandbox.environment_url}/api/data/v9.2/", verify=sandbox.ca_bundle, timeout=60
        )
    assert parsedate_to_datetime(answer.headers["Date"]).year == 2031
