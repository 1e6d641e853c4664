from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import jwt
import pytest
import requests

from dataverse_source.sandbox import Sandbox
from tests.support.sandbox.user_clients import api, session_of, sign_in

OTHER_TENANT = "99999999-0000-4000-8000-000000000000"
DESCRIPTION = re.compile(
    r"AADSTS(\d+): .+ Trace ID: [0-9a-f-]{36} Correlation ID: [0-9a-f-]{36} "
    r"Timestamp: \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"
)


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(rows={}) as sandbox:
        yield sandbox


def token_endpoint(sandbox: Sandbox, tenant: str | None = None) -> str:
    return f"{sandbox.authority_host}/{tenant or sandbox.tenant_id}/oauth2/v2.0/token"


def right_form(sandbox: Sandbox) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        "scope": f"{sandbox.environment_url}/.default",
    }


def refused(answer: requests.Response) -> tuple[int, str, int]:
    """Status, error and AADSTS code, after a look at the rest of the body."""
    body = answer.json()
    found = DESCRIPTION.fullmatch(body["error_description"])
    assert found, body["error_description"]
    assert body["error_codes"] == [int(found.group(1))]
    assert body["timestamp"] in body["error_description"]
    assert body["trace_id"] in body["error_description"]
    assert body["correlation_id"] in body["error_description"]
    assert body["error_uri"].endswith(f"/error?code={body['error_codes'][0]}")
    return answer.status_code, body["error"], body["error_codes"][0]


def test_msal_signs_in_with_a_secret(running: Sandbox) -> None:
    answer = sign_in(running)
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] == 3599
    claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
    assert claims["aud"] == running.environment_url
    assert claims["appid"] == running.client_id
    assert claims["tid"] == running.tenant_id
    assert claims["oid"] == running.application.object_id
    assert claims["exp"] - claims["iat"] == 3599


def test_keys_of_discovery_verify_the_token(running: Sandbox) -> None:
    token = sign_in(running)["access_token"]
    with session_of(running) as session:
        found = (
            f"{running.authority_host}/{running.tenant_id}/v2.0/.well-known/openid-configuration"
        )
        document = session.get(found).json()
        keys = session.get(document["jwks_uri"]).json()["keys"]
    key = next(key for key in keys if key["kid"] == jwt.get_unverified_header(token)["kid"])
    claims = jwt.decode(
        token, jwt.PyJWK(key).key, algorithms=["RS256"], audience=running.environment_url
    )
    assert claims["appid"] == running.client_id


def test_basic_header_is_as_good_as_the_form(running: Sandbox) -> None:
    form = right_form(running)
    secret = form.pop("client_secret")
    with session_of(running) as session:
        answer = session.post(token_endpoint(running), data=form, auth=(form["client_id"], secret))
    assert answer.status_code == 200


def test_tenant_may_be_named_by_domain(running: Sandbox) -> None:
    assert "access_token" in sign_in(running, tenant="contososandbox.onmicrosoft.com")


@pytest.mark.parametrize(
    ("changes", "status", "error", "code"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
        ({"client_secret": ""}, 401, "invalid_client", 7000216),
        ({"client_id": OTHER_TENANT}, 400, "unauthorized_client", 700016),
        ({"client_id": ""}, 400, "invalid_request", 900144),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
        ({"scope": "https://a/.default https://b/.default"}, 400, "invalid_scope", 70011),
        ({"scope": "https://a/user_impersonation"}, 400, "invalid_scope", 1002012),
        ({"scope": "https://a.example/.default"}, 400, "invalid_resource", 500011),
        ({"client_assertion": "x"}, 400, "invalid_request", 50027),
    ],
)
def test_refusals(
    running: Sandbox, changes: dict[str, str], status: int, error: str, code: int
) -> None:
    with session_of(running) as session:
        answer = session.post(token_endpoint(running), data={**right_form(running), **changes})
    assert refused(answer) == (status, error, code)


def test_msal_shows_the_refusal(running: Sandbox) -> None:
    answer = sign_in(running, "wrong")
    assert answer["error"] == "invalid_client"
    assert answer["error_codes"] == [7000215]
    assert running.client_id in answer["error_description"]


@pytest.mark.parametrize(("tenant", "code"), [(OTHER_TENANT, 90002), ("nonsense", 900023)])
def test_unknown_tenants(running: Sandbox, tenant: str, code: int) -> None:
    with session_of(running) as session:
        answer = session.post(token_endpoint(running, tenant), data=right_form(running))
    assert refused(answer) == (400, "invalid_request", code)


def test_discovery_of_an_unknown_tenant(running: Sandbox) -> None:
    with session_of(running) as session:
        answer = session.get(
            f"{running.authority_host}/{OTHER_TENANT}/v2.0/.well-known/openid-configuration"
        )
    assert refused(answer) == (400, "invalid_tenant", 90002)
    with pytest.raises(ValueError, match="double check your tenant"):
        sign_in(running, tenant=OTHER_TENANT)


def test_correlation_id_is_the_clients(running: Sandbox) -> None:
    mine = "11111111-2222-4333-8444-555555555555"
    with session_of(running) as session:
        answer = session.post(
            token_endpoint(running),
            data={**right_form(running), "client_secret": "wrong"},
            headers={"client-request-id": mine},
        )
    assert answer.json()["correlation_id"] == mine


def test_token_endpoint_takes_only_post(running: Sandbox) -> None:
    with session_of(running) as session:
        assert refused(session.get(token_endpoint(running)))[2] == 900561


def test_secret_past_its_end() -> None:
    with Sandbox(rows={}) as sandbox:
        ends = sandbox.clock.now() + timedelta(days=1)
        secret = sandbox.application.add_secret(expires=ends)
        assert "access_token" in sign_in(sandbox, secret)
        sandbox.clock.advance(86_401)
        assert sign_in(sandbox, secret)["error_codes"] == [7000222]


def test_lifetime_is_a_setting_and_counts_by_the_sandboxs_clock() -> None:
    with Sandbox(rows={}, token_lifetime=600) as sandbox, session_of(sandbox) as session:
        answer = sign_in(sandbox)
        assert answer["expires_in"] == 600
        session.headers["Authorization"] = f"Bearer {answer['access_token']}"
        assert session.get(api(sandbox)).status_code == 200
        sandbox.clock.advance(601)
        assert session.get(api(sandbox)).status_code == 401


def test_the_older_endpoint_takes_a_resource(running: Sandbox) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": running.client_id,
        "client_secret": running.client_secret,
        "resource": running.environment_url,
    }
    url = f"{running.authority_host}/{running.tenant_id}/oauth2/token"
    with session_of(running) as session:
        issued = session.post(url, data=form).json()
        assert issued["resource"] == running.environment_url
        assert issued["expires_in"] == "3599"
        assert int(issued["expires_on"]) - int(issued["not_before"]) == 3599
        session.headers["Authorization"] = f"Bearer {issued['access_token']}"
        assert session.get(api(running, "WhoAmI")).status_code == 200
        del session.headers["Authorization"]
        for change, code in (
            ({"resource": ""}, 900144),
            ({"resource": "https://elsewhere.example"}, 500011),
            ({"client_secret": "wrong"}, 7000215),
        ):
            refused = session.post(url, data={**form, **change})
            assert code in refused.json()["error_codes"]
