"""From settings to tokens: makes the issuer for the kind of sign-in that is set."""

from __future__ import annotations

import time
from collections.abc import Callable

import requests

from dataverse_source.client.retry import USUAL_POLICY, RetryPolicy, pause
from dataverse_source.client.urls import environment_base
from dataverse_source.config.problems import Problems
from dataverse_source.credentials.application import ApplicationIssuer, proof_of
from dataverse_source.credentials.azure_cli import AzureCliIssuer
from dataverse_source.credentials.clouds import configured_authority
from dataverse_source.credentials.external import ExternalIssuer
from dataverse_source.credentials.login_http import Wire
from dataverse_source.credentials.managed_identity import ManagedIdentityIssuer
from dataverse_source.credentials.sign_in import (
    Application,
    AzureCli,
    External,
    ManagedIdentity,
    SignIn,
    identity,
    login_of,
    parsed,
)
from dataverse_source.credentials.spec import DataverseCredentials, TokenCredential
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
    """Tokens for one environment. Nothing is requested before the first token is asked for.

    Args:
        credentials: settings, or an object with ``get_token`` such as azure-identity's.
        environment_url: the environment that the tokens are for.
        session: from `new_session`.
        timeout: seconds to wait for a response of the login service.
        policy: how often a failed request is sent again.
        pause: waits before the next attempt.
        clock: monotonic seconds.

    Raises:
        ConfigurationError: a setting is missing or wrong, or a file cannot be used.
    """
    environment = environment_base(environment_url)
    wire = Wire(session, timeout=timeout, policy=policy, pause=pause)
    sign_in = parsed(credentials)
    return RenewingTokens(_issuer(sign_in, environment, wire), identity(sign_in), clock=clock)


def check_sign_in(credentials: DataverseCredentials, environment: str, problems: Problems) -> None:
    """Notes the problems of the sign-in's settings that show without a request.

    Args:
        credentials: the settings.
        environment: scheme, host and port of the environment; empty if they are not known.
        problems: where to note them.
    """
    sign_in: SignIn | None = None
    with problems.noted():
        sign_in = parsed(credentials)
    if not isinstance(sign_in, ManagedIdentity):
        with problems.noted():
            configured_authority(login_of(credentials), environment)
    if isinstance(sign_in, Application):
        with problems.noted():
            proof_of(sign_in)()


def _issuer(sign_in: SignIn, environment: str, wire: Wire) -> Issuer:
    match sign_in:
        case External(credential):
            return ExternalIssuer(credential, environment)
        case ManagedIdentity():
            return ManagedIdentityIssuer(sign_in.client_id, environment, wire)
    configured_authority(sign_in.login, environment)  # raises if a setting is wrong
    if isinstance(sign_in, AzureCli):
        return AzureCliIssuer(environment, sign_in.login.tenant_id)
    return ApplicationIssuer(sign_in, environment, wire)
