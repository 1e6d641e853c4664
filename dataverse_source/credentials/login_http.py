"""HTTP for sign-ins: MSAL's requests with our session, retries and errors."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import requests

from dataverse_source.client import body, retry
from dataverse_source.client.connection_errors import network_fault, within
from dataverse_source.client.deadline import LONGEST_ANSWER
from dataverse_source.client.retry import RetryPolicy, TransientError
from dataverse_source.client.session import timeouts
from dataverse_source.config.setting_names import where_to_set
from dataverse_source.credentials.aadsts_errors import (
    UNKNOWN_TENANT,
    sign_in_error,
    without_secrets,
)
from dataverse_source.errors import AuthenticationError, UnknownTenantError, safe_url

__all__ = ["MOST_BYTES", "LoginHttp", "Wire", "json_object"]

MOST_BYTES = 2**22
"""Bytes that an answer to a sign-in may have, as received and decompressed: tokens have a few
thousand, discovery documents less."""

Fault = Callable[[requests.RequestException, str], TransientError]
"""Makes the error for a request that got no response."""
Judge = Callable[[requests.Response, str], "TransientError | None"]
"""Makes the error for a response that may be better at the next attempt; None: it is fine."""


class Wire:
    """Sends the requests of a sign-in with our session, again if a failure may pass.

    Args:
        session: from `new_session`.
        timeout: seconds to wait for a response.
        policy: how often a request is sent, unless it has a policy of its own.
        pause: waits before the next attempt.

    Attributes:
        timeouts: seconds to connect, and between bytes of the response.
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
        self._longest = LONGEST_ANSWER * timeout
        self._session = session
        self._policy = policy
        self._pause = pause

    def send(
        self,
        method: str,
        url: str,
        options: dict[str, Any],
        *,
        policy: RetryPolicy | None,
        fault: Fault,
        judge: Judge,
    ) -> requests.Response:
        """The response to a request that neither the network nor the server failed.

        Args:
            method: of HTTP.
            url: where to.
            options: of `requests.Session.request`.
            policy: how often to send it, None for the usual.
            fault: makes the error for no response.
            judge: makes the error for a wrong one.

        Raises:
            DataverseError: that of ``fault`` or ``judge``, after the last attempt.
        """

        def attempt() -> requests.Response:
            given = {"timeout": self.timeouts, **options, "allow_redirects": False, "stream": True}
            with within(self._longest, url, lambda error: fault(error, url)):
                answer = self._session.request(method, url, **given)
                _receive(answer, url)
            if retry.is_transient_status(answer.status_code):
                raise _unavailable(answer, url)
            failure = judge(answer, url)
            if failure is not None:
                raise failure
            return answer

        return retry.run(
            attempt, where=safe_url(url), policy=policy or self._policy, pause=self._pause
        )


class LoginHttp:
    """Implements ``msal.oauth2cli.http.HttpClient``; MSAL sees only responses it can read.

    Args:
        wire: sends the requests.
        policy: how often each is sent, None for the usual.
        secrets: texts that must not appear in messages.
    """

    def __init__(
        self, wire: Wire, policy: RetryPolicy | None = None, *, secrets: tuple[str, ...] = ()
    ) -> None:
        self._wire = wire
        self._policy = policy
        self._secrets = secrets

    def get(self, url: str, **options: Any) -> requests.Response:
        """A discovery document; a refusal means that the tenant is unknown.

        Raises:
            UnknownTenantError: the login service has no discovery document for the tenant.
            AuthenticationError: the login service failed otherwise.
            ConnectionFailedError: the login service could not be reached.
        """
        answer = self._send("GET", url, options)
        if answer.status_code == requests.codes.ok:
            return answer
        body = json_object(answer.content) or {}
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
        """The response to a token request; it is JSON, whatever its status.

        Raises:
            AuthenticationError: the response is not JSON.
            ConnectionFailedError: the login service could not be reached.
        """
        answer = self._send("POST", url, options)
        if json_object(answer.content) is None:
            raise _not_json(answer, url)
        return answer

    def challenge(self, url: str) -> requests.Response:
        """The response of an environment to a request without a token.

        Raises:
            ConnectionFailedError: the environment could not be reached.
            AuthenticationError: it still failed at the last attempt.
        """
        return self._wire.send(
            "GET", url, {}, policy=self._policy, fault=_environment_fault, judge=_accept
        )

    def close(self) -> None:
        """Does nothing: the session belongs to the caller."""

    def _send(self, method: str, url: str, options: dict[str, Any]) -> requests.Response:
        return self._wire.send(
            method, url, options, policy=self._policy, fault=_login_fault, judge=_login_judge
        )


def _receive(answer: requests.Response, url: str) -> None:
    """Puts the whole body in place of the stream, which requests would read without a bound."""
    encoding = answer.headers.get("Content-Encoding")
    try:
        received = body.receive(answer, MOST_BYTES)
        if received and body.is_compressed(encoding):
            received = body.decompressed(received, encoding, MOST_BYTES)
    except body.TooLargeError as error:
        raise AuthenticationError(
            "The answer to a sign-in is larger than any such answer needs to be",
            where=safe_url(url),
            why=f"more than {MOST_BYTES:,} bytes",
            remedy="Check whether a proxy or firewall answered in its place, and check "
            f"{where_to_set('authority_host')}.",
        ) from error
    except zlib.error as error:
        raise requests.exceptions.ContentDecodingError(error) from error
    answer.raw = io.BytesIO(received)


def json_object(text: str | bytes) -> dict[str, Any] | None:
    """The JSON object that a login service sent; None if it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _login_fault(error: requests.RequestException, url: str) -> TransientError:
    return network_fault(error, url, setting="authority_host")


def _environment_fault(error: requests.RequestException, url: str) -> TransientError:
    return network_fault(error, url, setting="environment_url")


def _login_judge(answer: requests.Response, url: str) -> TransientError | None:
    if answer.ok and json_object(answer.content) is None:
        return TransientError(_not_json(answer, url))
    return None


def _accept(answer: requests.Response, url: str) -> TransientError | None:  # noqa: ARG001
    return None


def _unavailable(answer: requests.Response, url: str) -> TransientError:
    status = answer.status_code
    throttled = status == requests.codes.too_many_requests
    error = AuthenticationError(
        f"The login service answered with HTTP status {status}",
        where=safe_url(url),
        why=without_secrets(answer.reason or "") or None,
        remedy="Wait before you sign in again: there were too many sign-ins."
        if throttled
        else "Try again later. If it goes on, check for proxies between this machine and it.",
    )
    wait = retry.retry_after(answer.headers, datetime.now(timezone.utc))
    return TransientError(error, wait=wait, throttled=throttled)


def _not_json(answer: requests.Response, url: str) -> AuthenticationError:
    """Does not quote the body: it may contain a token."""
    kind = answer.headers.get("Content-Type") or "no content type"
    return AuthenticationError(
        "The login service's answer is not JSON",
        where=safe_url(url),
        why=f"HTTP status {answer.status_code}, {kind}, {len(answer.content)} bytes",
        remedy="Check whether a proxy or firewall answered in its place, and check "
        f"{where_to_set('authority_host')}.",
    )
