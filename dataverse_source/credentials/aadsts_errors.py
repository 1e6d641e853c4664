"""Explains refusals of the login service (AADSTS codes): what is wrong, and in which setting.

Docs: "Microsoft Entra authentication and authorization error codes".
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from dataverse_source.config.setting_names import where_to_set
from dataverse_source.errors import (
    AuthenticationError,
    ExpiredSecretError,
    UnknownApplicationError,
    UnknownTenantError,
    WrongSecretError,
    mask_secrets,
)

__all__ = ["UNKNOWN_TENANT", "sign_in_error", "without_secrets"]

_AADSTS = re.compile(r"AADSTS(\d+)")
# Descriptions end with "Trace ID: ... Correlation ID: ... Timestamp: ...".
_TAIL = re.compile(r"\s*Trace ID:.*", re.DOTALL)
_MESSAGE_LENGTH = 500
# The form of ids in Entra; none of its secrets looks like that.
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_WRONG_SECRET = 7000215
_NOT_VALID_NOW = 700024


def _settings(*names: str) -> str:
    return f" The setting{'s' if len(names) > 1 else ''}: {where_to_set(*names)}."


@dataclass(frozen=True)
class Refusal:
    """The meaning of a code: the error to raise, its first sentence, and the remedy."""

    error: type[AuthenticationError]
    what: str
    remedy: str


UNKNOWN_TENANT = Refusal(
    UnknownTenantError,
    "The login service knows no such tenant",
    "Check tenant_id, and authority_host for clouds other than the public one."
    + _settings("tenant_id", "authority_host"),
)
_REFUSALS = {
    90002: UNKNOWN_TENANT,
    900023: UNKNOWN_TENANT,
    _WRONG_SECRET: Refusal(
        WrongSecretError,
        "The client secret is wrong",
        "Check client_secret: you may have pasted the secret's id instead of its value. The "
        "value is shown only once; make a new secret under Certificates & secrets if it is lost."
        + _settings("client_secret"),
    ),
    7000222: Refusal(
        ExpiredSecretError,
        "The client secret has expired",
        "Make a new secret for the app registration under Certificates & secrets, and set "
        "client_secret to its value." + _settings("client_secret"),
    ),
    700016: Refusal(
        UnknownApplicationError,
        "The tenant has no app registration with this client id",
        "Check client_id (the application id, not an object id) and that tenant_id is the "
        "tenant of the app registration." + _settings("client_id", "tenant_id"),
    ),
    7000112: Refusal(
        UnknownApplicationError,
        "The app registration is disabled",
        "Have an administrator enable the app that client_id names." + _settings("client_id"),
    ),
    7000229: Refusal(
        UnknownApplicationError,
        "The app has no service principal in the tenant",
        "Have an administrator add the app that client_id names to the tenant, or check "
        "tenant_id." + _settings("client_id", "tenant_id"),
    ),
    500011: Refusal(
        AuthenticationError,
        "The tenant does not know the environment",
        "Check environment_url for typos (the Power Platform admin centre shows it as "
        "Environment URL), and that tenant_id is the tenant of the environment."
        + _settings("environment_url")
        + _settings("tenant_id"),
    ),
    53003: Refusal(
        AuthenticationError,
        "A conditional access policy of the tenant blocks the sign-in",
        "Ask the tenant's administrator to let the app that client_id names sign in from here."
        + _settings("client_id"),
    ),
    700027: Refusal(
        AuthenticationError,
        "The login service does not accept the certificate",
        "Add the certificate to the app registration under Certificates & secrets, or check "
        "that it is the right one and has not expired."
        + _settings("certificate_path", "client_id"),
    ),
    700030: Refusal(
        AuthenticationError,
        "The certificate's subject name and issuer are not registered",
        "Have them registered for the app, or add the certificate itself under Certificates & "
        "secrets." + _settings("certificate_path"),
    ),
    _NOT_VALID_NOW: Refusal(
        AuthenticationError,
        "The proof of the sign-in is not valid now",
        "Check the clock of this machine.",
    ),
}
_FEDERATION = (
    "Compare issuer, subject and audience of the app registration's federated credential "
    "(Certificates & secrets) with those of the token, case included."
) + _settings("assertion_path", "client_id")
_FEDERATED_REFUSALS = {
    700211: Refusal(AuthenticationError, "No federated credential for this issuer", _FEDERATION),
    700213: Refusal(AuthenticationError, "No federated credential for this subject", _FEDERATION),
    700212: Refusal(AuthenticationError, "No federated credential for this audience", _FEDERATION),
    70021: Refusal(AuthenticationError, "No federated credential for this token", _FEDERATION),
    _NOT_VALID_NOW: Refusal(
        AuthenticationError,
        "The federated token has expired, or is not valid yet",
        "Have the file renewed before its token expires, and check the clock of this machine."
        + _settings("assertion_path"),
    ),
    700027: Refusal(
        AuthenticationError,
        "The federated token's signature is not its issuer's",
        "Check who writes the token." + _settings("assertion_path"),
    ),
}
_PROOF_SETTING = {"certificate": "certificate_path", "federated": "assertion_path"}


def sign_in_error(
    answer: Mapping[str, Any],
    authority: str,
    environment: str,
    *,
    auth_type: str = "client_secret",
    secrets: tuple[str, ...] = (),
) -> AuthenticationError:
    """The login service's refusal as an error that names the setting to check.

    Args:
        answer: its JSON: ``error``, ``error_description``, ``error_codes``, ``correlation_id``.
        authority: login host and tenant.
        environment: the environment that the token was asked for.
        auth_type: the kind of sign-in.
        secrets: texts that must not appear in the message, should the answer repeat them.
    """
    known = _REFUSALS | (_FEDERATED_REFUSALS if auth_type == "federated" else {})
    description = str(answer.get("error_description") or "")
    number = _number(answer, description, known)
    refusal = known.get(number or 0) or _generic(auth_type)
    words = _TAIL.sub("", description) or str(answer.get("error") or "no reason given")
    correlation_id = answer.get("correlation_id")
    return refusal.error(
        refusal.what,
        aadsts=f"AADSTS{number}" if number else None,
        where=f"{authority} for {environment}",
        why=without_secrets(words, secrets)[:_MESSAGE_LENGTH],
        remedy=_hint(number, answer, secrets) + refusal.remedy,
        request_id=str(correlation_id) if correlation_id else None,
    )


def _hint(number: int | None, answer: Mapping[str, Any], secrets: tuple[str, ...]) -> str:
    """A sentence to put before the remedy, about what shows on this side; or nothing."""
    if number == _WRONG_SECRET and any(_ID.fullmatch(secret) for secret in secrets):
        return "It has the form of an id: it is the Secret ID, not the Value beside it. "
    if number == _NOT_VALID_NOW:
        return _clock_hint(answer)
    return ""


def _clock_hint(answer: Mapping[str, Any]) -> str:
    """Tells how far this machine's clock is off the login service's, from one minute on."""
    try:
        told = datetime.strptime(str(answer.get("timestamp")), "%Y-%m-%d %H:%M:%SZ")
    except ValueError:
        return ""
    minutes = round((time.time() - told.replace(tzinfo=timezone.utc).timestamp()) / 60)
    if not minutes:
        return ""
    side = "ahead of" if minutes > 0 else "behind"
    return f"The clock of this machine is {abs(minutes)} minutes {side} the login service's. "


def without_secrets(words: str, secrets: tuple[str, ...] = ()) -> str:
    """``words`` of others, with secrets and everything that looks like a token masked."""
    for secret in secrets:
        words = words.replace(secret, "***")
    return mask_secrets(words)


def _generic(auth_type: str) -> Refusal:
    proof = _PROOF_SETTING.get(auth_type, "client_secret")
    return Refusal(
        AuthenticationError,
        "The login service refused to give a token",
        f"Check tenant_id, client_id and {proof}; the answer above says more."
        + _settings("tenant_id", "client_id", proof),
    )


def _number(
    answer: Mapping[str, Any], description: str, known: Mapping[int, Refusal]
) -> int | None:
    """The AADSTS number: a known one of the list if there is one, else the first found."""
    codes = answer.get("error_codes")
    numbers = [code for code in codes if isinstance(code, int)] if isinstance(codes, list) else []
    numbers += [int(digits) for digits in _AADSTS.findall(description)]
    return next((code for code in numbers if code in known), next(iter(numbers), None))
