"""Managed identities of Azure: tokens for the machine itself, through MSAL.

Docs: "How to use managed identities on an Azure VM to acquire an access token" and "How to use
managed identities for App Service and Azure Functions".
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

import msal
import requests

from dataverse_source.client.retry import RetryPolicy, TransientError, is_transient_error
from dataverse_source.config.setting_names import where_to_set
from dataverse_source.credentials.aadsts_errors import without_secrets
from dataverse_source.credentials.login_http import Wire, json_object
from dataverse_source.credentials.tokens import IssuedToken, seconds
from dataverse_source.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    DataverseError,
    safe_url,
)

# Seconds. The endpoint is on the machine or its host; on other machines nothing answers.
CONNECT_TIMEOUT = 5.0
CONNECT_TRIES = 2
# Docs: 404 and 410 mean that the endpoint is being updated, so another attempt may succeed.
_UPDATING = (404, 410)
# Docs: requests to the endpoint must not go through a proxy.
_NO_PROXY = {"http": None, "https": None, "all": None}
_MESSAGE_LENGTH = 500


class ManagedIdentityIssuer:
    """Tokens of the identity that Azure gave to this machine.

    Args:
        client_id: of a user-assigned identity, empty for the system-assigned one.
        environment: scheme, host and port of the environment that the tokens are for.
        wire: sends the requests.
    """

    def __init__(self, client_id: str, environment: str, wire: Wire) -> None:
        self._client_id = client_id
        self._environment = environment
        self._wire = wire

    @property
    def where(self) -> str:
        """Which identity."""
        return f"managed identity, {self._client_id or 'system-assigned'}"

    def issue(self, policy: RetryPolicy | None) -> IssuedToken:
        """A token from the machine's endpoint.

        Raises:
            ConfigurationError: the machine is in Service Fabric, whose endpoint is not supported.
            AuthenticationError: the endpoint refused, or its answer was not understood.
            ConnectionFailedError: there is no endpoint.
        """
        if os.environ.get("IDENTITY_SERVER_THUMBPRINT"):
            raise ConfigurationError(
                "Managed identities of Service Fabric are not supported",
                why="IDENTITY_SERVER_THUMBPRINT is set in the environment",
                remedy=f"Sign in another way: {where_to_set('auth_type')}.",
            )
        answer, failure = {}, ""
        try:
            # A new client each time: the cache of an old one would give the same token again.
            http = _EndpointHttp(self._wire, policy)
            client = msal.ManagedIdentityClient(self._identity(), http_client=http)
            answer = dict(client.acquire_token_for_client(resource=self._environment) or {})
        except DataverseError:
            raise
        except Exception as error:
            failure = type(error).__name__
        if failure:
            # Raised outside of the except block: dlt's trace keeps the texts of chained errors,
            # and that error may quote an answer with a token.
            raise self._refused("was not understood", failure)
        token = answer.get("access_token")
        if not isinstance(token, str):
            words = answer.get("error_description") or answer.get("error") or "no reason given"
            raise self._refused("gave no token", without_secrets(str(words))[:_MESSAGE_LENGTH])
        return IssuedToken(token, seconds(answer.get("expires_in")))

    def _identity(self) -> Any:
        if self._client_id:
            return msal.UserAssignedManagedIdentity(client_id=self._client_id)
        return msal.SystemAssignedManagedIdentity()

    def _refused(self, what: str, why: str) -> AuthenticationError:
        remedy = (
            f"Check that the identity with client id {self._client_id} is assigned to this "
            "machine, or leave client_id out for the system-assigned one: "
            f"{where_to_set('client_id')}."
            if self._client_id
            else "Enable the machine's system-assigned identity, or name a user-assigned one: "
            f"{where_to_set('client_id')}."
        )
        return AuthenticationError(
            f"The managed identity's endpoint {what}",
            where=f"{self.where}, for {self._environment}",
            why=why,
            remedy=remedy,
        )


class _EndpointHttp:
    """Sends MSAL's requests to the endpoint: without proxies, with few and short attempts."""

    def __init__(self, wire: Wire, policy: RetryPolicy | None) -> None:
        self._wire = wire
        self._policy = policy

    def get(self, url: str, **options: Any) -> requests.Response:
        """The endpoint's response; MSAL reads refusals itself."""
        return self._wire.send(
            "GET",
            url,
            {**options, "proxies": _NO_PROXY, "timeout": (CONNECT_TIMEOUT, self._wire.timeouts[1])},
            policy=self._policy,
            fault=_fault,
            judge=_judge,
        )

    def close(self) -> None:
        """Does nothing: the session belongs to the caller."""


def _fault(error: requests.RequestException, url: str) -> TransientError:
    failed = ConnectionFailedError(
        "This machine has no managed identity endpoint",
        where=safe_url(url),
        why=type(error).__name__,
        remedy="Run on a machine or service of Azure that has a managed identity, or sign in "
        f"another way: {where_to_set('auth_type')}.",
    )
    return TransientError(failed, attempts=CONNECT_TRIES if is_transient_error(error) else 1)


def _judge(answer: requests.Response, url: str) -> TransientError | None:
    if answer.status_code not in _UPDATING and (
        json_object(answer.content) is not None or answer.status_code == 401
    ):
        return None  # 401 is Azure Arc's challenge, which MSAL answers
    return TransientError(
        AuthenticationError(
            "The managed identity's endpoint sent something that is not a token",
            where=safe_url(url),
            why=f"HTTP status {answer.status_code}, {len(answer.content)} bytes",
            remedy=f"Check what answers at {urlsplit(url).netloc}, or sign in another way: "
            f"{where_to_set('auth_type')}.",
        )
    )
