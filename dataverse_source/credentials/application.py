"""App registrations: tokens by the client credentials flow, through MSAL.

Docs: "Microsoft identity platform and the OAuth 2.0 client credentials flow".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msal

from dataverse_source.client.retry import RetryPolicy
from dataverse_source.config.setting_names import places
from dataverse_source.credentials.aadsts_errors import sign_in_error
from dataverse_source.credentials.clouds import Authority
from dataverse_source.credentials.login_http import LoginHttp
from dataverse_source.credentials.tokens import IssuedToken, seconds
from dataverse_source.errors import AuthenticationError, DataverseError

Proof = str | dict[str, Any]
"""What MSAL calls a client credential: a secret, a key with its certificate, or an assertion."""


class ApplicationIssuer:
    """Signs an app registration in.

    Args:
        client_id: application (client) id.
        auth_type: ``client_secret``, ``certificate`` or ``federated``.
        proof: what proves that it is the app; called before each sign-in, so that files are
            read anew.
        authority: finds out who is asked, once.
        environment: scheme, host and port of the environment that the tokens are for.
        http: MSAL's way to the network.
    """

    def __init__(
        self,
        client_id: str,
        auth_type: str,
        *,
        proof: Callable[[], Proof],
        authority: Callable[[], Authority],
        environment: str,
        http: LoginHttp,
    ) -> None:
        self._client_id = client_id
        self._auth_type = auth_type
        self._proof = proof
        self._find_authority = authority
        self._environment = environment
        self._http = http
        self._authority: Authority | None = None
        self._app: Any = None
        self._app_proof: Proof | None = None

    @property
    def where(self) -> str:
        """Login host and tenant, as far as known, and the app."""
        login = self._authority.url if self._authority else "login service not asked yet"
        return f"{login}, client {self._client_id}, {self._auth_type}"

    def issue(self, policy: RetryPolicy | None) -> IssuedToken:
        """A new token from the login service, not from MSAL's cache.

        Raises:
            ConfigurationError: a file of the proof can't be used.
            AuthenticationError: the login service refused, or was not understood.
            ConnectionFailedError: it could not be reached.
        """
        self._http.use(policy)
        proof = self._proof()
        if self._authority is None:
            self._authority = self._find_authority()
        answer = self._ask(self._authority, proof)
        token = answer.get("access_token")
        if token is None:
            raise sign_in_error(
                answer,
                self._authority.url,
                self._environment,
                auth_type=self._auth_type,
                secrets=(proof,) if isinstance(proof, str) else (),
            )
        if not isinstance(token, str) or not token:
            raise _not_understood("no token in it", self._authority.url)
        return IssuedToken(token, seconds(answer.get("expires_in")))

    def _ask(self, authority: Authority, proof: Proof) -> dict[str, Any]:
        answer, failure = None, ""
        try:
            if self._app is None or proof != self._app_proof:
                self._app, self._app_proof = self._new_app(authority, proof), proof
            self._app.remove_tokens_for_client()
            answer = self._app.acquire_token_for_client([authority.scope(self._environment)])
        except DataverseError:
            raise
        except Exception as error:
            # MSAL lets all sorts of errors pass for an answer it did not expect.
            failure = type(error).__name__
        if failure:
            # Raised out here, with no context: dlt's trace keeps the texts of contexts, and that
            # error's may quote an answer with a token.
            raise _not_understood(failure, authority.url)
        return dict(answer or {})

    def _new_app(self, authority: Authority, proof: Proof) -> Any:
        return msal.ConfidentialClientApplication(
            self._client_id,
            client_credential=proof,
            authority=authority.url,
            # Would ask the public cloud whether the host is a login service; the user said so.
            instance_discovery=False,
            http_client=self._http,
        )


def _not_understood(why: str, where: str) -> AuthenticationError:
    return AuthenticationError(
        "The login service's answer was not understood",
        where=where,
        why=why,
        remedy="Check proxies between this machine and that host, and the setting "
        f"{places('authority_host')}.",
    )
