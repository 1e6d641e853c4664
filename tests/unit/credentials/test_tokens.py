"""Settings of the sign-in, and how tokens are kept and renewed, through the real MSAL."""

from __future__ import annotations

import threading
import traceback
from typing import Any
from urllib.parse import parse_qs

import dlt
import pytest
import requests

from dataverse_source.credentials import DataverseCredentials, token_source
from dataverse_source.errors import (
    AuthenticationError,
    ConfigurationError,
    ExpiredSecretError,
    WrongSecretError,
)
from tests.support.servers import (
    CLIENT,
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
from tests.support.sign_in import (
    ENVIRONMENT,
    Clock,
    credentials,
    numbered_tokens,
    source,
    token_requests,
)


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
        token_source(credentials(authority_host=server.url), url, session=session).token()
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


def test_a_life_that_is_not_told_is_an_hour(session: requests.Session, clock: Clock) -> None:
    answers = [json_answer({"access_token": f"token-{n}"}) for n in (1, 2)]
    with serving(login_service(script(*answers)), tls_context()) as server:
        tokens = source(server, session, clock)
        tokens.token()
        clock.now += 3299.0
        assert tokens.token() == "token-1"
        clock.now += 1.0
        assert tokens.token() == "token-2"


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
        token_source(credentials(**changes), ENVIRONMENT, session=session)
    assert says in str(caught.value)


def test_a_refused_sign_in_is_not_repeated_for_every_table(
    session: requests.Session, clock: Clock
) -> None:
    refusal = login_error("invalid_client", 7000215, "Wrong.", 401)
    answers = script(refusal, refusal, token_answer("token-1"))
    with serving(login_service(answers), tls_context()) as server:
        tokens = source(server, session, clock)
        for _ in range(5):
            with pytest.raises(WrongSecretError):
                tokens.token()
        assert len(token_requests(server)) == 1
        clock.now += 31.0
        for _ in range(5):
            with pytest.raises(WrongSecretError):
                tokens.renew("any")
        clock.now += 31.0
        assert tokens.token() == "token-1"
    assert len(token_requests(server)) == 3


def test_dlt_resolves_the_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[DataverseCredentials] = []

    @dlt.source(name="dataverse")
    def some_source(credentials: DataverseCredentials = dlt.secrets.value) -> Any:
        seen.append(credentials)
        return dlt.resource([{"a": 1}], name="a")

    some_source()
    assert dict(seen[0]) == dict(DataverseCredentials())
    for name, value in {"TENANT_ID": TENANT, "CLIENT_ID": CLIENT, "CLIENT_SECRET": SECRET}.items():
        monkeypatch.setenv(f"SOURCES__DATAVERSE__CREDENTIALS__{name}", value)
    some_source()
    assert (seen[1].tenant_id, seen[1].client_id, seen[1].client_secret) == (TENANT, CLIENT, SECRET)
    assert seen[1].authority_host is None
