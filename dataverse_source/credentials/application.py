"""App registrations: tokens by the client credentials flow, through MSAL.

Docs: "Microsoft identity platform and the OAuth 2.0 client credentials flow".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msal

from dataverse_source.client.retry import RetryPolicy
from dataverse_source.config.setting_names import where_to_set
from dataverse_source.credentials.aadsts_errors import sign_in_error
from dataverse_source.credentials.certificate import certificate_proof
from dataverse_source.credentials.clouds import Authority, find_authority
from dataverse_source.credentials.federated import federated_proof
from dataverse_source.credentials.login_http import LoginHttp, Wire
from dataverse_source.credentials.sign_in import Application, Certificate, Federated
from dataverse_source.credentials.tenant_discovery import ask_environment
from dataverse_source.credentials.tokens import IssuedToken, seconds
from dataverse_source.errors import AuthenticationError, DataverseError

Proof = str | dict[str, Any]
"""What MSAL calls a client credential: a secret, a key with its certificate, or an assertion."""


def proof_of(app: Application) -> Callable[[], Proof]:
    """A function that gives the app's proof, and reads its files again at each call.

    Raises (when called):
        ConfigurationError: a file cannot be used.
    """
    if isinstance(app, Certificate):
        return certificate_proof(
            app.certificate_path, app.private_key_path, app.certificate_password
        )
    if isinstance(app, Federated):
        return federated_proof(app.assertion_path)
    return lambda: app.client_secret


class ApplicationIssuer:
    """Signs an app registration in.

    Args:
        app: the app, and how it proves itself.
        environment: scheme, host and port of the environment that the tokens are for.
        wire: sends the requests.

    Raises:
        ConfigurationError: a file of the proof cannot be used.
    """

    def __init__(self, app: Application, environment: str, wire: Wire) -> None:
        self._app = app
        self._environment = environment
        self._wire = wire
        self._proof = proof_of(app)
        proof = self._proof()
        self._secrets = (proof,) if isinstance(proof, str) else ()
        self._authority: Authority | None = None
        self._msal: Any = None
        self._msal_made_for: tuple[Proof, RetryPolicy | None] | None = None

    @property
    def where(self) -> str:
        """Login host and tenant, as far as known, and the app."""
        login = self._authority.url if self._authority else "login service not asked yet"
        return f"{login}, client {self._app.client_id}, {self._app.auth_type}"

    def issue(self, policy: RetryPolicy | None) -> IssuedToken:
        """A new token from the login service, not from MSAL's cache.

        Raises:
            ConfigurationError: a file of the proof cannot be used.
            AuthenticationError: the login service refused, or its answer was not understood.
            ConnectionFailedError: the login service could not be reached.
        """
        proof = self._proof()
        http = LoginHttp(self._wire, policy, secrets=self._secrets)
        if self._authority is None:
            self._authority = find_authority(
                self._app.login, self._environment, lambda: ask_environment(http, self._environment)
            )
        answer = self._ask(self._authority, proof, policy, http)
        token = answer.get("access_token")
        if token is None:
            raise sign_in_error(
                answer,
                self._authority.url,
                self._environment,
                auth_type=self._app.auth_type,
                secrets=self._secrets,
            )
        if not isinstance(token, str) or not token:
            raise _not_understood("it contains no token", self._authority.url)
        return IssuedToken(token, seconds(answer.get("expires_in")))

    def _ask(
        self, authority: Authority, proof: Proof, policy: RetryPolicy | None, http: LoginHttp
    ) -> dict[str, Any]:
        answer, failure = None, ""
        try:
            if self._msal is None or (proof, policy) != self._msal_made_for:
                self._msal = self._new_msal(authority, proof, http)
                self._msal_made_for = proof, policy
            self._msal.remove_tokens_for_client()
            answer = self._msal.acquire_token_for_client([authority.scope(self._environment)])
        except DataverseError:
            raise
        except Exception as error:
            # MSAL raises errors of many kinds for an answer that it did not expect.
            failure = type(error).__name__
        if failure:
            # Raised outside of the except block: dlt's trace keeps the texts of chained errors,
            # and that error may quote an answer with a token.
            raise _not_understood(failure, authority.url)
        return dict(answer or {})

    def _new_msal(self, authority: Authority, proof: Proof, http: LoginHttp) -> Any:
        return msal.ConfidentialClientApplication(
            self._app.client_id,
            client_credential=proof,
            authority=authority.url,
            # Discovery would ask the public cloud whether this host is a login service.
            instance_discovery=False,
            http_client=http,
        )


def _not_understood(why: str, where: str) -> AuthenticationError:
    return AuthenticationError(
        "The login service's answer was not understood",
        where=where,
        why=why,
        remedy="Check for proxies between this machine and that host, and check "
        f"{where_to_set('authority_host')}.",
    )
