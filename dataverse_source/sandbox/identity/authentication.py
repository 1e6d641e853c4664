"""Checks bearer tokens: returns the caller, or answers with the documented challenge."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dataverse_source.sandbox.environment.access_rules import caller_of
from dataverse_source.sandbox.environment.environment import Caller, Environment
from dataverse_source.sandbox.http.messages import Request, Response
from dataverse_source.sandbox.identity.identity import Identity
from dataverse_source.sandbox.identity.tokens import BadToken


class Unauthorized(Exception):
    """No token, or a bad one.

    Attributes:
        challenge: the ``WWW-Authenticate`` header's value.
    """

    def __init__(self, challenge: str) -> None:
        super().__init__(challenge)
        self.challenge = challenge

    def response(self) -> Response:
        """A 401 without a body."""
        return Response(401, b"", {"WWW-Authenticate": self.challenge})


@dataclass
class Door:
    """Checks who is calling.

    Attributes:
        audiences: what ``aud`` of a good token may be: the environment's URLs, with and
            without a trailing slash.
    """

    environment: Environment
    identity: Identity
    audiences: frozenset[str] = frozenset()

    def listen(self, urls: Iterable[str]) -> None:
        """Makes the environment known under its URLs, which have no trailing slash."""
        known = frozenset(urls)
        self.identity.resources |= known
        self.audiences = known | {f"{url}/" for url in known}

    def caller(self, request: Request) -> Caller:
        """The application user behind a request.

        Raises:
            Unauthorized: no token, or an invalid one.
            DataverseFault: the token is valid, but its user has no access.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized(self._challenge(request))
        try:
            claims = self.identity.tokens.read(token.strip(), self.audiences)
        except BadToken:
            raise Unauthorized(self._challenge(request, bad_token=True)) from None
        return caller_of(self.environment, claims["appid"])

    def _challenge(self, request: Request, *, bad_token: bool = False) -> str:
        # The values stand without quotes, as Dataverse sends them.
        challenge = (
            f"Bearer authorization_uri={request.base_url}/{self.identity.tenant_id}"
            f"/oauth2/authorize, resource_id={request.base_url}/"
        )
        if bad_token and self.environment.switches.bad_bearer_challenge == "error":
            challenge += ", error=invalid_token"
        return challenge
