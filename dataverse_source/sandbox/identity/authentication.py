"""Checks bearer tokens: returns the caller, or answers with the documented challenge."""

from __future__ import annotations

from dataclasses import dataclass

from dataverse_source.sandbox.environment.access_rules import caller_of
from dataverse_source.sandbox.environment.environment import Caller, Environment
from dataverse_source.sandbox.environment.people import person_of
from dataverse_source.sandbox.http.doors import LOOPBACK
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
        host_names: names under which clients may reach the sandbox.
        audiences: what ``aud`` of a good token may be: the environment's URLs, with and
            without a trailing slash.
    """

    environment: Environment
    identity: Identity
    host_names: tuple[str, ...] = LOOPBACK
    audiences: frozenset[str] = frozenset()

    def listen(self, port: int) -> None:
        """Makes the environment known under its URLs.

        Who leads another name to the sandbox may lead the usual port there too.
        """
        known = frozenset(f"https://{name}:{port}" for name in self.host_names)
        known |= {f"https://{name}" for name in self.host_names if name not in LOOPBACK}
        self.identity.resources |= known
        self.audiences = known | {f"{url}/" for url in known}

    def caller(self, request: Request) -> Caller:
        """The user behind a request: an application's, or the person who signed in.

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
        if "scp" in claims:
            return person_of(self.environment, claims["oid"], claims["appid"])
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
