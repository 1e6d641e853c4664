from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from dataverse_source.sandbox import FederatedCredential, Sandbox
from tests.support.sandbox.user_clients import session_of, sign_in

ISSUER = "https://token.actions.example"
SUBJECT = "repo:contoso/etl:ref:refs/heads/main"
AUDIENCE = "api://AzureADTokenExchange"


@cache
def key(number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_pem(number: int = 0) -> str:
    return (
        key(number)
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


def public_pem(number: int = 0) -> str:
    return (
        key(number)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def certificate(number: int = 0, *, ends: timedelta = timedelta(days=1)) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "etl")])
    now = datetime.now(timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key(number).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + ends)
        .sign(key(number), hashes.SHA256())
    )


def pem(found: x509.Certificate) -> str:
    return found.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(rows={}) as running:
        yield running


def by_certificate(sandbox: Sandbox, credential: dict[str, Any]) -> dict[str, Any]:
    return sign_in(sandbox, credential)


def sha1(found: x509.Certificate) -> str:
    return found.fingerprint(hashes.SHA1()).hex()


def test_msal_signs_in_with_ps256_and_sha256(sandbox: Sandbox) -> None:
    mine = certificate()
    sandbox.application.add_certificate(pem(mine))
    credential = {"private_key": private_pem(), "public_certificate": pem(mine)}
    assert "access_token" in by_certificate(sandbox, credential)


def test_msal_signs_in_with_rs256_and_sha1(sandbox: Sandbox) -> None:
    mine = certificate()
    sandbox.application.add_certificate(pem(mine))
    credential = {"private_key": private_pem(), "thumbprint": sha1(mine)}
    answer = by_certificate(sandbox, credential)
    claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
    assert claims["appidacr"] == "2"


def test_certificate_that_is_not_registered(sandbox: Sandbox) -> None:
    sandbox.application.add_certificate(pem(certificate(1)))
    credential = {"private_key": private_pem(), "thumbprint": sha1(certificate())}
    answer = by_certificate(sandbox, credential)
    assert (answer["error"], answer["error_codes"]) == ("invalid_client", [700027])
    assert "[Reason - The key was not found., Thumbprint" in answer["error_description"]
    assert credential["thumbprint"].upper() in answer["error_description"]


def test_key_of_another_certificate(sandbox: Sandbox) -> None:
    mine = certificate()
    sandbox.application.add_certificate(pem(mine))
    credential = {"private_key": private_pem(1), "thumbprint": sha1(mine)}
    answer = by_certificate(sandbox, credential)
    assert answer["error_codes"] == [700027]
    assert "use of the key to verify the signature failed" in answer["error_description"]


def test_certificate_past_its_end(sandbox: Sandbox) -> None:
    old = certificate(ends=timedelta(days=-1))
    sandbox.application.add_certificate(pem(old))
    answer = by_certificate(sandbox, {"private_key": private_pem(), "thumbprint": sha1(old)})
    assert answer["error_codes"] == [700027]
    assert "[Reason - The key used is expired." in answer["error_description"]


def own_assertion(sandbox: Sandbox, headers: dict[str, Any], **changes: Any) -> str:
    now = datetime.now(timezone.utc)
    claims = {
        "iss": sandbox.client_id,
        "sub": sandbox.client_id,
        "aud": f"{sandbox.authority_host}/{sandbox.tenant_id}/oauth2/v2.0/token",
        "exp": now + timedelta(minutes=10),
        "nbf": now,
        "jti": "once",
        **changes,
    }
    return jwt.encode(claims, key(0), "RS256", headers=headers)


def post(sandbox: Sandbox, assertion: str) -> dict[str, Any]:
    form = {
        "grant_type": "client_credentials",
        "client_id": sandbox.client_id,
        "scope": f"{sandbox.environment_url}/.default",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    }
    with session_of(sandbox) as session:
        answer: dict[str, Any] = session.post(
            f"{sandbox.authority_host}/{sandbox.tenant_id}/oauth2/v2.0/token", data=form
        ).json()
        return answer


def test_certificate_chain_alone(sandbox: Sandbox) -> None:
    mine = certificate()
    sandbox.application.add_certificate(pem(mine))
    chain = base64.b64encode(mine.public_bytes(serialization.Encoding.DER)).decode()
    assert "access_token" in post(sandbox, own_assertion(sandbox, {"x5c": [chain]}))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"exp": 1_600_000_000, "nbf": 1_500_000_000}, 700024),
        ({"nbf": 4_000_000_000}, 700024),
        ({"aud": "https://login.example/token"}, 700023),
        ({"sub": "someone else"}, 700021),
    ],
)
def test_claims_that_do_not_hold(sandbox: Sandbox, changes: dict[str, Any], code: int) -> None:
    mine = certificate()
    sandbox.application.add_certificate(pem(mine))
    thumbprint = base64.urlsafe_b64encode(mine.fingerprint(hashes.SHA256())).rstrip(b"=").decode()
    headers = {"x5t#S256": thumbprint}
    assert "access_token" in post(sandbox, own_assertion(sandbox, headers))
    assert post(sandbox, own_assertion(sandbox, headers, **changes))["error_codes"] == [code]


def test_unsigned_assertion_is_refused(sandbox: Sandbox) -> None:
    claims = {"iss": sandbox.client_id, "sub": sandbox.client_id}
    assert post(sandbox, jwt.encode(claims, "", "none"))["error_codes"] == [50027]


def federated(sandbox: Sandbox, number: int = 0, **changes: Any) -> dict[str, Any]:
    now = datetime.now(timezone.utc)
    claims = {
        "iss": ISSUER,
        "sub": SUBJECT,
        "aud": AUDIENCE,
        "exp": now + timedelta(minutes=10),
        "iat": now,
        **changes,
    }

    def assertion() -> str:
        return jwt.encode(claims, key(number), "RS256")

    return sign_in(sandbox, {"client_assertion": assertion})


def test_federated_credential(sandbox: Sandbox) -> None:
    sandbox.application.add_federation(FederatedCredential(ISSUER, SUBJECT, public_pem()))
    assert "access_token" in federated(sandbox)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": ISSUER + "/"}, 700211),
        ({"sub": SUBJECT.upper()}, 700213),
        ({"aud": "https://elsewhere"}, 700212),
        ({"exp": 1_600_000_000, "iat": 1_500_000_000}, 700024),
    ],
)
def test_federation_that_does_not_match(
    sandbox: Sandbox, changes: dict[str, Any], code: int
) -> None:
    sandbox.application.add_federation(FederatedCredential(ISSUER, SUBJECT, public_pem()))
    assert federated(sandbox, **changes)["error_codes"] == [code]


def test_federation_signed_by_another(sandbox: Sandbox) -> None:
    sandbox.application.add_federation(FederatedCredential(ISSUER, SUBJECT, public_pem()))
    assert federated(sandbox, 1)["error_codes"] == [700027]


def test_no_federation_registered(sandbox: Sandbox) -> None:
    assert federated(sandbox)["error_codes"] == [700211]
