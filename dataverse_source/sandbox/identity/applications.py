"""App registrations of the sandbox's tenant: their secrets, certificates and federations."""

from __future__ import annotations

import base64
import hashlib
import secrets
import uuid
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization


@dataclass(frozen=True)
class FederatedCredential:
    """Trust in another identity provider's tokens for one subject.

    Attributes:
        issuer: ``iss`` of the assertion; compared exactly, case included.
        subject: ``sub`` of the assertion; compared exactly, case included.
        public_key: the issuer's RSA key (PEM), which a real tenant would fetch from the issuer.
        audience: ``aud`` of the assertion.
    """

    issuer: str
    subject: str
    public_key: str
    audience: str = "api://AzureADTokenExchange"


@dataclass
class Application:
    """One app registration with its service principal.

    Attributes:
        secrets: end date by client secret; None for a secret without one.
        certificates: the registered certificates.
        federations: the registered federated credentials.
    """

    name: str
    client_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    object_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    secrets: dict[str, datetime | None] = field(default_factory=dict)
    certificates: list[x509.Certificate] = field(default_factory=list)
    federations: list[FederatedCredential] = field(default_factory=list)

    def add_secret(self, secret: str | None = None, *, expires: datetime | None = None) -> str:
        """Registers a client secret (a new one, unless given) and returns it."""
        secret = secret or new_secret()
        self.secrets[secret] = expires
        return secret

    def add_certificate(self, pem: str | bytes) -> None:
        """Registers a certificate, given as PEM."""
        self.certificates.append(
            x509.load_pem_x509_certificate(pem.encode() if isinstance(pem, str) else pem)
        )

    def add_federation(self, credential: FederatedCredential) -> None:
        """Registers a federated credential."""
        self.federations.append(credential)


def new_secret() -> str:
    """A client secret in Entra's form: 40 characters, with some that forms must escape."""
    return f"{secrets.token_urlsafe(2)}8Q~{secrets.token_urlsafe(40)}"[:40]


def thumbprints(certificate: x509.Certificate) -> frozenset[str]:
    """What ``x5t`` and ``x5t#S256`` say of a certificate: SHA-1 and SHA-256, base64url."""
    der = certificate.public_bytes(serialization.Encoding.DER)
    digests = (hashlib.sha1(der, usedforsecurity=False).digest(), hashlib.sha256(der).digest())
    return frozenset(base64.urlsafe_b64encode(each).rstrip(b"=").decode() for each in digests)
