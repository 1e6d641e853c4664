"""Keys, certificates, tokens of other identity providers, and clients that sign in with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from dataverse_source.client.client import DataverseClient
from dataverse_source.client.session import new_session
from dataverse_source.credentials import DataverseCredentials, TokenCredential, token_source
from dataverse_source.sandbox import Application, FederatedCredential, Sandbox
from dataverse_source.sandbox.environment.access_rules import caller_of

PASSWORD = "pa55-wörd-that-nobody-may-see"
ISSUER = "https://kubernetes.example"
SUBJECT = "system:serviceaccount:etl:loader"
AUDIENCE = "api://AzureADTokenExchange"


@cache
def _key(number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key(number: int = 0) -> rsa.RSAPrivateKey:
    """The same key for the same number, in this process."""
    return _key(number)


def key_pem(number: int = 0, password: str | None = None) -> bytes:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password.encode())
    return key(number).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )


def certificate(number: int = 0, *, days: int = 1, name: str = "etl") -> x509.Certificate:
    """The same certificate for the same arguments, in this process."""
    return _certificate(number, days, name)


@cache
def _certificate(number: int, days: int, name: str) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key(number).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
        .sign(key(number), hashes.SHA256())
    )


def pem(found: x509.Certificate) -> bytes:
    return found.public_bytes(serialization.Encoding.PEM)


def pfx(number: int = 0, password: str | None = None) -> bytes:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password.encode())
    return pkcs12.serialize_key_and_certificates(
        b"etl", key(number), certificate(number), [certificate(7, name="issuer")], encryption
    )


def federation() -> FederatedCredential:
    public = key(1).public_key()
    text = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()
    return FederatedCredential(ISSUER, SUBJECT, text)


def assertion(**changes: Any) -> str:
    """A token of the identity provider, valid for ten minutes."""
    now = datetime.now(timezone.utc)
    claims = {
        "iss": ISSUER,
        "sub": SUBJECT,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + timedelta(minutes=10),
        **changes,
    }
    return jwt.encode(claims, key(1), "RS256")


def written(path: Path, *parts: bytes) -> str:
    path.write_bytes(b"\n".join(parts))
    return str(path)


def settings_for(sandbox: Sandbox, app: Application, **settings: Any) -> DataverseCredentials:
    """Everything but the proof that it is ``app``."""
    return DataverseCredentials(
        tenant_id=sandbox.tenant_id,
        client_id=app.client_id,
        authority_host=sandbox.authority_host,
        **settings,
    )


@contextmanager
def client(
    sandbox: Sandbox, credentials: DataverseCredentials | TokenCredential
) -> Iterator[DataverseClient]:
    """A client of the sandbox that signs in as a run does, without waiting between tries."""
    with new_session(ca_bundle=sandbox.ca_bundle) as session:
        tokens = token_source(
            credentials, sandbox.environment_url, session=session, pause=lambda _: None
        )
        yield DataverseClient(
            sandbox.environment_url, tokens, session=session, pause=lambda _: None
        )


def user_of(sandbox: Sandbox, credentials: DataverseCredentials | TokenCredential) -> str:
    """The id of the application user that the credentials sign in as."""
    with client(sandbox, credentials) as found:
        return str(found.get_json("WhoAmI")["UserId"])


def user_id(sandbox: Sandbox, app: Application) -> str:
    return caller_of(sandbox.environment, app.client_id).user_id


def claims(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found
