"""Access tokens: JWTs as Entra issues them for an application, signed with RS256."""

from __future__ import annotations

import threading
import uuid
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from dataverse_source.sandbox.environment.clock import Clock

KEY_SIZE = 2048
ALGORITHM = "RS256"
KEPT = 100
"""Tokens whose signature is not checked again."""
DELEGATED = "user_impersonation"
"""The permission of Dataverse with which an application acts for a person."""


class BadToken(Exception):
    """A bearer token that the data side refuses; the text says why."""


class Tokens:
    """Issues and checks access tokens of one tenant.

    Args:
        tenant_id: the tenant in ``tid`` and ``iss``.
        clock: decides on ``iat`` and ``exp``.
        lifetime: seconds that a token is good for (Entra: about an hour; docs page
            "OAuth 2.0 client credentials flow", ``expires_in`` 3599).
    """

    def __init__(self, tenant_id: str, clock: Clock, *, lifetime: int = 3599) -> None:
        self.tenant_id = tenant_id
        self.lifetime = lifetime
        self._clock = clock
        self._lock = threading.Lock()
        # A client sends the same token with every request.
        self._signed = lru_cache(maxsize=KEPT)(self._checked)

    @property
    def issuer(self) -> str:
        """``iss`` of the tokens."""
        return f"https://sts.windows.net/{self.tenant_id}/"

    def issue(
        self,
        client_id: str,
        object_id: str,
        audience: str,
        *,
        by_key: bool = False,
        for_person: bool = False,
    ) -> str:
        """A signed token for an application.

        Args:
            client_id: application id, ``appid``.
            object_id: object id of the service principal or the person, ``oid`` and ``sub``.
            audience: the resource, ``aud``: the scope without ``/.default``.
            by_key: the client proved itself with a key rather than with a secret.
            for_person: the application acts for a person who has signed in.
        """
        now = self._clock.now()
        claims = {
            "aud": audience,
            "iss": self.issuer,
            "iat": _seconds(now),
            "nbf": _seconds(now),
            "exp": _seconds(now + timedelta(seconds=self.lifetime)),
            "appid": client_id,
            "appidacr": "2" if by_key else "1",
            "idp": self.issuer,
            **({"scp": DELEGATED} if for_person else {"idtyp": "app"}),
            "oid": object_id,
            "sub": object_id,
            "tid": self.tenant_id,
            "uti": uuid.uuid4().hex[:22],
            "ver": "1.0",
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers={"kid": self._key_id})

    def read(self, token: str, audiences: frozenset[str]) -> dict[str, Any]:
        """The claims of a good token.

        Raises:
            BadToken: wrong signature, issuer or audience, or not within its lifetime by the
                sandbox's clock.
        """
        claims = self._signed(token, audiences)
        now = _seconds(self._clock.now())
        if not claims["nbf"] <= now < claims["exp"]:
            raise BadToken("The token is not within its lifetime.")
        return dict(claims)

    def _checked(self, token: str, audiences: frozenset[str]) -> dict[str, Any]:
        """The claims of a token of this issuer for one of these audiences."""
        # The library would take the system's time: "exp" and "nbf" are checked below.
        options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key.public_key(),
                algorithms=[ALGORITHM],
                audience=sorted(audiences),
                issuer=self.issuer,
                options=options,
            )
        except jwt.PyJWTError as error:
            raise BadToken(str(error)) from None
        return claims

    def public_keys(self) -> dict[str, Any]:
        """The JSON Web Key Set that discovery points at."""
        key = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {"keys": [{**key, "use": "sig", "kid": self._key_id, "issuer": self.issuer}]}

    @property
    def _key(self) -> rsa.RSAPrivateKey:
        with self._lock:
            return self._made_key

    @cached_property
    def _made_key(self) -> rsa.RSAPrivateKey:
        # Made at first use: it takes longer than all the rest of the start.
        return rsa.generate_private_key(public_exponent=65537, key_size=KEY_SIZE)

    @cached_property
    def _key_id(self) -> str:
        return uuid.uuid4().hex


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
