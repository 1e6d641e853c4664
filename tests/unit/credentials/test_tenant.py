"""The environment's answer to a request without a token, in all the forms that it comes in."""

from __future__ import annotations

import pytest
import requests

from dataverse_source.client.retry import ONCE, USUAL_POLICY
from dataverse_source.credentials import login_http
from dataverse_source.credentials.login_http import LoginHttp, Wire
from dataverse_source.credentials.tenant_discovery import ask_environment
from dataverse_source.errors import AuthenticationError, ConfigurationError, ConnectionFailedError
from tests.support.servers import TENANT, Answer, dripping, script, serving, tls_context


def ask(session: requests.Session, url: str) -> tuple[str, str]:
    wire = Wire(session, timeout=5.0, policy=USUAL_POLICY, pause=lambda _: None)
    return ask_environment(LoginHttp(wire), url)


def challenge(text: str, status: int = 401) -> Answer:
    return Answer(status, b"", {"WWW-Authenticate": text})


RESOURCE = "resource_id=https://contoso.crm4.dynamics.com/"
FORMS = [
    f"Bearer authorization_uri=https://login.microsoftonline.com/{TENANT}/oauth2/authorize, "
    + RESOURCE,
    f"Bearer authorization_uri=https://login.microsoftonline.com/{TENANT}/oauth2/authorize,"
    + RESOURCE,
    f'Bearer authorization_uri="https://login.microsoftonline.com/{TENANT}/oauth2/authorize", '
    f'resource_id="https://contoso.crm4.dynamics.com/"',
    f"Bearer {RESOURCE}, "
    f"AUTHORIZATION_URI=https://login.microsoftonline.com/{TENANT}/oauth2/authorize",
    f"Bearer authorization_uri=https://login.microsoftonline.com/{TENANT}",
]


@pytest.mark.parametrize("form", FORMS)
def test_the_forms_of_a_challenge(session: requests.Session, form: str) -> None:
    with serving(script(challenge(form)), tls_context()) as server:
        assert ask(session, server.url) == ("login.microsoftonline.com", TENANT)
    (request,) = server.received
    assert request.target == "/api/data/v9.2/"
    assert "authorization" not in request.headers


@pytest.mark.parametrize(
    "answer",
    [
        Answer(401),
        Answer(200, b"{}"),
        Answer(404, b"<html>"),
        Answer(302, b"", {"Location": "https://login.example/"}),
        challenge("Negotiate"),
        challenge("Bearer authorization_uri=http://login.example/tenant/oauth2/authorize"),
        challenge("Bearer authorization_uri=https://login.example"),
        challenge("Bearer authorization_uri=https:///tenant"),
    ],
)
def test_answers_that_name_no_tenant(session: requests.Session, answer: Answer) -> None:
    with (
        serving(script(answer), tls_context()) as server,
        pytest.raises(ConfigurationError) as caught,
    ):
        ask(session, server.url)
    assert "SOURCES__DATAVERSE__CREDENTIALS__TENANT_ID" in str(caught.value)


def test_an_environment_that_fails_for_a_while(session: requests.Session) -> None:
    answers = script(Answer(503), Answer(drop=True), Answer(429), challenge(FORMS[0]))
    with serving(answers, tls_context()) as server:
        assert ask(session, server.url) == ("login.microsoftonline.com", TENANT)


def test_an_environment_that_keeps_failing(session: requests.Session) -> None:
    with (
        serving(lambda _: Answer(503), tls_context()) as server,
        pytest.raises(AuthenticationError, match="HTTP status 503"),
    ):
        ask(session, server.url)


def test_an_environment_that_is_not_there(session: requests.Session) -> None:
    with pytest.raises(ConnectionFailedError) as caught:
        ask(session, "https://contoso.invalid")
    assert "SOURCES__DATAVERSE__ENVIRONMENT_URL" in str(caught.value)


def test_an_answer_that_drips_is_given_up(
    session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_http, "LONGEST_ANSWER", 0.05)
    with dripping(b"HTTP/1.1 401 Unauthorized\r\nX-Slow: ") as url:
        wire = Wire(session, timeout=10.0, policy=ONCE, pause=lambda _: None)
        with pytest.raises(ConnectionFailedError, match="so slowly"):
            ask_environment(LoginHttp(wire), url)
