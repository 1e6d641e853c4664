"""Certificates and keys from files of every form, and what is said of files that do not do."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12

from dataverse_source.credentials.certificate import certificate_proof
from dataverse_source.errors import ConfigurationError
from tests.support.sign_in_material import PASSWORD, certificate, key, key_pem, pem, pfx, written


def assert_is_ours(path: str, key_path: str = "", password: str = "") -> None:
    proof = certificate_proof(path, key_path, password)()
    assert proof["public_certificate"].encode() == pem(certificate())
    loaded = serialization.load_pem_private_key(proof["private_key"].encode(), None)
    assert loaded.public_key() == key().public_key()


def test_key_and_certificate_in_one_file(tmp_path: Path) -> None:
    plain, mine, issuer = key_pem(), pem(certificate()), pem(certificate(7, name="issuer"))
    for number, parts in enumerate([(plain, mine), (mine, plain), (plain, issuer, mine)]):
        assert_is_ours(written(tmp_path / f"{number}.pem", *parts))


def test_key_in_a_file_of_its_own(tmp_path: Path) -> None:
    path = written(tmp_path / "etl.crt", pem(certificate()))
    assert_is_ours(path, written(tmp_path / "etl.key", key_pem()))
    assert_is_ours(path, written(tmp_path / "2.key", key_pem(password=PASSWORD)), PASSWORD)


def test_keys_of_the_older_form(tmp_path: Path) -> None:
    old = key().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.BestAvailableEncryption(PASSWORD.encode()),
    )
    assert b"BEGIN RSA PRIVATE KEY" in old
    assert_is_ours(written(tmp_path / "old.pem", old, pem(certificate())), password=PASSWORD)


def test_encrypted_keys_and_pfx_files(tmp_path: Path) -> None:
    path = written(tmp_path / "etl.pem", key_pem(password=PASSWORD), pem(certificate()))
    assert_is_ours(path, password=PASSWORD)
    assert_is_ours(written(tmp_path / "etl.pfx", pfx(password=PASSWORD)), password=PASSWORD)
    assert_is_ours(written(tmp_path / "open.pfx", pfx()))


def test_a_password_that_is_not_needed_does_no_harm(tmp_path: Path) -> None:
    path = written(tmp_path / "etl.pem", key_pem(), pem(certificate()))
    assert_is_ours(path, password=PASSWORD)


def test_files_are_read_anew(tmp_path: Path) -> None:
    path = written(tmp_path / "etl.pem", key_pem(), pem(certificate()))
    read = certificate_proof(path)
    first = read()
    written(tmp_path / "etl.pem", key_pem(2), pem(certificate(2)))
    assert read()["public_certificate"].encode() == pem(certificate(2))
    assert read() != first


def elliptic() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def without_key() -> bytes:
    return pkcs12.serialize_key_and_certificates(
        b"x", None, None, [certificate()], serialization.NoEncryption()
    )


MINE = pem(certificate())
BROKEN_CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
BROKEN_KEY = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("parts", "password", "what", "setting"),
    [
        ((MINE,), "", "contains no private key", "private_key_path"),
        ((key_pem(),), "", "contains no certificate", "certificate_path"),
        ((key_pem(), BROKEN_CERTIFICATE), "", "contains no certificate", "certificate_path"),
        ((BROKEN_KEY, MINE), "", "cannot be read", "certificate_path"),
        ((elliptic(), MINE), "", "not an RSA key", "certificate_path"),
        ((key_pem(password=PASSWORD), MINE), "", "is not set", "certificate_password"),
        ((key_pem(password=PASSWORD), MINE), "guess", "is wrong", "certificate_password"),
        ((key_pem(2), MINE), "", "do not belong together", "certificate_path"),
        ((key_pem(), pem(certificate(days=-1))), "", "certificate expired on", "certificate_path"),
        ((pfx(password=PASSWORD),), "", "is missing", "certificate_password"),
        ((pfx(password=PASSWORD),), "guess", "is wrong", "certificate_password"),
        ((without_key(),), "", "contains no", "certificate_path"),
        ((b"a text",), "", "not a PEM or PFX file", "certificate_path"),
        ((b"",), "", "not a PEM or PFX file", "certificate_path"),
        ((MINE.replace(b"CERTIFICATE", b"THING"),), "", "no private key", "certificate_path"),
    ],
)
def test_files_that_do_not_do(
    tmp_path: Path, parts: tuple[bytes, ...], password: str, what: str, setting: str
) -> None:
    path = written(tmp_path / "etl.pem", *parts)
    with pytest.raises(ConfigurationError) as caught:
        certificate_proof(path, "", password)()
    text = str(caught.value)
    assert what in text
    assert path in text
    assert f"SOURCES__DATAVERSE__CREDENTIALS__{setting.upper()}" in text
    everything = "".join(traceback.format_exception(caught.value))
    assert "guess" not in everything
    assert PASSWORD not in everything


def test_files_that_are_not_there(tmp_path: Path) -> None:
    path = written(tmp_path / "etl.pem", MINE)
    for arguments, setting in (
        ((str(tmp_path / "none.pem"),), "certificate_path"),
        ((str(tmp_path),), "certificate_path"),
        ((path, str(tmp_path / "none.key")), "private_key_path"),
    ):
        with pytest.raises(ConfigurationError, match=f"{setting} cannot be read"):
            certificate_proof(*arguments)()
    with pytest.raises(ConfigurationError, match="do not belong together") as caught:
        certificate_proof(path, written(tmp_path / "other.key", key_pem(2)))()
    assert "SOURCES__DATAVERSE__CREDENTIALS__PRIVATE_KEY_PATH" in str(caught.value)


def test_the_certificate_is_the_leaf(tmp_path: Path) -> None:
    path = written(tmp_path / "etl.pfx", pfx(password=PASSWORD))
    proof = certificate_proof(path, "", PASSWORD)()
    found = x509.load_pem_x509_certificates(proof["public_certificate"].encode())
    assert found == [certificate()]
