"""Clients as users have them: MSAL for the sign-in, requests for the data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msal
import requests

from dataverse_source.sandbox import Sandbox


@contextmanager
def session_of(sandbox: Sandbox) -> Iterator[requests.Session]:
    """A session that trusts the sandbox, without a token."""
    with requests.Session() as session:
        # Else REQUESTS_CA_BUNDLE of the machine would win over `verify`.
        session.trust_env = False
        session.verify = sandbox.ca_bundle
        yield session


def sign_in(
    sandbox: Sandbox, credential: Any = None, *, scope: str = "", tenant: str = "", client: str = ""
) -> dict[str, Any]:
    """MSAL's answer to a sign-in with a credential, by default with the right secret."""
    with session_of(sandbox) as session:
        application = msal.ConfidentialClientApplication(
            client or sandbox.client_id,
            authority=f"{sandbox.authority_host}/{tenant or sandbox.tenant_id}",
            instance_discovery=False,
            client_credential=sandbox.client_secret if credential is None else credential,
            http_client=session,
        )
        answer: dict[str, Any] = application.acquire_token_for_client(
            [scope or f"{sandbox.environment_url}/.default"]
        )
        return answer


@contextmanager
def signed_in(sandbox: Sandbox) -> Iterator[requests.Session]:
    """A session with the default application's token."""
    token = sign_in(sandbox)["access_token"]
    with session_of(sandbox) as session:
        session.headers["Authorization"] = f"Bearer {token}"
        yield session


def api(sandbox: Sandbox, path: str = "") -> str:
    """The URL of a Web API resource; that of the service document unless a path is given."""
    return f"{sandbox.environment_url}/api/data/v9.2/{path}"
