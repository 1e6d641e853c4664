from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from dataverse_source.sandbox import Sandbox
from tests.support.sandbox.user_clients import api, session_of, sign_in, signed_in


def test_says_how_to_connect() -> None:
    with Sandbox(rows={"account": 3}, client_secret="fixed") as sandbox:
        assert set(sandbox.connection) == {
            "environment_url",
            "authority_host",
            "tenant_id",
            "client_id",
            "client_secret",
            "ca_bundle",
        }
        assert sandbox.connection["client_secret"] == "fixed"
        assert sandbox.store.count("account") == 3
        assert "BEGIN CERTIFICATE" in Path(sandbox.ca_bundle).read_text()


def test_rows_by_either_name() -> None:
    with Sandbox(rows={"accounts": 4, "contact": 2}) as sandbox:
        assert (sandbox.store.count("account"), sandbox.store.count("contact")) == (4, 2)


def test_unknown_table_is_named() -> None:
    threads = set(threading.enumerate())
    with pytest.raises(ValueError, match=r"no table 'acounts' in the sandbox. Did you mean 'acc"):
        Sandbox(rows={"acounts": 1}).start()
    assert set(threading.enumerate()) <= threads


def test_same_seed_same_rows() -> None:
    with Sandbox(rows={"account": 50}, seed=4) as one, Sandbox(rows={"account": 50}, seed=4) as two:
        assert one.store.rows("account") == two.store.rows("account")
    with Sandbox(rows={"account": 50}, seed=5) as three:
        names = {row["name"] for row in three.store.rows("account")}
    assert len(names) > 10


def test_two_at_once_know_nothing_of_each_other() -> None:
    with Sandbox(rows={}) as one, Sandbox(rows={}) as two:
        token = sign_in(one)["access_token"]
        with session_of(two) as session:
            answer = session.get(api(two), headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 401
        with session_of(one) as session, pytest.raises(requests.exceptions.SSLError):
            session.get(api(two))


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(30)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_stop_leaves_nothing() -> None:
    threads = set(threading.enumerate())
    sandbox = Sandbox(rows={"account": 1})
    sandbox.start()
    folder = Path(sandbox.ca_bundle).parent
    url = api(sandbox)
    with signed_in(sandbox) as session:
        assert session.get(url).status_code == 200
        sandbox.stop()
    port = int(url.split(":")[2].split("/")[0])
    # Another process may have been given the port since, and let it go again.
    assert any(is_free(port) for _ in range(100))
    assert not folder.exists()
    assert set(threading.enumerate()) <= threads
    sandbox.stop()


def test_stops_cleanly_under_load(caplog: pytest.LogCaptureFixture) -> None:
    threads = set(threading.enumerate())
    sandbox = Sandbox(rows={"account": 300})
    sandbox.start()
    sandbox.faults.randomly({"reset": 0.1, "truncated": 0.1, "html_503": 0.1, "stall": 0.05})
    token = sign_in_without_faults(sandbox)
    answered = threading.Event()

    def read(_: int) -> None:
        with session_of(sandbox) as session:
            session.headers["Authorization"] = f"Bearer {token}"
            while True:
                try:
                    session.get(url, timeout=30)
                    answered.set()
                except requests.ConnectionError as error:
                    if "refused" in str(error):
                        return
                except (OSError, requests.RequestException):
                    if stopped.is_set():
                        return

    url, stopped = api(sandbox, "accounts"), threading.Event()
    with ThreadPoolExecutor(6) as pool:
        readers = [pool.submit(read, number) for number in range(6)]
        assert answered.wait(60)
        sandbox.stop()
        stopped.set()
        for reader in readers:
            reader.result(60)
    assert set(threading.enumerate()) <= threads
    assert not caplog.records


def sign_in_without_faults(sandbox: Sandbox) -> str:
    application, audience = sandbox.application, sandbox.environment_url
    return sandbox.identity.tokens.issue(application.client_id, application.object_id, audience)


def test_can_be_started_again() -> None:
    sandbox = Sandbox(rows={"account": 2})
    for _ in range(2):
        with sandbox, signed_in(sandbox) as session:
            assert session.get(api(sandbox)).status_code == 200
            assert sandbox.store.count("account") == 2


def test_says_so_when_it_does_not_run() -> None:
    with pytest.raises(RuntimeError, match="is not running"):
        _ = Sandbox().environment_url
    with Sandbox(rows={}) as sandbox, pytest.raises(RuntimeError, match="is running"):
        sandbox.start()


def test_a_taken_port_is_refused() -> None:
    with Sandbox(rows={}) as sandbox:
        port = int(sandbox.environment_url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            Sandbox(rows={}, port=port).start()


def test_port_can_be_chosen() -> None:
    for _ in range(20):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        sandbox = Sandbox(rows={}, port=port)
        try:
            sandbox.start()
        except OSError:
            continue  # Another process was given it in the meantime.
        with signed_in(sandbox) as session:
            assert session.get(api(sandbox)).status_code == 200
        sandbox.stop()
        return
    pytest.fail("no port that was free stayed so")


def test_good_under_the_name_localhost() -> None:
    with Sandbox(rows={}) as sandbox, session_of(sandbox) as session:
        url = sandbox.environment_url.replace("127.0.0.1", "localhost")
        token = sign_in(sandbox, scope=f"{url}/.default")["access_token"]
        answer = session.get(f"{url}/api/data/v9.2/", headers={"Authorization": f"Bearer {token}"})
        assert answer.json()["@odata.context"].startswith(url)
