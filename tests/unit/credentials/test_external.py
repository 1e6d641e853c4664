"""Credential objects of other packages: azure-identity's own, and anything with `get_token`."""

from __future__ import annotations

import time
import traceback
from collections import namedtuple
from pathlib import Path
from typing import Any

import dlt
import pytest

from dataverse_source import DataverseError
from dataverse_source.client.session import new_session
from dataverse_source.credentials import TokenCredential, token_source
from dataverse_source.errors import AuthenticationError, ConfigurationError
from dataverse_source.sandbox import Application, Sandbox
from dataverse_source.sandbox.sandbox import USER_ID
from tests.support.sandbox.user_clients import sign_in
from tests.support.sign_in import Clock
from tests.support.sign_in_material import certificate, key_pem, pem, user_id, user_of, written

ENVIRONMENT = "https://contoso.crm4.dynamics.com"
AccessToken = namedtuple("AccessToken", ["token", "expires_on"])


class Fixed:
    """token-1, token-2, ..., or a given one; notes what it is asked for."""

    def __init__(self, token: str = "", life: float = 3600.0) -> None:
        self.asked: list[tuple[str, ...]] = []
        self._token = token
        self._life = life

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        self.asked.append(scopes)
        token = self._token or f"token-{len(self.asked)}"
        return AccessToken(token, int(time.time() + self._life))


class Answering:
    """Gives, or raises, one thing."""

    def __init__(self, outcome: object) -> None:
        self._outcome = outcome

    def get_token(self, *scopes: str, **options: Any) -> object:
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


class Asynchronous:
    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken("token", 0)


def token_of(credential: TokenCredential) -> str:
    with new_session() as session:
        return token_source(credential, ENVIRONMENT, session=session).token()


def test_any_object_with_get_token(tenant: Sandbox) -> None:
    credential = Fixed(sign_in(tenant)["access_token"])
    assert user_of(tenant, credential) == USER_ID
    assert credential.asked == [(f"{tenant.environment_url}/.default",)]


def test_its_tokens_are_kept_and_renewed_in_time() -> None:
    credential, clock = Fixed(), Clock()
    with new_session() as session:
        tokens = token_source(credential, ENVIRONMENT, session=session, clock=clock)
        taken = [tokens.token() for _ in range(3)]
        clock.now += 3400.0
        taken += [tokens.token(), tokens.renew("token-2")]
    assert taken == ["token-1"] * 3 + ["token-2", "token-3"]


def test_dlt_passes_the_object_on(
    tenant: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object given in Python wins over settings, which are not even looked at."""
    from dataverse_source import dataverse

    monkeypatch.setenv("SOURCES__DATAVERSE__CREDENTIALS__CLIENT_SECRET", "half a set")
    credential = Fixed(sign_in(tenant)["access_token"])
    source = dataverse(
        environment_url=tenant.environment_url,
        ca_bundle=tenant.ca_bundle,
        tables=["accounts"],
        credentials=credential,
    )
    pipeline = dlt.pipeline(
        "foreign",
        destination=dlt.destinations.duckdb(str(tmp_path / "x.duckdb")),
        pipelines_dir=str(tmp_path),
    )
    pipeline.extract(source)
    assert len(credential.asked) == 1


@pytest.mark.parametrize(
    "outcome",
    [
        RuntimeError("no luck with eyJhbGciOi.eyJhdWQi.c2ln"),
        None,
        "kept-secret",
        AccessToken(None, 0),
        AccessToken("kept-secret", None),
        AccessToken("kept-secret\r\nX: y", 4_000_000_000),
        AccessToken("", 4_000_000_000),
    ],
)
def test_objects_that_give_no_token(outcome: object) -> None:
    with pytest.raises(AuthenticationError) as caught:
        token_of(Answering(outcome))
    text = "".join(traceback.format_exception(caught.value))
    assert "Answering" in text
    assert "kept-secret" not in text
    assert "eyJhbGciOi" not in text


def test_asynchronous_credentials_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="asynchronous") as caught:
        token_of(Asynchronous())
    assert "azure.identity.aio" in str(caught.value)


def test_text_in_place_of_settings_is_refused_without_showing_it(
    tenant: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataverse_source import dataverse

    monkeypatch.setenv("SOURCES__DATAVERSE__CREDENTIALS", "kept-secret")
    with pytest.raises(Exception, match="DataverseCredentials") as caught:
        dataverse(environment_url=tenant.environment_url, tables=["accounts"])
    assert "kept-secret" not in "".join(traceback.format_exception(caught.value))


def azure_transport(sandbox: Sandbox) -> Any:
    pipeline = pytest.importorskip("azure.core.pipeline.transport")
    return pipeline.RequestsTransport(connection_verify=sandbox.ca_bundle, use_env_settings=False)


def azure_identity() -> Any:
    return pytest.importorskip("azure.identity", reason="azure-identity is not installed")


def test_client_secret_credential_of_azure_identity(tenant: Sandbox, app: Application) -> None:
    credential = azure_identity().ClientSecretCredential(
        tenant.tenant_id,
        app.client_id,
        next(iter(app.secrets)),
        authority=tenant.authority_host,
        disable_instance_discovery=True,
        transport=azure_transport(tenant),
    )
    assert user_of(tenant, credential) == user_id(tenant, app)


def test_certificate_credential_of_azure_identity(
    tenant: Sandbox, app: Application, tmp_path: Path
) -> None:
    app.add_certificate(pem(certificate()))
    credential = azure_identity().CertificateCredential(
        tenant.tenant_id,
        app.client_id,
        written(tmp_path / "etl.pem", key_pem(), pem(certificate())),
        authority=tenant.authority_host,
        disable_instance_discovery=True,
        transport=azure_transport(tenant),
    )
    assert user_of(tenant, credential) == user_id(tenant, app)


def test_a_refusal_of_azure_identity(tenant: Sandbox, app: Application) -> None:
    credential = azure_identity().ClientSecretCredential(
        tenant.tenant_id,
        app.client_id,
        "kept-secret",
        authority=tenant.authority_host,
        disable_instance_discovery=True,
        transport=azure_transport(tenant),
    )
    with pytest.raises(DataverseError, match="AADSTS7000215") as caught:
        user_of(tenant, credential)
    assert "kept-secret" not in "".join(traceback.format_exception(caught.value))
