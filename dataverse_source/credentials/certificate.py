"""Certificates and private keys from PEM and PFX files, checked before any request."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import pkcs12

from dataverse_source.config.setting_names import where_to_set
from dataverse_source.errors import ConfigurationError

_PRIVATE_KEY = re.compile(
    rb"-----BEGIN ((?:[A-Z]+ )?PRIVATE KEY)-----.*?-----END \1-----", re.DOTALL
)
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def certificate_proof(
    certificate_path: str, private_key_path: str = "", password: str = ""
) -> Callable[[], dict[str, Any]]:
    """A function that reads key and certificate in MSAL's form each time it is called.

    MSAL computes the thumbprints from the certificate (SHA-256 for Entra, SHA-1 for AD FS) and
    sends it along as ``x5c``, which "subject name and issuer" registrations need.

    Args:
        certificate_path: PEM or PFX file.
        private_key_path: PEM file, empty if the key is in the same file.
        password: password of the key or of the PFX file, empty if it has none.

    Raises (when called):
        ConfigurationError: a file cannot be read, the password is wrong, key and certificate do
            not belong together, or the certificate has expired.
    """

    def read() -> dict[str, Any]:
        data = _bytes(certificate_path, "certificate_path")
        if b"-----BEGIN" in data:
            key, certificates = _from_pem(data, certificate_path, private_key_path, password)
        else:
            key, certificates = _from_pfx(data, certificate_path, password)
        certificate = _of_key(key, certificates, certificate_path, private_key_path)
        return {
            "private_key": key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ).decode(),
            "public_certificate": certificate.public_bytes(serialization.Encoding.PEM).decode(),
        }

    return read


def _bytes(path: str, setting: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise _unusable(f"{setting} cannot be read", path, error.strerror, setting) from None


def _from_pem(
    data: bytes, path: str, private_key_path: str, password: str
) -> tuple[RSAPrivateKey, list[x509.Certificate]]:
    setting = "private_key_path" if private_key_path else "certificate_path"
    key_path = private_key_path or path
    found = _PRIVATE_KEY.search(_bytes(key_path, setting) if private_key_path else data)
    if found is None:
        raise _unusable(
            f"The file of {setting} contains no private key",
            key_path,
            None,
            *dict.fromkeys((setting, "private_key_path")),
        )
    try:
        certificates = [
            x509.load_pem_x509_certificate(block) for block in _CERTIFICATE.findall(data)
        ]
    except ValueError:
        certificates = []
    if not certificates:
        raise _unusable(
            "The file of certificate_path contains no certificate", path, None, "certificate_path"
        )
    return _rsa(
        _private_key(found[0], key_path, setting, password), key_path, setting
    ), certificates


def _private_key(pem: bytes, path: str, setting: str, password: str) -> Any:
    is_encrypted = b"ENCRYPTED" in pem
    if is_encrypted and not password:
        raise _unusable(
            "The private key is encrypted, and certificate_password is not set",
            path,
            None,
            "certificate_password",
        )
    try:
        return serialization.load_pem_private_key(pem, password.encode() if is_encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Not chained: the error's text may contain parts of key or password.
        if is_encrypted:
            what = "The private key cannot be decrypted: certificate_password is wrong"
            raise _unusable(what, path, None, "certificate_password") from None
        what = f"The private key in the file of {setting} cannot be read"
        raise _unusable(what, path, None, setting) from None


def _from_pfx(
    data: bytes, path: str, password: str
) -> tuple[RSAPrivateKey, list[x509.Certificate]]:
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(
            data, password.encode() if password else None
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        what = (
            "The file of certificate_path cannot be opened: it is not a PEM or PFX file, or "
            f"certificate_password is {'wrong' if password else 'missing'}"
        )
        names = ("certificate_path", "certificate_password")
        raise _unusable(what, path, None, *names) from None
    if key is None or certificate is None:
        raise _unusable(
            f"The PFX file contains no {'private key' if certificate else 'certificate'}",
            path,
            None,
            "certificate_path",
        )
    return _rsa(key, path, "certificate_path"), [certificate, *others]


def _rsa(key: Any, path: str, setting: str) -> RSAPrivateKey:
    if isinstance(key, RSAPrivateKey):
        return key
    raise _unusable(
        "The private key is not an RSA key, the only kind that the login service accepts",
        path,
        None,
        setting,
    )


def _of_key(
    key: RSAPrivateKey, certificates: list[x509.Certificate], path: str, private_key_path: str
) -> x509.Certificate:
    """The certificate that belongs to the key; the others are those of its issuers."""
    mine = key.public_key()
    certificate = next((one for one in certificates if one.public_key() == mine), None)
    if certificate is None:
        names = ("certificate_path", "private_key_path")[: 2 if private_key_path else 1]
        raise _unusable("Private key and certificate do not belong together", path, None, *names)
    ends = certificate.not_valid_after_utc
    if ends < datetime.now(timezone.utc):
        raise _unusable(
            f"The certificate expired on {ends:%Y-%m-%d}", path, None, "certificate_path"
        )
    return certificate


def _unusable(what: str, path: str, why: str | None, *settings: str) -> ConfigurationError:
    return ConfigurationError(what, where=path, why=why, remedy=f"Check {where_to_set(*settings)}.")
