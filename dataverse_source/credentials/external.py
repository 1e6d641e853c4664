"""Credential objects of other packages, such as azure-identity's: anything with `get_token`."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable

from dataverse_source.client.retry import RetryPolicy
from dataverse_source.credentials.aadsts_errors import without_secrets
from dataverse_source.credentials.spec import TokenCredential
from dataverse_source.credentials.tokens import IssuedToken
from dataverse_source.errors import AuthenticationError, ConfigurationError, DataverseError

_WORDS = 500


class ForeignIssuer:
    """Tokens from a credential object that the user made.

    Args:
        credential: has ``get_token``.
        environment: scheme, host and port of the environment that the tokens are for.
        now: seconds since 1970.
    """

    def __init__(
        self,
        credential: TokenCredential,
        environment: str,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._credential = credential
        self._environment = environment
        self._now = now

    @property
    def where(self) -> str:
        """The class of the credential."""
        return type(self._credential).__name__

    def issue(self, policy: RetryPolicy | None) -> IssuedToken:  # noqa: ARG002
        """A token of the credential, which may come from its own cache.

        Raises:
            ConfigurationError: the credential is an asynchronous one.
            AuthenticationError: it raised, or gave something else than a token.
        """
        answer, failure = None, ""
        try:
            answer = self._credential.get_token(f"{self._environment}/.default")
        except DataverseError:
            raise
        except Exception as error:
            failure = f"{type(error).__name__}: {without_secrets(str(error))}"[:_WORDS]
        if failure:
            # Raised out here, with no context: dlt's trace keeps the texts of contexts, and that
            # error's may quote an answer with a token.
            raise AuthenticationError(
                f"{self.where} gave no token",
                where=f"for {self._environment}",
                why=failure,
                remedy="Check how the credential object that was passed to dataverse() is made.",
            )
        if inspect.iscoroutine(answer):
            answer.close()
            raise ConfigurationError(
                f"{self.where} is an asynchronous credential",
                where="the argument credentials of dataverse()",
                remedy="Pass the synchronous one: azure.identity, not azure.identity.aio.",
            )
        token, expires_on = getattr(answer, "token", None), getattr(answer, "expires_on", None)
        if not isinstance(token, str) or not isinstance(expires_on, (int, float)):
            raise AuthenticationError(
                f"{self.where} gave something else than a token",
                why=f"{type(answer).__name__} lacks token (text) or expires_on (seconds)",
                remedy="Its get_token has to return what azure-core calls an AccessToken.",
            )
        return IssuedToken(token, expires_on - self._now())
