"""People who have signed in: their refresh tokens, and what their access tokens stand for."""

from __future__ import annotations

from collections.abc import Iterator

import jwt
import msal
import pytest
import requests

from dataverse_source.sandbox import Sandbox
from tests.support.sandbox.user_clients import api, session_of

OBJECT_ID = "11111111-2222-4333-8444-555555555555"
OTHER_OBJECT_ID = "11111111-2222-4333-8444-666666666666"


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(rows={"account": 3}) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def person(running: Sandbox) -> str:
    values = {"fullname": "Ada Example", "azureactivedirectoryobjectid": OBJECT_ID}
    return running.store.create("systemuser", values)


def redeem(sandbox: Sandbox, path: str, **form: str) -> requests.Response:
    """The answer of a token endpoint to a refresh token."""
    right = {
        "grant_type": "refresh_token",
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
    }
    with session_of(sandbox) as session:
        return session.post(f"{sandbox.authority_host}/{path}", data=right | form)


def who_am_i(sandbox: Sandbox, token: str) -> requests.Response:
    """Whom Dataverse sees behind an access token."""
    with session_of(sandbox) as session:
        return session.get(api(sandbox, "WhoAmI"), headers={"Authorization": f"Bearer {token}"})


def test_v1_endpoint_of_any_tenant(running: Sandbox, person: str) -> None:
    url = running.environment_url
    form = {"refresh_token": running.sign_in(person), "resource": url}
    answer = redeem(running, "common/oauth2/token", **form).json()
    assert (answer["scope"], answer["resource"]) == ("user_impersonation", url)
    claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
    assert (claims["oid"], claims["scp"]) == (OBJECT_ID, "user_impersonation")
    assert "idtyp" not in claims
    assert who_am_i(running, answer["access_token"]).json()["UserId"] == person
    form["refresh_token"] = answer["refresh_token"]
    again = redeem(running, "common/oauth2/token", **form).json()
    assert who_am_i(running, again["access_token"]).json()["UserId"] == person


def test_v2_endpoint_through_msal(running: Sandbox, person: str) -> None:
    with session_of(running) as session:
        application = msal.ConfidentialClientApplication(
            running.client_id,
            authority=f"{running.authority_host}/{running.tenant_id}",
            instance_discovery=False,
            client_credential=running.client_secret,
            http_client=session,
        )
        scopes = [f"{running.environment_url}/user_impersonation"]
        answer = application.acquire_token_by_refresh_token(running.sign_in(person), scopes)
    assert who_am_i(running, answer["access_token"]).json()["UserId"] == person


def test_person_has_rights_of_its_own(running: Sandbox, person: str) -> None:
    form = {"refresh_token": running.sign_in(person), "resource": running.environment_url}
    token = redeem(running, "common/oauth2/token", **form).json()["access_token"]
    running.users.limit(person, readable_tables=frozenset({"contact"}))
    with session_of(running) as session:
        session.headers["Authorization"] = f"Bearer {token}"
        assert session.get(api(running, "contacts")).status_code == 200
        assert session.get(api(running, "accounts")).status_code == 403
        running.users.limit(person)
        assert session.get(api(running, "accounts")).status_code == 200


def test_a_person_who_is_no_user_is_refused(running: Sandbox) -> None:
    gone = running.store.create("systemuser", {"azureactivedirectoryobjectid": OTHER_OBJECT_ID})
    form = {"refresh_token": running.sign_in(gone), "resource": running.environment_url}
    running.store.delete("systemuser", gone)
    token = redeem(running, "common/oauth2/token", **form).json()["access_token"]
    refused = who_am_i(running, token)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "0x80072560")


def test_tokens_that_are_not_the_applications(running: Sandbox, person: str) -> None:
    other = running.add_application()
    form = {"refresh_token": running.sign_in(person), "resource": running.environment_url}
    secret = next(iter(other.secrets))
    for changed, code in (
        ({"refresh_token": "made up"}, 9002313),
        ({"client_id": other.client_id, "client_secret": secret}, 70000),
    ):
        answer = redeem(running, "common/oauth2/token", **{**form, **changed})
        assert answer.status_code == 400
        assert (answer.json()["error"], answer.json()["error_codes"]) == ("invalid_grant", [code])
    assert redeem(running, "common/oauth2/token", resource=form["resource"]).json()[
        "error_codes"
    ] == [900144]


def test_who_cannot_sign_in(running: Sandbox) -> None:
    with pytest.raises(ValueError, match="has an azureactivedirectoryobjectid"):
        running.sign_in(OBJECT_ID)
