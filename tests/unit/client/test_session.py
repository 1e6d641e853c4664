"""TLS trust, proxies, cookies, and what a failed connection is called."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from dataverse_source.client.connection_errors import network_fault
from dataverse_source.client.retry import TransientError
from dataverse_source.client.session import is_loopback, new_session, timeouts
from dataverse_source.errors import ConfigurationError, ConnectionFailedError
from tests.support.servers import Answer, ca_file, json_answer, script, serving, tls_context

PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", *PROXY_VARIABLES):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def open_session() -> Iterator[Callable[..., requests.Session]]:
    opened: list[requests.Session] = []

    def make(**options: object) -> requests.Session:
        opened.append(new_session(**options))  # type: ignore[arg-type]
        return opened[-1]

    yield make
    for session in opened:
        session.close()


Open = Callable[..., requests.Session]


def fault(session: requests.Session, url: str, timeout: float = 5.0) -> TransientError:
    """The fault that asking for ``url`` ends in."""
    with pytest.raises(requests.RequestException) as caught:
        session.get(url, timeout=timeout)
    found = network_fault(caught.value, url, setting="environment_url")
    assert isinstance(found.error, ConnectionFailedError)
    return found


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_ca_bundle_is_trusted(open_session: Open, tmp_path: Path) -> None:
    with serving(script(Answer(body=b"hello")), tls_context()) as server:
        answer = open_session(ca_bundle=ca_file(tmp_path)).get(server.url, timeout=30)
    assert answer.content == b"hello"


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_environments_bundle_is_trusted(
    open_session: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, ca_file(tmp_path))
    with serving(script(Answer()), tls_context()) as server:
        assert open_session().get(server.url, timeout=30).ok


def test_ca_bundle_wins_over_the_environment(
    open_session: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", DEFAULT_CA_BUNDLE_PATH)
    with serving(script(Answer()), tls_context()) as server:
        assert open_session(ca_bundle=ca_file(tmp_path)).get(server.url, timeout=30).ok


def test_a_folder_of_certificates_may_be_given(open_session: Open, tmp_path: Path) -> None:
    open_session(ca_bundle=str(tmp_path))


def test_bundles_that_can_not_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = tmp_path / "text.pem"
    text.write_text("no certificate in here", encoding="utf-8")
    for path in (str(tmp_path / "none.pem"), str(text)):
        with pytest.raises(ConfigurationError, match="ca_bundle names no certificates"):
            new_session(ca_bundle=path)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", path)
        with pytest.raises(ConfigurationError, match="variable REQUESTS_CA_BUNDLE names no"):
            new_session()
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")


def test_cookies_are_not_kept(open_session: Open) -> None:
    cookie = {"Set-Cookie": "ARRAffinity=abc; path=/; HttpOnly"}
    with serving(script(Answer(headers=cookie), Answer())) as server:
        session = open_session()
        session.get(server.url, timeout=30)
        session.get(server.url, timeout=30)
    assert len(session.cookies) == 0
    assert "cookie" not in server.received[1].headers


def test_a_netrc_login_does_not_replace_the_token(
    open_session: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password something\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(script(Answer())) as server:
        open_session().get(server.url, timeout=30, headers={"Authorization": "Bearer t"})
    assert server.received[0].headers["authorization"] == "Bearer t"


def test_the_environments_proxy_is_used_for_http(
    open_session: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(script(Answer(body=b"by the proxy"))) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        answer = open_session().get("http://contoso.invalid/x?y=1", timeout=30)
    assert answer.content == b"by the proxy"
    assert proxy.received[0].target == "http://contoso.invalid/x?y=1"


def test_the_environments_proxy_is_used_for_https(
    open_session: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(script(*[Answer(407)] * 2)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://someone:pass-word@127.0.0.1:{proxy.port}")
        found = fault(open_session(), "https://contoso.invalid/x")
    assert (proxy.received[0].method, proxy.received[0].target) == (
        "CONNECT",
        "contoso.invalid:443",
    )
    assert "the proxy could not be used" in found.error.what
    assert "407 Proxy Authentication Required" in str(found.error)
    assert "HTTPS_PROXY" in str(found.error)
    assert "pass-word" not in str(found.error)
    assert found.attempts == 3


def test_a_proxy_that_is_not_there(open_session: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://someone:pass-word@127.0.0.1:{unused_port()}")
    found = fault(open_session(), "https://contoso.invalid/x")
    assert "the proxy could not be used" in found.error.what
    assert "Connection refused" in str(found.error)
    assert "pass-word" not in str(found.error)


def test_a_proxy_address_that_is_none(open_session: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://")
    found = fault(open_session(), "https://contoso.invalid/x")
    assert "the proxy could not be used" in found.error.what
    assert found.attempts == 1


def test_an_unknown_host(open_session: Open) -> None:
    found = fault(open_session(), "https://contoso.invalid/api?secret=1")
    text = str(found.error)
    assert "The host name contoso.invalid was not found" in text
    assert "environment_url" in text
    assert "secret" not in text
    assert found.attempts == 3


def test_a_refused_connection(open_session: Open) -> None:
    found = fault(open_session(), f"https://127.0.0.1:{unused_port()}/api")
    assert "127.0.0.1 refused the connection" in found.error.what
    assert found.attempts is None


def test_a_certificate_that_is_not_trusted(open_session: Open) -> None:
    with serving(script(Answer()), tls_context()) as server:
        found = fault(open_session(), server.url)
    assert "The certificate of 127.0.0.1 is not trusted" in found.error.what
    assert "ca_bundle" in str(found.error)
    assert found.attempts == 1


def test_a_certificate_for_another_name(open_session: Open, tmp_path: Path) -> None:
    with serving(script(Answer()), tls_context("other.example")) as server:
        found = fault(open_session(ca_bundle=ca_file(tmp_path)), server.url)
    assert "is for another name" in found.error.what
    assert found.attempts == 1


def test_a_server_without_tls(open_session: Open) -> None:
    with serving(script(Answer())) as server:
        found = fault(open_session(), server.url.replace("http://", "https://"))
    assert "does not speak TLS" in found.error.what
    assert found.attempts == 1


def test_a_server_that_does_not_answer_in_time(open_session: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = fault(open_session(), f"http://127.0.0.1:{silent.getsockname()[1]}/", 0.05)
    assert "did not answer in time" in found.error.what
    assert "request_timeout" in str(found.error)
    assert found.attempts is None


@pytest.mark.parametrize(
    "answer",
    [
        Answer(drop=True),
        Answer(body=b"0123456789", cut=5),
        Answer(body=b"no gzip", headers={"Content-Encoding": "gzip"}),
    ],
)
def test_a_broken_answer(open_session: Open, answer: Answer) -> None:
    with serving(script(answer)) as server:
        found = fault(open_session(), server.url)
    assert "The connection to 127.0.0.1 broke" in found.error.what
    assert found.attempts is None


def test_gzip_is_asked_for_and_unpacked(open_session: Open) -> None:
    with serving(script(json_answer({}))) as server:
        open_session().get(server.url, timeout=30)
    assert server.received[0].headers["accept-encoding"] == "gzip"


def test_timeouts() -> None:
    assert timeouts(120.0) == (30.0, 120.0)
    assert timeouts(5.0) == (5.0, 5.0)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "::1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "10.0.0.1", "127.example.com", "localhost.example.com"])
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)
