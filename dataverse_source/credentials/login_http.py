"""The login service: MSAL's requests go through here, with retries, and with errors in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import requests

from dataverse_source.client import retry
from dataverse_source.client.connection_errors import network_fault
from dataverse_source.client.retry import RetryPolicy, TransientError
from dataverse_source.client.session import timeouts
from dataverse_source.config.setting_names import places
from dataverse_source.credentials.aadsts_errors import (
    UNKNOWN_TENANT,
    sign_in_error,
    without_secrets,
)
from dataverse_source.errors import AuthenticationError, UnknownTenantError, safe_url

__all__ = ["LoginHttp", "Wire"]

Fault = Callable[[requests.RequestException, str], TransientError]
"""What a request that got no answer means."""
Judge = Callable[[requests.Response, str], "TransientError | None"]
"""What is wrong with an answer that may turn out well when asked for again."""


class Wire:
    """Our session, and how long and how often a sign-in's requests are tried.

    Args:
        session: from `new_session`.
        timeout: seconds to wait for an answer.
        policy: how often a request is tried.
        pause: waits before another try.

    Attributes:
        timeouts: seconds to connect, and without a byte of the answer.
    """

    def __init__(
        self,
        session: requests.Session,
        *,
        timeout: float,
        policy: RetryPolicy,
        pause: Callable[[float], None],
    ) -> None:
        self.timeouts = timeouts(timeout)
        self._session = session
        self._default_policy = self._policy = policy
        self._pause = pause

    def use(self, policy: RetryPolicy | None) -> None:
        """Sets how often the next requests are tried; None for the usual."""
        self._policy = policy or self._default_policy

    def send(
        self, method: str, url: str, options: dict[str, Any], *, fault: Fault, judge: Judge
    ) -> requests.Response:
        """The answer to a request, once it is neither a fault of the network nor of the server.

        Raises:
            DataverseError: that of ``fault`` or ``judge``, when the tries are used up.
        """

        def attempt() -> requests.Response:
            try:
                answer = self._session.request(
                    method, url, allow_redirects=False, **{"timeout": self.timeouts, **options}
                )
            except requests.RequestException as error:
                raise fault(error, url) from error
            if retry.is_transient_status(answer.status_code):
                raise _unavailable(answer, url)
            failure = judge(answer, url)
            if failure is not None:
                raise failure
            return answer

        return retry.run(attempt, where=safe_url(url), policy=self._policy, pause=self._pause)


class LoginHttp:
    """The interface of ``msal.oauth2cli.http.HttpClient``; only what MSAL can read gets to it.

    Args:
        wire: sends the requests.
        secrets: never part of a message.
    """

    def __init__(self, wire: Wire, *, secrets: tuple[str, ...] = ()) -> None:
        self._wire = wire
        self._secrets = secrets

    def use(self, policy: RetryPolicy | None) -> None:
        """Sets how often the next requests are tried; None for the usual."""
        self._wire.use(policy)

    def get(self, url: str, **options: Any) -> requests.Response:
        """A discovery document; a refusal means that the tenant is unknown.

        Raises:
            UnknownTenantError: the login service has no discovery document for the tenant.
            AuthenticationError: it failed otherwise.
            ConnectionFailedError: it could not be reached.
        """
        answer = self._wire.send("GET", url, options, fault=_login_fault, judge=_login_judge)
        if answer.status_code == requests.codes.ok:
            return answer
        body = _json_object(answer) or {}
        error = sign_in_error(body, safe_url(url), "its tenant", secrets=self._secrets)
        raise UnknownTenantError(
            UNKNOWN_TENANT.what,
            aadsts=error.aadsts,
            where=safe_url(url),
            why=error.why if body else f"HTTP status {answer.status_code}",
            remedy=UNKNOWN_TENANT.remedy,
            request_id=error.request_id,
        )

    def post(self, url: str, **options: Any) -> requests.Response:
        """A token request; its answer is JSON, whatever the status.

        Raises:
            AuthenticationError: it failed.
            ConnectionFailedError: the login service could not be reached.
        """
        answer = self._wire.send("POST", url, options, fault=_login_fault, judge=_login_judge)
        if _json_object(answer) is None:
            raise _not_json(answer, url)
        return answer

    def challenge(self, url: str) -> requests.Response:
        """What an environment answers to a request without a token.

        Raises:
            ConnectionFailedError: it could not be reached.
            AuthenticationError: it failed on its side, still after all tries.
        """
        return self._wire.send("GET", url, {}, fault=_environment_fault, judge=_any_answer)

    def close(self) -> None:
        """The session belongs to the caller and stays open."""


def _login_fault(error: requests.RequestException, url: str) -> TransientError:
    return network_fault(error, url, setting="authority_host")


def _environment_fault(error: requests.RequestException, url: str) -> TransientError:
    return network_fault(error, url, setting="environment_url")


def _login_judge(answer: requests.Response, url: str) -> TransientError | None:
    if answer.ok and _json_object(answer) is None:
        return TransientError(_not_json(answer, url))
    return None


def _any_answer(answer: requests.Response, url: str) -> TransientError | None:  # noqa: ARG001
    return None


def _json_object(answer: requests.Response) -> dict[str, Any] | None:
    try:
        body = json.loads(answer.content)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _unavailable(answer: requests.Response, url: str) -> TransientError:
    status = answer.status_code
    throttled = status == requests.codes.too_many_requests
    error = AuthenticationError(
        f"The sign-in was answered with HTTP status {status}",
        where=safe_url(url),
        why=without_secrets(answer.reason or "") or None,
        remedy="Too many sign-ins; try again later."
        if throttled
        else "The service or a proxy in between is out of order; try again later.",
    )
    wait = retry.retry_after(answer.headers, datetime.now(timezone.utc))
    return TransientError(error, wait=wait, throttled=throttled)


def _not_json(answer: requests.Response, url: str) -> AuthenticationError:
    """The body is not quoted: a token may be in it."""
    kind = answer.headers.get("Content-Type") or "no content type"
    return AuthenticationError(
        "The login service's answer is not JSON",
        where=safe_url(url),
        why=f"HTTP status {answer.status_code}, {kind}, {len(answer.content)} bytes",
        remedy="A proxy or firewall in between may have answered in its place. Check that, and the "
        f"setting {places('authority_host')}.",
    )
