"""Sign-in through the real MSAL, against a scripted login service."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import dlt
import pytest
import requests
from dlt.common import logger

from dataverse_source.credentials import ClientSecretCredentials, ClientSecretTokenSource
from dataverse_source.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    DataverseError,
    ExpiredSecretError,
    UnknownApplicationError,
    UnknownTenantError,
    WrongSecretError,
)
from dataverse_source.transport import new_session
from tests.servers import (
    CLIENT,
    SECRET,
    TENANT,
    Answer,
    Received,
    ScriptedServer,
    ca_file,
    json_answer,
    login_error,
    login_service,
    script,
    serving,
    tls_context,
    token_answer,
)

ENVIRONMENT = "https://contoso.crm4.dynamics.com"


class Clock:
    """Seconds that a test moves on."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.naps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def session(tmp_path: Path) -> Iterator[requests.Session]:
    with new_session(ca_bundle=ca_file(tmp_path)) as made:
        yield made


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Any:
    """All that is logged by anything, dlt's logger among it."""
    monkeypatch.setattr(logger, "LOGGER", logging.getLogger("test-of-dlt"))
    caplog.set_level(logging.DEBUG)
    return caplog


def credentials(**changes: str) -> ClientSecretCredentials:
    values = {"tenant_id": TENANT, "client_id": CLIENT, "client_secret": SECRET, **changes}
    return ClientSecretCredentials(**values)


def source(
    server: ScriptedServer, session: requests.Session, clock: Clock, **changes: str
) -> ClientSecretTokenSource:
    return ClientSecretTokenSource(
        credentials(authority_host=server.url, **changes),
        ENVIRONMENT,
        session=session,
        pause=clock.pause,
        clock=clock,
    )


def numbered_tokens(expires_in: object = 3599) -> Callable[[Received], Answer]:
    """token-1, token-2, ..."""
    return script(*(token_answer(f"token-{n}", expires_in) for n in range(1, 20)))


def token_requests(server: ScriptedServer) -> list[Received]:
    return [request for request in server.received if request.method == "POST"]


def test_a_token_request_as_the_documentation_has_it(
    session: requests.Session, clock: Clock
) -> None:
    with serving(login_service(numbered_tokens()), tls_context()) as server:
        assert source(server, session, clock).token() == "token-1"
    discovery, request = server.received
    assert discovery.target == f"/{TENANT}/v2.0/.well-known/openid-configuration"
    assert request.target == f"/{TENANT}/oauth2/v2.0/token"
    form = parse_qs(request.body.decode())
    assert form["grant_type"] == ["client_credentials"]
    assert form["client_id"] == [CLIENT]
    assert form["client_secret"] == [SECRET]
    assert form["scope"] == ["https://contoso.crm4.dynamics.com/.default"]


@pytest.mark.parametrize(
    "url",
    [f"{ENVIRONMENT}/", f"{ENVIRONMENT}/api/data/v9.2/", "contoso.crm4.dynamics.com"],
)
def test_the_scope_is_the_bare_environment(
    session: requests.Session, clock: Clock, url: str
) -> None:
    with serving(login_service(numbered_tokens()), tls_context()) as server:
        ClientSecretTokenSource(
            credentials(authority_host=server.url), url, session=session
        ).token()
    scope = parse_qs(server.received[1].body.decode())["scope"]
    assert scope == ["https://contoso.crm4.dynamics.com/.default"]


def test_nothing_is_requested_before_the_first_token(
    session: requests.Session, clock: Clock
) -> None:
    with serving(login_service(numbered_tokens()), tls_context()) as server:
        source(server, session, clock)
    assert server.received == []


def test_blanks_around_pasted_values_do_no_harm(session: requests.Session, clock: Clock) -> None:
    with serving(login_service(numbered_tokens()), tls_context()) as server:
        tokens = source(
            server, session, clock, client_secret=f" {SECRET}\n", tenant_id=f"{TENANT} "
        )
        assert tokens.token() == "token-1"
    assert parse_qs(server.received[1].body.decode())["client_secret"] == [SECRET]


def test_a_token_is_kept_until_five_minutes_before_its_end(
    session: requests.Session, clock: Clock
) -> None:
    with serving(login_service(numbered_tokens(3600)), tls_context()) as server:
        tokens = source(server, session, clock)
        assert tokens.token() == "token-1"
        clock.now += 3299.0
        assert tokens.token() == "token-1"
        clock.now += 1.0
        assert tokens.token() == "token-2"
    assert len(token_requests(server)) == 2


def test_a_short_lived_token_is_kept_for_half_its_life(
    session: requests.Session, clock: Clock
) -> None:
    with serving(login_service(numbered_tokens("60")), tls_context()) as server:
        tokens = source(server, session, clock)
        taken = []
        for _ in range(6):
            taken.append(tokens.token())
            clock.now += 10.0
    assert taken == ["token-1"] * 3 + ["token-2"] * 3


@pytest.mark.parametrize("expires_in", [None, "soon", float("inf"), {}])
def test_a_life_that_is_no_number(
    session: requests.Session, clock: Clock, expires_in: object
) -> None:
    with (
        serving(login_service(numbered_tokens(expires_in)), tls_context()) as server,
        pytest.raises(AuthenticationError, match="was not understood") as caught,
    ):
        source(server, session, clock).token()
    assert "token-1" not in "".join(traceback.format_exception(caught.value))


def test_a_token_that_has_run_out_already_is_used_once(
    session: requests.Session, clock: Clock
) -> None:
    with serving(login_service(numbered_tokens(-5)), tls_context()) as server:
        tokens = source(server, session, clock)
        assert [tokens.token(), tokens.token()] == ["token-1", "token-2"]


def test_a_rejected_token_is_replaced_once(session: requests.Session, clock: Clock) -> None:
    with serving(login_service(numbered_tokens()), tls_context()) as server:
        tokens = source(server, session, clock)
        first = tokens.token()
        assert tokens.renew(first) == "token-2"
        assert tokens.renew(first) == "token-2"
        assert tokens.token() == "token-2"
        assert tokens.renew("token-2") == "token-3"
    assert len(token_requests(server)) == 3


def test_many_threads_share_one_request(session: requests.Session, clock: Clock) -> None:
    with serving(login_service(numbered_tokens()), tls_context()) as server:
        tokens = source(server, session, clock)
        start = threading.Barrier(12)
        taken: list[str] = []

        def work() -> None:
            start.wait()
            taken.append(tokens.token())
            start.wait()
            taken.append(tokens.renew("token-1"))

        threads = [threading.Thread(target=work) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(taken) == ["token-1"] * 12 + ["token-2"] * 12
    assert len(token_requests(server)) == 2


def test_an_early_renewal_that_fails_leaves_the_old_token(
    session: requests.Session, clock: Clock
) -> None:
    answers = script(
        token_answer("token-1", 3600), Answer(503), Answer(drop=True), token_answer("token-2")
    )
    with serving(login_service(answers), tls_context()) as server:
        tokens = source(server, session, clock)
        tokens.token()
        clock.now += 3400.0
        assert tokens.token() == "token-1"
        assert tokens.token() == "token-1"  # not asked again at once
        assert len(token_requests(server)) == 2
        clock.now += 31.0
        assert tokens.token() == "token-1"
        clock.now += 31.0
        assert tokens.token() == "token-2"
    assert clock.naps == []


def test_the_end_of_the_old_token_ends_the_patience(
    session: requests.Session, clock: Clock
) -> None:
    refusal = login_error("invalid_client", 7000222, "The keys are expired.", 401)
    answers = script(token_answer("token-1", 3600), refusal, refusal)
    with serving(login_service(answers), tls_context()) as server:
        tokens = source(server, session, clock)
        tokens.token()
        clock.now += 3590.0
        assert tokens.token() == "token-1"
        clock.now += 10.0
        with pytest.raises(ExpiredSecretError):
            tokens.token()


REFUSALS = [
    (7000215, "invalid_client", 401, WrongSecretError, "the secret's id instead of its value"),
    (7000222, "invalid_client", 401, ExpiredSecretError, "Make a new secret"),
    (700016, "unauthorized_client", 400, UnknownApplicationError, "client_id"),
    (7000112, "unauthorized_client", 400, UnknownApplicationError, "enable the app"),
    (90002, "invalid_request", 400, UnknownTenantError, "tenant_id"),
    (900023, "invalid_request", 400, UnknownTenantError, "tenant_id"),
    (500011, "invalid_resource", 400, AuthenticationError, "environment_url"),
    (53003, "access_denied", 400, AuthenticationError, "administrator"),
    (12345, "something_new", 400, AuthenticationError, "the login service's words"),
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


BROKEN = [
    Answer(200, b"<html>", {"Content-Type": "text/html"}),
    Answer(200, b'{"access_token": "very-sec'),
    Answer(200, b"[]"),
    Answer(429, b"", {"Retry-After": "7"}),
    Answer(500, b"oops"),
    Answer(503, b"<html>"),
    Answer(drop=True),
    Answer(200, b"0123456789", cut=3),
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
    tokens = ClientSecretTokenSource(
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
        texts += [repr(tokens), str(tokens), repr(tokens._current)]
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


def test_all_that_is_missing_is_named_at_once() -> None:
    found = ClientSecretCredentials(client_id=CLIENT, client_secret="<configure me>")
    assert found.missing_settings() == ("tenant_id", "client_secret")
    with pytest.raises(ConfigurationError) as caught:
        found.require()
    text = str(caught.value)
    assert ".dlt/secrets.toml" in text
    assert '[sources.dataverse.credentials]\n    tenant_id = "..."' in text
    assert "SOURCES__DATAVERSE__CREDENTIALS__TENANT_ID" in text
    assert "SOURCES__DATAVERSE__CREDENTIALS__CLIENT_SECRET" in text
    assert "CLIENT_ID" not in text


def test_another_section_can_be_named() -> None:
    with pytest.raises(ConfigurationError, match="SOURCES__DV_PROD__CREDENTIALS__TENANT_ID"):
        ClientSecretCredentials().require("dv_prod")


def test_nothing_missing() -> None:
    credentials().require()
    assert credentials().missing_settings() == ()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"authority_host": "http://127.0.0.1:5000"}, "authority_host starts with http://"),
        ({"authority_host": "http://login.example"}, "authority_host starts with http://"),
        ({"authority_host": f"https://login.example/{TENANT}"}, "more than a host"),
        ({"tenant_id": "https://login.microsoftonline.com/x"}, "tenant_id is neither"),
        ({"tenant_id": "common"}, "tenant_id is neither"),
        ({"tenant_id": "a/b"}, "tenant_id is neither"),
        ({"client_secret": " "}, "lacks client_secret"),
    ],
)
def test_settings_that_can_not_be_right(
    session: requests.Session, changes: dict[str, str], says: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ClientSecretTokenSource(credentials(**changes), ENVIRONMENT, session=session)
    assert says in str(caught.value)


def test_dlt_resolves_the_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[ClientSecretCredentials] = []

    @dlt.source(name="dataverse")
    def some_source(credentials: ClientSecretCredentials = dlt.secrets.value) -> Any:
        seen.append(credentials)
        return dlt.resource([{"a": 1}], name="a")

    some_source()
    assert seen[0].missing_settings() == ("tenant_id", "client_id", "client_secret")
    for name, value in {"TENANT_ID": TENANT, "CLIENT_ID": CLIENT, "CLIENT_SECRET": SECRET}.items():
        monkeypatch.setenv(f"SOURCES__DATAVERSE__CREDENTIALS__{name}", value)
    some_source()
    assert seen[1].missing_settings() == ()
    assert seen[1].client_secret == SECRET
    assert seen[1].authority_host == "https://login.microsoftonline.com"
