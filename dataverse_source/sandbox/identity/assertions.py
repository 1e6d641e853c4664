"""Client assertions: JWTs signed with a certificate or by another identity provider."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime, timedelta, timezone
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from dataverse_source.sandbox.identity.applications import Application, thumbprints
from dataverse_source.sandbox.identity.sign_in_errors import SignInError, malformed_assertion

ALGORITHMS = ("RS256", "PS256")
CLOCK_SKEW = timedelta(minutes=5)
CERTIFICATE_PAGE = "https://learn.microsoft.com/entra/identity-platform/certificate-credentials"
FEDERATION_PAGE = "https://learn.microsoft.com/entra/workload-id/workload-identity-federation"


def check_assertion(application: Application, assertion: str, endpoints: frozenset[str]) -> None:
    """Checks the proof that an application gives in place of a secret.

    A client sets the times in an assertion by its own clock, so they are checked against the
    system's time, not the sandbox's clock.

    Args:
        application: the one that the request names.
        assertion: the JWT.
        endpoints: URLs that a client may name as ``aud`` of an assertion of its own.

    Raises:
        SignInError: worded as Entra words it.
    """
    try:
        header = jwt.get_unverified_header(assertion)
        claims = jwt.decode(assertion, options={"verify_signature": False})
    except jwt.PyJWTError as error:
        raise malformed_assertion(str(error)) from None
    if header.get("alg") not in ALGORITHMS:
        raise malformed_assertion(f"Algorithm {header.get('alg')} is not accepted.")
    if claims.get("iss") == application.client_id:
        _check_own(application, assertion, header, claims, endpoints)
    else:
        _check_federated(application, assertion, claims)
    _check_time(claims)


def _check_own(
    application: Application,
    assertion: str,
    header: dict[str, Any],
    claims: dict[str, Any],
    endpoints: frozenset[str],
) -> None:
    if claims.get("sub") != application.client_id:
        raise _refused(
            700021,
            "Client assertion application identifier doesn't match 'client_id' parameter. "
            f"Review the documentation at {CERTIFICATE_PAGE} .",
        )
    if claims.get("aud") not in endpoints:
        raise _refused(
            700023,
            "Client assertion audience claim does not match Realm issuer. Review the "
            f"documentation at {CERTIFICATE_PAGE} .",
        )
    certificate = _registered(application, header)
    if certificate is None:
        raise _wrong_key(application, header, "The key was not found.")
    found = (
        f", Found key 'Start={certificate.not_valid_before_utc:%m/%d/%Y %H:%M:%S}, "
        f"End={certificate.not_valid_after_utc:%m/%d/%Y %H:%M:%S}'"
    )
    if certificate.not_valid_after_utc < datetime.now(timezone.utc):
        raise _wrong_key(application, header, "The key used is expired.", found)
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey) or not _is_signed(assertion, key):
        reason = "The key was found, but use of the key to verify the signature failed."
        raise _wrong_key(application, header, reason, found)


def _registered(application: Application, header: dict[str, Any]) -> x509.Certificate | None:
    # Some clients pad the thumbprint, others do not.
    given = {str(header[name]).rstrip("=") for name in ("x5t", "x5t#S256") if header.get(name)}
    if not given and header.get("x5c"):
        given = _of_chain(header["x5c"])
    for certificate in application.certificates:
        if given & thumbprints(certificate):
            return certificate
    return None


def _of_chain(chain: Any) -> set[str]:
    """The thumbprints of the first certificate of ``x5c``: the one that signed."""
    first = chain[0] if isinstance(chain, list) else chain
    try:
        return set(thumbprints(x509.load_der_x509_certificate(base64.b64decode(first))))
    except (binascii.Error, ValueError, TypeError):
        raise malformed_assertion("The x5c header holds no certificate.") from None


def _check_federated(application: Application, assertion: str, claims: dict[str, Any]) -> None:
    found = application.federations
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    for code, name, given in (
        (700211, "issuer", [claims.get("iss")]),
        (700213, "subject", [claims.get("sub")]),
        (700212, "audience", audiences),
    ):
        # Compared with regard to case, as Entra does since 2024.
        found = [each for each in found if getattr(each, name) in given]
        if not found:
            raise _refused(
                code,
                f"No matching federated identity record found for presented assertion {name} "
                f"'{given[0]}'. Check your federated identity credential Subject, Audience and "
                f"Issuer against the presented assertion. {FEDERATION_PAGE}",
            )
    keys = (serialization.load_pem_public_key(each.public_key.encode()) for each in found)
    if not any(isinstance(key, RSAPublicKey) and _is_signed(assertion, key) for key in keys):
        raise _refused(
            700027,
            "Client assertion failed signature validation. [Reason - The key was not found. "
            f"Please check the issuer's keys.] {FEDERATION_PAGE}",
        )


def _is_signed(assertion: str, key: RSAPublicKey) -> bool:
    options: Any = dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud"), False)
    try:
        jwt.decode(assertion, key, algorithms=list(ALGORITHMS), options=options)
    except jwt.PyJWTError:
        return False
    return True


def _check_time(claims: dict[str, Any]) -> None:
    now = datetime.now(timezone.utc)
    try:
        ends = datetime.fromtimestamp(claims["exp"], timezone.utc)
        begins = datetime.fromtimestamp(claims.get("nbf", claims.get("iat", 0)), timezone.utc)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise malformed_assertion("The assertion lacks its times.") from None
    if not begins - CLOCK_SKEW <= now <= ends + CLOCK_SKEW:
        raise _refused(
            700024,
            "Client assertion is not within its valid time range. Current time: "
            f"{_precise(now)}, assertion valid from {_precise(begins)}, expiry time of "
            f"assertion {_precise(ends)}. Review the documentation at {CERTIFICATE_PAGE} .",
        )


def _wrong_key(
    application: Application, header: dict[str, Any], reason: str, found: str = ""
) -> SignInError:
    given = header.get("x5t") or header.get("x5t#S256")
    used = f", Thumbprint of key used by client: '{_hexadecimal(given)}'" if given else ""
    return _refused(
        700027,
        "The certificate with identifier used to sign the client assertion is not registered on "
        f"application. [Reason - {reason}{used}{found}, Please visit the Azure Portal, Graph "
        "Explorer or directly use MS Graph to see configured keys for app Id "
        f"'{application.client_id}'.]",
    )


def _hexadecimal(thumbprint: str) -> str:
    try:
        return base64.urlsafe_b64decode(thumbprint + "==").hex().upper()
    except (binascii.Error, ValueError):
        return thumbprint


def _precise(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06}0Z"


def _refused(code: int, text: str) -> SignInError:
    return SignInError(401, "invalid_client", code, text)
