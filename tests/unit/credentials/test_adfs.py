"""AD FS servers on premises: their addresses, their scope, and what they take as a proof."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives import hashes

from dataverse_source.client.session import new_session
from dataverse_source.credentials import DataverseCredentials, token_source
from tests.support.servers import (
    CLIENT,
    SECRET,
    Answer,
    Received,
    ScriptedServer,
    ca_file,
    json_answer,
    login_error,
    serving,
    tls_context,
    token_answer,
)
from tests.support.sign_in_material import certificate, key, key_pem, pem, written

ENVIRONMENT = "https://contoso.crm.contoso.com"
TOKEN_PATH = "/adfs/oauth2/token"


def is_proof(form: dict[str, list[str]], endpoint: str) -> bool:
    """A secret, or an assertion with SHA-1 thumbprint and RS256, the only ones AD FS knows."""
    if "client_assertion" not in form:
        return form.get("client_secret") == [SECRET]
    token = form["client_assertion"][0]
    header = jwt.get_unverified_header(token)
    sha1 = base64.urlsafe_b64encode(certificate().fingerprint(hashes.SHA1())).decode()
    jwt.decode(token, key().public_key(), algorithms=["RS256"], audience=endpoint)
    return bool(header["x5t"].rstrip("=") == sha1.rstrip("="))


def ad_fs(request: Received) -> Answer:
    """A discovery document without a version in its address, and a token for a known scope."""
    base = f"https://{request.headers['host']}/adfs"
    if request.target == "/adfs/.well-known/openid-configuration":
        return json_answer(
            {
                "issuer": base,
                "authorization_endpoint": f"{base}/oauth2/authorize/",
                "token_endpoint": f"{base}/oauth2/token",
            }
        )
    form = parse_qs(request.body.decode())
    if request.target != TOKEN_PATH or form["scope"] != [f"{ENVIRONMENT}/openid"]:
        return login_error("invalid_scope", 1, "MSIS9602: unknown scope")
    if not is_proof(form, f"{base}/oauth2/token"):
        return login_error("invalid_client", 2, "MSIS9607: no proof", 401)
    return token_answer("token-of-ad-fs")


def sign_in(server: ScriptedServer, folder: Path, **settings: str) -> str:
    credentials = DataverseCredentials(client_id=CLIENT, **settings)
    with new_session(ca_bundle=ca_file(folder)) as session:
        return token_source(credentials, ENVIRONMENT, session=session).token()


@pytest.mark.parametrize("named", ["in the address", "as the tenant"])
def test_a_secret(tmp_path: Path, named: str) -> None:
    with serving(ad_fs, tls_context()) as server:
        where = (
            {"authority_host": f"{server.url}/adfs"}
            if named == "in the address"
            else {"authority_host": server.url, "tenant_id": "adfs"}
        )
        assert sign_in(server, tmp_path, client_secret=SECRET, **where) == "token-of-ad-fs"


def test_a_certificate(tmp_path: Path) -> None:
    path = written(tmp_path / "etl.pem", key_pem(), pem(certificate()))
    with serving(ad_fs, tls_context()) as server:
        token = sign_in(
            server, tmp_path, certificate_path=path, authority_host=f"{server.url}/adfs"
        )
    assert token == "token-of-ad-fs"
