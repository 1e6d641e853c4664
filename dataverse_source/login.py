"""The login service: MSAL's requests go through here, and its refusals get their words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import requests

from dataverse_source import retry, transport
from dataverse_source.errors import (
    AuthenticationError,
    ExpiredSecretError,
    UnknownApplicationError,
    UnknownTenantError,
    WrongSecretError,
    safe_url,
)
from dataverse_source.retry import RetryPolicy, TransientError

__all__ = ["LoginHttp", "sign_in_error"]

_AADSTS = re.compile(r"AADSTS(\d+)")
# Descriptions end with "Trace ID: ... Correlation ID: ... Timestamp: ...".
_TAIL = re.compile(r"\s*Trace ID:.*", re.DOTALL)
_WORDS = 500


@dataclass(frozen=True)
class _Refusal:
    error: type[AuthenticationError]
    what: str
    remedy: str


# Docs: "Microsoft Entra authentication and authorization error codes".
_REFUSALS = {
    7000215: _Refusal(
        WrongSecretError,
        "The client secret is wrong",
        "Check client_secret: you may have pasted the secret's id instead of its value. The "
        "value is shown only once; make a new secret under Certificates & secrets if it is lost.",
    ),
    7000222: _Refusal(
        ExpiredSecretError,
        "The client secret has expired",
        "Make a new secret for the app registration under Certificates & secrets, and set "
        "client_secret to its value.",
    ),
    700016: _Refusal(
        UnknownApplicationError,
        "The tenant has no app registration with this client id",
        "Check client_id (the application id, not an object id) and that tenant_id is the "
        "tenant of the app registration.",
    ),
    7000112: _Refusal(
        UnknownApplicationError,
        "The app registration is disabled",
        "Have an administrator enable the app that client_id names.",
    ),
    90002: _Refusal(
        UnknownTenantError,
        "The login service knows no such tenant",
        "Check tenant_id, and authority_host for clouds other than the public one.",
    ),
    500011: _Refusal(
        AuthenticationError,
        "The tenant does not know the environment",
        "Check environment_url for a slip of the pen, and that tenant_id is the tenant of the "
        "environment.",
    ),
    53003: _Refusal(
        AuthenticationError,
        "A conditional access policy of the tenant blocks the sign-in",
        "Ask the tenant's administrator to let the app that client_id names sign in from here.",
    ),
}
_REFUSALS[900023] = _REFUSALS[90002]
_GENERIC = _Refusal(
    AuthenticationError,
    "The login service refused to give a token",
    "Check tenant_id, client_id and client_secret; the login service's words say more.",
)


def sign_in_error(
    answer: Mapping[str, Any], authority: str, environment: str, *, secret: str
) -> AuthenticationError:
    """The login service's refusal as an error that names the setting to look at.

    Args:
        answer: its JSON: ``error``, ``error_description``, ``error_codes``, ``correlation_id``.
        authority: login host and tenant.
        environment: for which the token was asked.
        secret: never part of the message, should the answer repeat it.
    """
    description = str(answer.get("error_description") or "")
    number = _number(answer, description)
    refusal = _REFUSALS.get(number or 0, _GENERIC)
    words = _TAIL.sub("", description) or str(answer.get("error") or "no reason given")
    correlation_id = answer.get("correlation_id")
    return refusal.error(
        refusal.what,
        aadsts=f"AADSTS{number}" if number else None,
        where=f"{authority} for {environment}",
        why=words.replace(secret, "***")[:_WORDS],
        remedy=refusal.remedy,
        request_id=str(correlation_id) if correlation_id else None,
    )


def _number(answer: Mapping[str, Any], description: str) -> int | None:
    """The AADSTS number: of the list if it is a known one, else of the text."""
    codes = answer.get("error_codes")
    numbers = [code for code in codes if isinstance(code, int)] if isinstance(codes, list) else []
    numbers += [int(digits) for digits in _AADSTS.findall(description)]
    return next((code for code in numbers if code in _REFUSALS), next(iter(numbers), None))


class LoginHttp:
    """MSAL's way to the network: our session, with retries, and with errors in words.

    Only answers that MSAL can read get through to it. Follows the interface of
    ``msal.oauth2cli.http.HttpClient``.

    Args:
        session: from `new_session`.
        timeout: seconds to wait for an answer.
        policy: how often a request is tried.
        pause: waits before another try.
        secret: never part of a message.
    """

    def __init__(
        self,
        session: requests.Session,
        *,
        timeout: float,
        policy: RetryPolicy,
        pause: Callable[[float], None],
        secret: str,
    ) -> None:
        self._session = session
        self._timeouts = transport.timeouts(timeout)
        self._default_policy = self._policy = policy
        self._pause = pause
        self._secret = secret

    def use(self, policy: RetryPolicy | None) -> None:
        """Sets how often the next requests are tried; None for the usual."""
        self._policy = policy or self._default_policy

    def get(self, url: str, **options: Any) -> requests.Response:
        """A discovery document; a refusal means that the tenant is unknown.

        Raises:
            UnknownTenantError: the login service has no discovery document for the tenant.
            AuthenticationError: it failed otherwise.
            ConnectionFailedError: it could not be reached.
        """
        answer = self._send("GET", url, options)
        if answer.status_code == requests.codes.ok:
            return answer
        body = _json_object(answer) or {}
        error = sign_in_error(body, safe_url(url), "its tenant", secret=self._secret)
        refusal = _REFUSALS[90002]
        raise UnknownTenantError(
            refusal.what,
            aadsts=error.aadsts,
            where=safe_url(url),
            why=error.why if body else f"HTTP status {answer.status_code}",
            remedy=refusal.remedy,
            request_id=error.request_id,
        )

    def post(self, url: str, **options: Any) -> requests.Response:
        """A token request; its answer is JSON, whatever the status.

        Raises:
            AuthenticationError: it failed.
            ConnectionFailedError: the login service could not be reached.
        """
        answer = self._send("POST", url, options)
        if _json_object(answer) is None:
            raise _not_json(answer, url)
        return answer

    def close(self) -> None:
        """The session belongs to the caller and stays open."""

    def _send(self, method: str, url: str, options: dict[str, Any]) -> requests.Response:
        return retry.run(
            lambda: self._attempt(method, url, options),
            where=safe_url(url),
            policy=self._policy,
            pause=self._pause,
        )

    def _attempt(self, method: str, url: str, options: dict[str, Any]) -> requests.Response:
        try:
            answer = self._session.request(
                method, url, timeout=self._timeouts, allow_redirects=False, **options
            )
        except requests.RequestException as error:
            raise transport.network_fault(error, url, setting="authority_host") from error
        if retry.is_transient_status(answer.status_code):
            raise TransientError(
                _unavailable(answer, url),
                wait=retry.retry_after(answer.headers, datetime.now(timezone.utc)),
                throttled=answer.status_code == requests.codes.too_many_requests,
            )
        if answer.ok and _json_object(answer) is None:
            raise TransientError(_not_json(answer, url))
        return answer


def _json_object(answer: requests.Response) -> dict[str, Any] | None:
    try:
        body = json.loads(answer.content)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _unavailable(answer: requests.Response, url: str) -> AuthenticationError:
    status = answer.status_code
    return AuthenticationError(
        f"The login service answered with HTTP status {status}",
        where=safe_url(url),
        why=answer.reason or None,
        remedy="Too many sign-ins; try again later."
        if status == requests.codes.too_many_requests
        else "The login service or a proxy in between is out of order; try again later.",
    )


def _not_json(answer: requests.Response, url: str) -> AuthenticationError:
    """The body is not quoted: a token may be in it."""
    kind = answer.headers.get("Content-Type") or "no content type"
    return AuthenticationError(
        "The login service's answer is not JSON",
        where=safe_url(url),
        why=f"HTTP status {answer.status_code}, {kind}, {len(answer.content)} bytes",
        remedy="Check authority_host; a proxy or firewall in between may have answered in its "
        "place.",
    )
