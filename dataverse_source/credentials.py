"""Sign-in: settings of an app registration, and the bearer tokens it gets through MSAL."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import msal
import requests
from dlt.common import logger
from dlt.common.configuration.specs import CredentialsConfiguration, configspec
from dlt.common.typing import TSecretStrValue

from dataverse_source.errors import AuthenticationError, ConfigurationError, DataverseError
from dataverse_source.login import LoginHttp, sign_in_error
from dataverse_source.retry import USUAL_POLICY, RetryPolicy, pause
from dataverse_source.urls import environment_base, secure_base

__all__ = ["ClientSecretCredentials", "ClientSecretTokenSource", "TokenSource"]

PUBLIC_CLOUD = "https://login.microsoftonline.com"

# A token is renewed when less than this is left, or half of a shorter life.
RENEW_BEFORE = 300.0
# After an early renewal failed, the old token is used for so long before the next one.
RENEW_AGAIN_AFTER = 30.0

_BEARER = re.compile(r"[\x21-\x7e]+")
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
_MULTI_TENANT = ("common", "organizations", "consumers")
_PLACEHOLDER = "<configure me>"  # what `dlt init` writes into secrets.toml


@configspec
class ClientSecretCredentials(CredentialsConfiguration):
    """An app registration of Microsoft Entra ID that signs in with a client secret.

    All fields may be missing until the first token is needed: the sandbox needs none of them.

    Attributes:
        tenant_id: directory (tenant) id, or a domain name of the tenant.
        client_id: application (client) id.
        client_secret: the secret's value (not its id).
        authority_host: the login service of the cloud.
    """

    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: TSecretStrValue | None = None
    authority_host: str = PUBLIC_CLOUD

    def missing_settings(self) -> tuple[str, ...]:
        """Names of the fields that are not set, in the order of the documentation."""
        names = ("tenant_id", "client_id", "client_secret")
        return tuple(name for name in names if _value(self, name) in ("", _PLACEHOLDER))

    def require(self, section: str = "dataverse") -> None:
        """Checks that all needed for a sign-in is there.

        Args:
            section: the source's configuration section, as in ``[sources.dataverse]``.

        Raises:
            ConfigurationError: something is missing; names all of it, and where to write it.
        """
        missing = self.missing_settings()
        if not missing:
            return
        table = f"sources.{section}.credentials"
        lines = [f"    [{table}]", *(f'    {name} = "..."' for name in missing)]
        variables = [f"{table}.{name}".replace(".", "__").upper() for name in missing]
        raise ConfigurationError(
            f"The sign-in lacks {' and '.join(missing)}",
            remedy="\n".join(
                (
                    "Write into .dlt/secrets.toml",
                    *lines,
                    f"  or set in the environment {', '.join(variables)}.",
                    '  To try without an app registration, set environment_url = "sandbox".',
                )
            ),
        )


def _value(credentials: ClientSecretCredentials, name: str) -> str:
    """A field without the blanks and line ends that copying leaves behind."""
    return str(getattr(credentials, name) or "").strip()


class TokenSource(Protocol):
    """Gives bearer tokens; used by many threads at once."""

    def token(self) -> str:
        """A token that is good for some minutes at least."""
        ...

    def renew(self, rejected: str) -> str:
        """Another token than ``rejected``, which the service refused."""
        ...


@dataclass(frozen=True)
class _Token:
    """A token, and the moments (of the monotonic clock) to renew it and of its end."""

    text: str = field(repr=False)
    renew_at: float
    expires_at: float


class ClientSecretTokenSource:
    """Tokens for one environment, by the client credentials flow with a secret.

    Nothing is requested before the first token is asked for. Tokens are kept in memory only.
    Docs: "Microsoft identity platform and the OAuth 2.0 client credentials flow".

    Args:
        credentials: who signs in.
        environment_url: for which environment.
        session: from `new_session`.
        timeout: seconds to wait for an answer of the login service.
        policy: how often a failed request is tried.
        pause: waits before another try.
        clock: seconds that only grow.

    Raises:
        ConfigurationError: a setting is missing or can't be right.
    """

    def __init__(
        self,
        credentials: ClientSecretCredentials,
        environment_url: str,
        *,
        session: requests.Session,
        timeout: float = 60.0,
        policy: RetryPolicy = USUAL_POLICY,
        pause: Callable[[float], None] = pause,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        credentials.require()
        self._client_id = _value(credentials, "client_id")
        self._secret = _value(credentials, "client_secret")
        self._authority = _authority(credentials)
        self._environment = environment_base(environment_url)
        self._http = LoginHttp(
            session, timeout=timeout, policy=policy, pause=pause, secret=self._secret
        )
        self._clock = clock
        self._lock = threading.Lock()
        self._app: msal.ConfidentialClientApplication | None = None
        self._current: _Token | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._authority}, client {self._client_id})"

    def token(self) -> str:
        """A token with five minutes left at least (or half of its life, if that is shorter).

        While a token is still good, a failing login service is only logged.

        Raises:
            AuthenticationError: the login service refused.
            ConnectionFailedError: the login service could not be reached.
        """
        with self._lock:
            current, now = self._current, self._clock()
            if current is not None and now < current.renew_at:
                return current.text
            if current is None or now >= current.expires_at:
                return self._fetch().text
            return self._renew_early(current, now)

    def renew(self, rejected: str) -> str:
        """A new token, unless another thread has already replaced ``rejected``.

        Raises:
            AuthenticationError: the login service refused.
            ConnectionFailedError: the login service could not be reached.
        """
        with self._lock:
            if self._current is not None and self._current.text != rejected:
                return self._current.text
            self._current = None
            return self._fetch().text

    def _renew_early(self, current: _Token, now: float) -> str:
        try:
            return self._fetch(RetryPolicy(attempts=1, throttled_attempts=1)).text
        except DataverseError as error:
            logger.warning("The token could not be renewed yet: %s.", error.what)
            again = min(now + RENEW_AGAIN_AFTER, current.expires_at)
            self._current = _Token(current.text, again, current.expires_at)
            return current.text

    def _fetch(self, policy: RetryPolicy | None = None) -> _Token:
        """A new token from the login service; call it with the lock held."""
        self._http.use(policy)
        answer = self._ask()
        token = answer.get("access_token")
        if token is None:
            raise sign_in_error(answer, self._authority, self._environment, secret=self._secret)
        if not isinstance(token, str) or not _BEARER.fullmatch(token):
            raise self._not_understood("a token that no header can carry")
        now, life = self._clock(), _seconds(answer.get("expires_in"))
        renew_at = now + max(life - RENEW_BEFORE, life / 2.0)
        self._current = _Token(token, renew_at, now + life)
        return self._current

    def _ask(self) -> dict[str, Any]:
        """MSAL's answer, from the login service and not from its cache."""
        try:
            if self._app is None:
                self._app = self._new_app()
            self._app.remove_tokens_for_client()
            answer = self._app.acquire_token_for_client([f"{self._environment}/.default"])
        except DataverseError:
            raise
        except Exception as error:
            # MSAL lets all sorts of errors pass for an answer it did not expect. The error's
            # text may quote that answer, and it may hold a token.
            raise self._not_understood(type(error).__name__) from None
        return dict(answer or {})

    def _not_understood(self, why: str) -> AuthenticationError:
        return AuthenticationError(
            "The login service's answer was not understood",
            where=self._authority,
            why=why,
            remedy="Check authority_host, and proxies between this machine and that host.",
        )

    def _new_app(self) -> msal.ConfidentialClientApplication:
        return msal.ConfidentialClientApplication(
            self._client_id,
            client_credential=self._secret,
            authority=self._authority,
            # Would ask the public cloud whether the host is a login service; the user said so.
            instance_discovery=False,
            http_client=self._http,
        )


def _authority(credentials: ClientSecretCredentials) -> str:
    """Login host and tenant, checked."""
    tenant = _value(credentials, "tenant_id")
    host = secure_base(
        _value(credentials, "authority_host") or PUBLIC_CLOUD,
        setting="authority_host",
        example=PUBLIC_CLOUD,
        path_ok=False,
    )
    if host.startswith("http://"):
        raise ConfigurationError(
            "authority_host starts with http://",
            where=host,
            remedy="Use https://: a secret is never sent readable, not even to this machine.",
        )
    if not _TENANT.fullmatch(tenant) or tenant.lower() in _MULTI_TENANT:
        raise ConfigurationError(
            "tenant_id is neither the id of a tenant nor its domain name",
            where=tenant,
            remedy="Copy the directory (tenant) id from the app registration's overview page.",
        )
    return f"{host}/{tenant}"


def _seconds(value: object) -> float:
    """A token's life; one hour is what the login service usually gives."""
    try:
        return max(float(str(value)), 0.0)
    except ValueError:
        return 3600.0
