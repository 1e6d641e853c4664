"""Refresh tokens: what an application holds for a person who has signed in.

Source: docs page "Microsoft identity platform and OAuth 2.0 authorization code flow", part
"Refresh the access token". A token stays good when a newer one is given, as Entra's do.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass

from dataverse_source.sandbox.identity import sign_in_errors as refuse


@dataclass(frozen=True)
class _Grant:
    client_id: str
    object_id: str


class RefreshTokens:
    """Gives out refresh tokens of one tenant and knows whom each stands for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._grants: dict[str, _Grant] = {}

    def issue(self, client_id: str, object_id: str) -> str:
        """A new token with which an application acts for a person.

        Args:
            client_id: of the application.
            object_id: of the person, in Entra.
        """
        token = f"1.{secrets.token_urlsafe(64)}"
        with self._lock:
            self._grants[token] = _Grant(client_id, object_id)
        return token

    def person_of(self, token: str, client_id: str) -> str:
        """The object id of the person that a token stands for.

        Raises:
            SignInError: the token is unknown, or was given to another application.
        """
        with self._lock:
            grant = self._grants.get(token)
        if grant is None:
            raise refuse.malformed_refresh_token()
        if grant.client_id != client_id:
            raise refuse.refresh_token_of_another()
        return grant.object_id
