"""Every way to sign in an app registration, against the sandbox: MSAL, HTTPS, checked proofs."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from dataverse_source.credentials import DataverseCredentials
from dataverse_source.errors import AuthenticationError, ConfigurationError, WrongSecretError
from dataverse_source.sandbox import Application, Sandbox
from tests.support.sign_in_material import (
    PASSWORD,
    assertion,
    certificate,
    claims,
    client,
    federation,
    key_pem,
    pem,
    pfx,
    settings_for,
    user_id,
    user_of,
    written,
)


def forms(sandbox: Sandbox, app: Application) -> list[dict[str, list[str]]]:
    """Token requests of one app, as they came over the wire."""
    sent = (parse_qs(one.body.decode()) for one in sandbox.requests.matching("oauth2/v2.0/token"))
    return [form for form in sent if form.get("client_id") == [app.client_id]]


def test_client_secret(tenant: Sandbox, app: Application) -> None:
    credentials = settings_for(tenant, app, client_secret=next(iter(app.secrets)))
    assert user_of(tenant, credentials) == user_id(tenant, app)


def certificate_settings(form: str, folder: Path) -> dict[str, str]:
    mine = pem(certificate())
    if form == "one file":
        return {"certificate_path": written(folder / "etl.pem", key_pem(), mine)}
    if form == "one file, encrypted":
        path = written(folder / "etl.pem", mine, key_pem(password=PASSWORD))
        return {"certificate_path": path, "certificate_password": PASSWORD}
    if form == "two files":
        return {
            "certificate_path": written(folder / "etl.crt", mine),
            "private_key_path": written(folder / "etl.key", key_pem()),
        }
    if form == "two files, encrypted":
        return {
            "certificate_path": written(folder / "etl.crt", mine),
            "private_key_path": written(folder / "etl.key", key_pem(password=PASSWORD)),
            "certificate_password": PASSWORD,
        }
    if form == "PFX":
        return {"certificate_path": written(folder / "etl.pfx", pfx())}
    path = written(folder / "etl.pfx", pfx(password=PASSWORD))
    return {"certificate_path": path, "certificate_password": PASSWORD}


CERTIFICATE_FORMS = [
    "one file",
    "one file, encrypted",
    "two files",
    "two files, encrypted",
    "PFX",
    "PFX, encrypted",
]


@pytest.mark.parametrize("form", CERTIFICATE_FORMS)
def test_certificate(tenant: Sandbox, app: Application, tmp_path: Path, form: str) -> None:
    app.add_certificate(pem(certificate()))
    app.secrets.clear()
    credentials = settings_for(tenant, app, **certificate_settings(form, tmp_path))
    assert user_of(tenant, credentials) == user_id(tenant, app)
    (sent,) = forms(tenant, app)
    assert "client_secret" not in sent
    header = jwt.get_unverified_header(sent["client_assertion"][0])
    assert header["alg"] == "PS256"
    sha256 = base64.urlsafe_b64encode(certificate().fingerprint(hashes.SHA256())).decode()
    assert header["x5t#S256"].rstrip("=") == sha256.rstrip("=")
    (chain,) = header["x5c"]
    assert x509.load_der_x509_certificate(base64.b64decode(chain)) == certificate()


def test_certificate_that_is_not_registered(
    tenant: Sandbox, app: Application, tmp_path: Path
) -> None:
    app.add_certificate(pem(certificate(2)))
    credentials = settings_for(tenant, app, **certificate_settings("one file", tmp_path))
    with pytest.raises(AuthenticationError, match="does not accept the certificate") as caught:
        user_of(tenant, credentials)
    assert caught.value.aadsts == "AADSTS700027"
    assert "SOURCES__DATAVERSE__CREDENTIALS__CERTIFICATE_PATH" in str(caught.value)


def test_certificate_that_is_replaced_while_a_run_goes_on(
    tenant: Sandbox, app: Application, tmp_path: Path
) -> None:
    app.add_certificate(pem(certificate()))
    credentials = settings_for(tenant, app, **certificate_settings("one file", tmp_path))
    with client(tenant, credentials) as found:
        found.get_json("WhoAmI")
        app.certificates.clear()
        app.add_certificate(pem(certificate(2)))
        written(tmp_path / "etl.pem", key_pem(2), pem(certificate(2)))
        tenant.clock.advance(7200)  # the token has run out: 401, renewed
        found.get_json("WhoAmI")
    assert len(forms(tenant, app)) == 2


def test_federation(tenant: Sandbox, app: Application, tmp_path: Path) -> None:
    app.add_federation(federation())
    app.secrets.clear()
    path = written(tmp_path / "token", assertion().encode() + b"\n")
    credentials = settings_for(tenant, app, assertion_path=path)
    assert user_of(tenant, credentials) == user_id(tenant, app)


def test_federation_reads_the_file_at_every_renewal(
    tenant: Sandbox, app: Application, tmp_path: Path
) -> None:
    app.add_federation(federation())
    path = written(tmp_path / "token", assertion(jti="first").encode())
    with client(tenant, settings_for(tenant, app, assertion_path=path)) as found:
        found.get_json("WhoAmI")
        written(tmp_path / "token", assertion(jti="second").encode())
        tenant.clock.advance(7200)
        found.get_json("WhoAmI")
    sent = [claims(form["client_assertion"][0])["jti"] for form in forms(tenant, app)]
    assert sent == ["first", "second"]


PAST = datetime(2020, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("changes", "code", "what"),
    [
        ({"iss": "https://elsewhere.example"}, 700211, "for this issuer"),
        ({"sub": "system:serviceaccount:etl:other"}, 700213, "for this subject"),
        ({"aud": "https://elsewhere"}, 700212, "for this audience"),
        ({"iat": PAST, "exp": PAST}, 700024, "has expired"),
    ],
)
def test_federation_that_is_refused(
    tenant: Sandbox,
    app: Application,
    tmp_path: Path,
    changes: dict[str, Any],
    code: int,
    what: str,
) -> None:
    app.add_federation(federation())
    token = assertion(**changes)
    path = written(tmp_path / "token", token.encode())
    with pytest.raises(AuthenticationError, match=what) as caught:
        user_of(tenant, settings_for(tenant, app, assertion_path=path))
    assert caught.value.aadsts == f"AADSTS{code}"
    assert "SOURCES__DATAVERSE__CREDENTIALS__ASSERTION_PATH" in str(caught.value)
    assert token not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"<html>", b"two tokens", b"\xff\xfe"])
def test_federation_without_a_token_in_the_file(
    tenant: Sandbox, app: Application, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        user_of(tenant, settings_for(tenant, app, assertion_path=str(path)))
    assert "SOURCES__DATAVERSE__CREDENTIALS__ASSERTION_PATH" in str(caught.value)
    assert str(path) in str(caught.value)
    assert forms(tenant, app) == []


def test_the_tenant_is_found_by_asking_the_environment(tenant: Sandbox, app: Application) -> None:
    credentials = settings_for(tenant, app, client_secret=next(iter(app.secrets)))
    credentials.tenant_id = None
    assert user_of(tenant, credentials) == user_id(tenant, app)
    asked = [one for one in tenant.requests if one.path == "/api/data/v9.2/"]
    assert [one.status for one in asked] == [401]
    assert "authorization" not in asked[0].headers


def test_a_wrong_secret_is_refused_by_the_tenant_that_was_found(
    tenant: Sandbox, app: Application
) -> None:
    credentials = DataverseCredentials(
        client_id=app.client_id, client_secret="wrong", authority_host=tenant.authority_host
    )
    with pytest.raises(WrongSecretError) as caught:
        user_of(tenant, credentials)
    assert f"{tenant.authority_host}/{tenant.tenant_id}" in str(caught.value)
    assert "SOURCES__DATAVERSE__CREDENTIALS__CLIENT_SECRET" in str(caught.value)


def test_settings_alone_do_not_send_anything(tenant: Sandbox, app: Application) -> None:
    tenant.requests.clear()
    credentials = settings_for(tenant, app, client_secret=next(iter(app.secrets)))
    with client(tenant, credentials):
        pass
    assert json.dumps([one.path for one in tenant.requests]) == "[]"
