"""Managed identities: MSAL against the sandbox's machine endpoint, and App Service's form."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from dataverse_source.client.session import new_session
from dataverse_source.credentials import DataverseCredentials, token_source
from dataverse_source.errors import AuthenticationError, ConfigurationError, ConnectionFailedError
from dataverse_source.sandbox import Application, Sandbox
from dataverse_source.sandbox.sandbox import USER_ID
from tests.support.servers import Answer, Received, json_answer, script, serving
from tests.support.sign_in_material import client, user_id, user_of

ENVIRONMENT = "https://contoso.crm4.dynamics.com"
VARIABLES = (
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "IDENTITY_SERVER_THUMBPRINT",
    "IMDS_ENDPOINT",
    "MSI_ENDPOINT",
    "MSI_SECRET",
)
MACHINE = DataverseCredentials(auth_type="managed_identity")


@pytest.fixture(autouse=True)
def no_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def machine(tenant: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """This machine is one in Azure, with the sandbox's endpoint."""
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", tenant.environment_url)
    return tenant


def tokens_of(credentials: DataverseCredentials) -> Iterator[str]:
    with new_session() as session:
        source = token_source(credentials, ENVIRONMENT, session=session, pause=lambda _: None)
        yield source.token()
        yield source.renew("token-1")


def token_of(credentials: DataverseCredentials) -> str:
    return next(tokens_of(credentials))


def test_system_assigned(machine: Sandbox) -> None:
    assert user_of(machine, MACHINE) == USER_ID


def test_user_assigned(machine: Sandbox, app: Application) -> None:
    credentials = DataverseCredentials(auth_type="managed_identity", client_id=app.client_id)
    assert user_of(machine, credentials) == user_id(machine, app)


def test_a_token_that_ran_out_is_replaced(machine: Sandbox) -> None:
    machine.requests.clear()
    with client(machine, MACHINE) as found:
        found.get_json("WhoAmI")
        machine.clock.advance(7200)
        found.get_json("WhoAmI")
    assert len(machine.requests.matching("/metadata/identity/oauth2/token")) == 2


def test_an_identity_that_the_machine_does_not_have(machine: Sandbox) -> None:
    unknown = "00000000-0000-0000-0000-00000000000a"
    with pytest.raises(AuthenticationError, match="Identity not found") as caught:
        user_of(machine, DataverseCredentials(auth_type="managed_identity", client_id=unknown))
    assert unknown in str(caught.value)
    assert "SOURCES__DATAVERSE__CREDENTIALS__CLIENT_ID" in str(caught.value)


def test_proxies_are_passed_by(machine: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with new_session(ca_bundle=machine.ca_bundle) as session:
        source = token_source(MACHINE, machine.environment_url, session=session)
        assert source.token().startswith("eyJ")


def test_elsewhere_it_says_so_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
    with pytest.raises(ConnectionFailedError, match="no managed identity endpoint") as caught:
        token_of(MACHINE)
    assert caught.value.tries == 2
    assert "SOURCES__DATAVERSE__CREDENTIALS__AUTH_TYPE" in str(caught.value)


def app_service(answers: list[Answer], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Received]]:
    with serving(script(*answers)) as server:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{server.url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "header-that-nobody-may-see")
        yield server.received


def numbered(number: int) -> Answer:
    return json_answer(
        {
            "access_token": f"token-{number}",
            "expires_on": str(int(time.time()) + 3600),
            "resource": ENVIRONMENT,
            "token_type": "Bearer",
        }
    )


def test_app_service(monkeypatch: pytest.MonkeyPatch) -> None:
    for received in app_service([numbered(1), numbered(2)], monkeypatch):
        credentials = DataverseCredentials(auth_type="managed_identity", client_id="abc")
        assert list(tokens_of(credentials)) == ["token-1", "token-2"]
        assert received[0].headers["x-identity-header"] == "header-that-nobody-may-see"
        assert "client_id=abc" in received[0].target
        assert "resource=https%3A%2F%2Fcontoso.crm4.dynamics.com" in received[0].target


def test_an_endpoint_that_is_being_updated(monkeypatch: pytest.MonkeyPatch) -> None:
    failing = [Answer(404), Answer(410), Answer(503), Answer(200, b"<html>")]
    for received in app_service([*failing, numbered(1)], monkeypatch):
        assert token_of(MACHINE) == "token-1"
        assert len(received) == 5


@pytest.mark.parametrize(
    "answer",
    [
        json_answer({"statusCode": 400, "message": "No identity eyJhbGciOi.eyJhdWQi.c2ln"}, 400),
        json_answer({"access_token": "kept-secret"}),
        json_answer({"access_token": "kept-secret", "expires_on": "soon"}),
        Answer(401, b"", {"WWW-Authenticate": "Basic realm=x"}),
        Answer(302, b"", {"Location": "https://evil.example/"}),
    ],
)
def test_answers_without_a_token(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in app_service([answer] * 9, monkeypatch):
        with pytest.raises(AuthenticationError) as caught:
            token_of(MACHINE)
        assert "eyJhbGciOi" not in str(caught.value)
        assert "kept-secret" not in str(caught.value)
        assert "header-that-nobody-may-see" not in str(caught.value)


def test_service_fabric_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_SERVER_THUMBPRINT", "AB" * 20)
    with pytest.raises(ConfigurationError, match="Service Fabric"):
        token_of(MACHINE)
