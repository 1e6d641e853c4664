"""What the login service may answer, and what becomes of it, through the real MSAL."""

from __future__ import annotations

import gzip
import logging
import traceback
from typing import Any

import pytest
import requests
from dlt.common import logger

from dataverse_source.client.session import new_session
from dataverse_source.credentials import token_source
from dataverse_source.credentials.login_http import MOST_BYTES
from dataverse_source.errors import (
    AuthenticationError,
    ConnectionFailedError,
    DataverseError,
    ExpiredSecretError,
    UnknownApplicationError,
    UnknownTenantError,
    WrongSecretError,
)
from tests.support.servers import (
    SECRET,
    TENANT,
    Answer,
    json_answer,
    login_error,
    login_service,
    script,
    serving,
    tls_context,
    token_answer,
)
from tests.support.sign_in import ENVIRONMENT, Clock, credentials, numbered_tokens, source


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Any:
    """All that is logged by anything, dlt's logger among it."""
    monkeypatch.setattr(logger, "LOGGER", logging.getLogger("test-of-dlt"))
    caplog.set_level(logging.DEBUG)
    return caplog


REFUSALS = [
    (7000215, "invalid_client", 401, WrongSecretError, "the secret's id instead of its value"),
    (7000222, "invalid_client", 401, ExpiredSecretError, "Make a new secret"),
    (700016, "unauthorized_client", 400, UnknownApplicationError, "client_id"),
    (7000112, "unauthorized_client", 400, UnknownApplicationError, "enable the app"),
    (90002, "invalid_request", 400, UnknownTenantError, "tenant_id"),
    (900023, "invalid_request", 400, UnknownTenantError, "tenant_id"),
    (500011, "invalid_resource", 400, AuthenticationError, "environment_url"),
    (53003, "access_denied", 400, AuthenticationError, "administrator"),
    (12345, "something_new", 400, AuthenticationError, "the answer above says more"),
]


@pytest.mark.parametrize(("number", "name", "status", "kind", "remedy"), REFUSALS)
def test_refusals_become_errors_that_say_what_to_do(
    session: requests.Session,
    clock: Clock,
    number: int,
    name: str,
    status: int,
    kind: type[AuthenticationError],
    remedy: str,
) -> None:
    refusal = login_error(name, number, "Words of the service.", status)
    with (
        serving(login_service(script(refusal)), tls_context()) as server,
        pytest.raises(AuthenticationError) as caught,
    ):
        source(server, session, clock).token()
    error = caught.value
    assert type(error) is kind
    assert error.aadsts == f"AADSTS{number}"
    assert error.request_id == "2-3"
    assert f"AADSTS{number}: Words of the service." in str(error)
    assert "Trace ID" not in str(error)
    assert remedy in str(error)
    assert clock.naps == []


@pytest.mark.parametrize(
    "body",
    [
        {"error": "invalid_client"},
        {"error": "invalid_client", "error_description": "AADSTS7000215: no.", "error_codes": "x"},
        {"error": None, "error_codes": [None, "x"]},
        {},
        {"error": "e", "error_description": {"nested": True}, "error_codes": [7000215]},
    ],
)
def test_refusals_of_odd_shape(
    session: requests.Session, clock: Clock, body: dict[str, object]
) -> None:
    with (
        serving(login_service(script(json_answer(body, 400))), tls_context()) as server,
        pytest.raises(AuthenticationError),
    ):
        source(server, session, clock).token()


def test_a_tenant_that_does_not_exist(session: requests.Session, clock: Clock) -> None:
    refusal = login_error("invalid_tenant", 90002, "Tenant 'nowhere.example' not found.")
    with (
        serving(script(refusal), tls_context()) as server,
        pytest.raises(UnknownTenantError) as caught,
    ):
        source(server, session, clock, tenant_id="nowhere.example").token()
    assert caught.value.aadsts == "AADSTS90002"
    assert "Tenant 'nowhere.example' not found." in str(caught.value)
    assert "tenant_id" in str(caught.value.remedy)


def test_a_host_that_is_no_login_service(session: requests.Session, clock: Clock) -> None:
    with (
        serving(script(Answer(404, b"<html>not here</html>")), tls_context()) as server,
        pytest.raises(UnknownTenantError, match="HTTP status 404") as caught,
    ):
        source(server, session, clock).token()
    assert "authority_host" in str(caught.value)


@pytest.mark.parametrize("compressed", [False, True])
def test_an_answer_beyond_measure_is_not_received(
    session: requests.Session, clock: Clock, compressed: bool
) -> None:
    large = b'{"access_token": "' + b"x" * (2 * MOST_BYTES) + b'"}'
    encoding = {"Content-Encoding": "gzip"} if compressed else {}
    answer = Answer(200, gzip.compress(large) if compressed else large, encoding)
    with (
        serving(login_service(script(answer)), tls_context()) as server,
        pytest.raises(AuthenticationError, match="larger than any such answer") as caught,
    ):
        source(server, session, clock).token()
    assert "authority_host" in str(caught.value.remedy)
    assert clock.naps == []


def test_a_compressed_token_is_taken(session: requests.Session, clock: Clock) -> None:
    token = token_answer()
    answer = Answer(200, gzip.compress(token.body), {"Content-Encoding": "gzip"})
    with serving(login_service(script(answer)), tls_context()) as server:
        assert source(server, session, clock).token() == "token-1"


BROKEN = [
    Answer(200, b"<html>", {"Content-Type": "text/html"}),
    Answer(200, b'{"access_token": "very-sec'),
    Answer(200, b"[]"),
    Answer(429, b"", {"Retry-After": "7"}),
    Answer(500, b"oops"),
    Answer(503, b"<html>"),
    Answer(drop=True),
    Answer(200, b"0123456789", cut=3),
    Answer(200, gzip.compress(token_answer().body)[:-9], {"Content-Encoding": "gzip"}),
]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_failing_login_service_is_asked_again(
    session: requests.Session, clock: Clock, broken: Answer
) -> None:
    with serving(login_service(script(broken, token_answer())), tls_context()) as server:
        assert source(server, session, clock).token() == "token-1"
    assert len(clock.naps) == 1
    if broken.status == 429:
        assert 7.0 <= clock.naps[0] <= 7.7


@pytest.mark.parametrize("broken", BROKEN)
def test_a_login_service_that_keeps_failing(
    session: requests.Session, clock: Clock, broken: Answer
) -> None:
    with (
        serving(login_service(lambda _: broken), tls_context()) as server,
        pytest.raises((AuthenticationError, ConnectionFailedError)) as caught,
    ):
        source(server, session, clock).token()
    assert caught.value.tries == (10 if broken.status == 429 else 5)
    assert "very-sec" not in "".join(traceback.format_exception(caught.value))


def test_discovery_is_tried_again_too(session: requests.Session, clock: Clock) -> None:
    login = login_service(numbered_tokens())
    failures = iter([Answer(503), Answer(200, b"<html>")])
    with serving(lambda request: next(failures, None) or login(request), tls_context()) as server:
        assert source(server, session, clock).token() == "token-1"
    assert len(clock.naps) == 2


@pytest.mark.parametrize(
    "answer",
    [
        Answer(400, b"<html>", {"Content-Type": "text/html"}),
        Answer(302, b"", {"Location": "https://evil.example/"}),
        json_answer({"token_type": "Bearer", "access_token": "two\r\nlines"}),
        json_answer({"token_type": "Bearer", "access_token": ["list"]}),
        json_answer({"token_type": "Bearer", "access_token": "", "expires_in": 3599}),
        json_answer({"access_token": "kept-secret\n", "expires_in": 3599}),
    ],
)
def test_answers_that_are_not_understood(
    session: requests.Session, clock: Clock, answer: Answer
) -> None:
    with (
        serving(login_service(lambda _: answer), tls_context()) as server,
        pytest.raises(AuthenticationError) as caught,
    ):
        source(server, session, clock).token()
    assert "authority_host" in str(caught.value)
    text = "".join(traceback.format_exception(caught.value))
    assert "kept-secret" not in text
    assert "two" not in text


@pytest.mark.parametrize(
    "discovery",
    [
        {},
        {"authorization_endpoint": "https://x/y"},
        {"authorization_endpoint": "https://x/y", "token_endpoint": 7},
        {"authorization_endpoint": "https://x/y", "token_endpoint": "https://x"},
        {"authorization_endpoint": "https://x/y", "token_endpoint": "elsewhere"},
    ],
)
def test_a_discovery_document_that_is_not_understood(
    session: requests.Session, clock: Clock, discovery: dict[str, object]
) -> None:
    with (
        serving(lambda _: json_answer(discovery), tls_context()) as server,
        pytest.raises(AuthenticationError, match="authority_host"),
    ):
        source(server, session, clock).token()


def test_the_secret_is_not_sent_without_tls(session: requests.Session, clock: Clock) -> None:
    with serving(script(token_answer())) as plain:
        endpoint = f"{plain.url}/{TENANT}/oauth2/v2.0/token"
        document = {"authorization_endpoint": endpoint, "token_endpoint": endpoint}
        with (
            serving(lambda _: json_answer(document), tls_context()) as server,
            pytest.raises(DataverseError),
        ):
            source(server, session, clock).token()
    assert plain.received == []


def test_a_login_host_that_is_not_there(session: requests.Session, clock: Clock) -> None:
    tokens = token_source(
        credentials(authority_host="https://login.invalid"),
        ENVIRONMENT,
        session=session,
        pause=clock.pause,
    )
    with pytest.raises(ConnectionFailedError, match=r"login\.invalid was not found") as caught:
        tokens.token()
    assert "authority_host" in str(caught.value)


def test_a_login_host_that_is_not_trusted(clock: Clock) -> None:
    with (
        new_session() as session,
        serving(login_service(numbered_tokens()), tls_context()) as server,
        pytest.raises(ConnectionFailedError, match="is not trusted"),
    ):
        source(server, session, clock).token()
    assert clock.naps == []


def test_neither_secret_nor_token_shows_anywhere(
    session: requests.Session, clock: Clock, log: pytest.LogCaptureFixture
) -> None:
    echo = login_error("invalid_client", 7000215, f"You sent {SECRET}.", 401)
    answers = script(token_answer("kept-token", 3600), Answer(503), echo, Answer(200, b"{"), echo)
    texts = []
    with serving(login_service(answers), tls_context()) as server:
        tokens = source(server, session, clock)
        first = tokens.token()
        texts += [repr(tokens), str(tokens), repr(tokens._current), tokens._issuer.where]
        clock.now += 3400.0
        tokens.token()
        for _ in range(2):
            with pytest.raises(WrongSecretError) as caught:
                tokens.renew(first)
            texts += traceback.format_exception(caught.value)
    texts += [log.text, repr(credentials()), str(credentials())]
    everything = "".join(texts)
    assert "could not be renewed yet" in everything
    assert "You sent ***." in everything
    assert SECRET not in everything
    assert "kept-token" not in everything
