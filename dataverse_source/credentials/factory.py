"""From settings to tokens: picks the way to sign in and puts its parts together."""

from __future__ import annotations

import time
from collections.abc import Callable

import requests

from dataverse_source.client.retry import USUAL_POLICY, RetryPolicy, pause
from dataverse_source.client.urls import environment_base
from dataverse_source.config.problems import Problems
from dataverse_source.credentials.application import ApplicationIssuer, Proof
from dataverse_source.credentials.auth_type import PROVEN, auth_type
from dataverse_source.credentials.azure_cli import AzureCliIssuer
from dataverse_source.credentials.certificate import certificate_proof
from dataverse_source.credentials.clouds import configured_authority, find_authority
from dataverse_source.credentials.external import ForeignIssuer
from dataverse_source.credentials.federated import federated_proof
from dataverse_source.credentials.login_http import LoginHttp, Wire
from dataverse_source.credentials.managed_identity import ManagedIdentityIssuer
from dataverse_source.credentials.spec import DataverseCredentials, TokenCredential, setting
from dataverse_source.credentials.tenant_discovery import ask_environment
from dataverse_source.credentials.tokens import Issuer, RenewingTokens


def token_source(
    credentials: DataverseCredentials | TokenCredential,
    environment_url: str,
    *,
    session: requests.Session,
    timeout: float = 60.0,
    policy: RetryPolicy = USUAL_POLICY,
    pause: Callable[[float], None] = pause,
    clock: Callable[[], float] = time.monotonic,
) -> RenewingTokens:
    """Tokens for one environment. Nothing is requested before the first one is asked for.

    Args:
        credentials: settings, or an object with ``get_token`` such as azure-identity's.
        environment_url: for which environment.
        session: from `new_session`.
        timeout: seconds to wait for an answer of the login service.
        policy: how often a failed request is tried.
        pause: waits before another try.
        clock: seconds that only grow.

    Raises:
        ConfigurationError: a setting is missing or can't be right, or a file can't be used.
    """
    environment = environment_base(environment_url)
    wire = Wire(session, timeout=timeout, policy=policy, pause=pause)
    if isinstance(credentials, DataverseCredentials):
        return RenewingTokens(_issuer(credentials, environment, wire), clock=clock)
    return RenewingTokens(ForeignIssuer(credentials, environment), clock=clock)


def check_sign_in(credentials: DataverseCredentials, environment: str, problems: Problems) -> None:
    """Notes what is wrong with the settings of the sign-in, as far as no request is needed.

    Args:
        credentials: the settings.
        environment: scheme, host and port of the environment; empty if they are not known.
        problems: where to note it.
    """
    kind = ""
    with problems.noted():
        kind = auth_type(credentials)
    if kind != "managed_identity":
        with problems.noted():
            configured_authority(credentials, environment)
    if kind in PROVEN:
        with problems.noted():
            _proof(kind, credentials)()


def identity(credentials: DataverseCredentials | TokenCredential) -> str:
    """Who signs in, as far as settings tell; no secret is in it."""
    if not isinstance(credentials, DataverseCredentials):
        return type(credentials).__name__
    who = (setting(credentials, name) for name in ("auth_type", "tenant_id", "client_id"))
    return " ".join(part for part in who if part)


def _issuer(credentials: DataverseCredentials, environment: str, wire: Wire) -> Issuer:
    kind = auth_type(credentials)
    client_id = setting(credentials, "client_id")
    if kind == "managed_identity":
        return ManagedIdentityIssuer(client_id, environment, wire)
    configured_authority(credentials, environment)  # says now what can't be right
    if kind == "azure_cli":
        return AzureCliIssuer(environment, setting(credentials, "tenant_id"))
    proof = _proof(kind, credentials)
    proof()
    secret = setting(credentials, "client_secret") if kind == "client_secret" else ""
    http = LoginHttp(wire, secrets=(secret,) if secret else ())
    return ApplicationIssuer(
        client_id,
        kind,
        proof=proof,
        authority=lambda: find_authority(
            credentials, environment, lambda: ask_environment(http, environment)
        ),
        environment=environment,
        http=http,
    )


def _proof(kind: str, credentials: DataverseCredentials) -> Callable[[], Proof]:
    """What proves that it is the app, read anew at each call."""
    if kind == "certificate":
        return certificate_proof(
            setting(credentials, "certificate_path"),
            setting(credentials, "private_key_path"),
            setting(credentials, "certificate_password"),
        )
    if kind == "federated":
        return federated_proof(setting(credentials, "assertion_path"))
    secret = setting(credentials, "client_secret")
    return lambda: secret
