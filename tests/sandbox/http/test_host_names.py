"""Other host names that are led to the sandbox, by a proxy or a hosts file."""

from __future__ import annotations

import socket
import ssl
from http.client import HTTPResponse

import pytest

from dataverse_source.sandbox import Sandbox
from tests.support.sandbox.user_clients import sign_in

ENVIRONMENT = "contoso.crm.dynamics.com"


def get(
    sandbox: Sandbox, name: str, path: str, token: str = "", *, host: str = ""
) -> tuple[int, str]:
    """Status and text of the answer to a client for which ``name`` leads to the sandbox."""
    port = int(sandbox.environment_url.rpartition(":")[2])
    trusting = ssl.create_default_context(cafile=sandbox.ca_bundle)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=30) as plain,
        trusting.wrap_socket(plain, server_hostname=name) as connection,
    ):
        head = f"GET {path} HTTP/1.1\r\nHost: {host or name}\r\nConnection: close\r\n"
        head += f"Authorization: Bearer {token}\r\n" if token else ""
        connection.sendall(f"{head}\r\n".encode())
        answer = HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.read().decode()


def test_links_and_tokens_are_of_the_name_that_the_client_uses() -> None:
    with Sandbox(rows={"account": 5}, host_names=[ENVIRONMENT.upper()]) as sandbox:
        token = sign_in(sandbox, scope=f"https://{ENVIRONMENT}/.default")["access_token"]
        path = "/api/data/v9.2/accounts?$select=name&$top=1"
        status, text = get(sandbox, ENVIRONMENT, path, token)
        assert status == 200
        context = f'"@odata.context":"https://{ENVIRONMENT}/api/data/v9.2/$metadata#accounts'
        assert context in text


def test_a_name_that_it_was_not_told_is_refused() -> None:
    with Sandbox(rows={}, host_names=["login.microsoftonline.com"]) as sandbox:
        with pytest.raises(ssl.SSLCertVerificationError):
            get(sandbox, ENVIRONMENT, "/")
        assert get(sandbox, "127.0.0.1", "/")[0] == 404
        status, text = get(sandbox, "127.0.0.1", "/", host=ENVIRONMENT)
        assert (status, "Use 127.0.0.1 or localhost or login.microsoftonline.com" in text) == (
            403,
            True,
        )
