"""A plain signed-in session: what the benchmarks themselves ask with."""

from __future__ import annotations

from collections.abc import Mapping

import requests


def signed_in(connection: Mapping[str, str]) -> requests.Session:
    """A session that trusts the server and carries a token.

    Args:
        connection: what the sandbox prints when it is ready.

    Raises:
        requests.HTTPError: the sign-in was refused.
    """
    session = requests.Session()
    session.trust_env = False  # variables that name other certificates must not decide
    session.verify = connection["ca_bundle"]
    session.headers["Authorization"] = f"Bearer {token_of(connection, session)}"
    return session


def token_of(connection: Mapping[str, str], session: requests.Session) -> str:
    """An access token.

    Args:
        connection: what the sandbox prints when it is ready.
        session: that trusts the server.

    Raises:
        requests.HTTPError: the sign-in was refused.
    """
    answer = session.post(
        f"{connection['authority_host']}/{connection['tenant_id']}/oauth2/v2.0/token",
        data={
            "grant_type": "client_credentials",
            "client_id": connection["client_id"],
            "client_secret": connection["client_secret"],
            "scope": f"{connection['environment_url']}/.default",
        },
        timeout=60,
    )
    answer.raise_for_status()
    return str(answer.json()["access_token"])
