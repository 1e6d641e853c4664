"""Tokens from credential objects with `get_token`, such as azure-identity's."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable

from dataverse_source.client.retry import RetryPolicy
from dataverse_source.credentials.aadsts_errors import without_secrets
from dataverse_source.credentials.spec import TokenCredential
from dataverse_source.credentials.tokens import IssuedToken
from dataverse_source.errors import AuthenticationError, ConfigurationError, DataverseError

_MESSAGE_LENGTH = 500


class ExternalIssuer:
    """Tokens from a credential object that the user made.

    Args:
        credential: an object with ``get_token``.
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
        """A token of the credential, maybe from the credential's own cache.

        Raises:
            ConfigurationError: the credential is asynchronous.
            AuthenticationError: ``get_token`` raised an error, or returned no token.
        """
        answer, failure = None, ""
        try:
            answer = self._credential.get_token(f"{self._environment}/.default")
        except DataverseError:
            raise
        except Exception as error:
            failure = f"{type(error).__name__}: {without_secrets(str(error))}"[:_MESSAGE_LENGTH]
        if failure:
            # Raised outside of the except block: dlt's trace keeps the texts of chained errors,
            # and that error may quote an answer with a token.
            raise AuthenticationError(
                f"{self.where} returned no token",
                where=f"for {self._environment}",
                why=failure,
                remedy="Check how you make the credential object that you pass to dataverse().",
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
                f"{self.where} returned something that is not a token",
                why=f"{type(answer).__name__} lacks token (text) or expires_on (seconds)",
                remedy="Have its get_token return an azure-core AccessToken.",
            )
        return IssuedToken(token, expires_on - self._now())
