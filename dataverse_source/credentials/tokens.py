"""Bearer tokens for many threads: kept, renewed and locked here only."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from dataverse_source.client.retry import ONCE, RetryPolicy
from dataverse_source.config.log import logger
from dataverse_source.config.setting_names import where_to_set
from dataverse_source.errors import AuthenticationError, DataverseError

# Seconds before a token ends at which it is renewed; at half of its life if that is shorter.
RENEW_BEFORE = 300.0
# Seconds to the next attempt after an early renewal failed; the old token is used meanwhile.
RENEW_AGAIN_AFTER = 30.0
# Seconds for which a failed sign-in is not repeated. Every table of a run asks for a token, and
# fifty wrong sign-ins in a row can lock an app out.
FAILED_FOR = 30.0
# The characters that an HTTP header can carry.
_BEARER = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True)
class IssuedToken:
    """A new token.

    Attributes:
        text: the value for the ``Authorization`` header.
        life: seconds until it expires.
    """

    text: str = field(repr=False)
    life: float


class Issuer(Protocol):
    """One kind of sign-in; used by one thread at a time."""

    @property
    def where(self) -> str:
        """Who gives the tokens, to be shown in messages."""
        ...

    def issue(self, policy: RetryPolicy | None) -> IssuedToken:
        """Signs in.

        Args:
            policy: how often a failed request is sent again, None for the usual.

        Raises:
            DataverseError: the sign-in failed.
        """
        ...


@dataclass(frozen=True)
class _Kept:
    """A token, and when to renew it and when it expires (monotonic seconds)."""

    text: str = field(repr=False)
    renew_at: float
    expires_at: float


class RenewingTokens:
    """Tokens of one issuer, kept in memory only and renewed in time.

    Nothing is requested before the first token is asked for.

    Args:
        issuer: signs in.
        identity: who signs in, as far as settings tell; contains no secret.
        clock: monotonic seconds.
    """

    def __init__(
        self, issuer: Issuer, identity: str = "", *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.identity = identity
        self._issuer = issuer
        self._clock = clock
        self._lock = threading.Lock()
        self._current: _Kept | None = None
        self._failure: tuple[DataverseError, float] | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.where})"

    @property
    def where(self) -> str:
        """Who gives the tokens, and to whom, as far as known; contains no secret."""
        return self._issuer.where

    def token(self) -> str:
        """A token that is valid for five more minutes (or half of its life, if that is shorter).

        While the old token is valid, a failed renewal is only logged.

        Raises:
            ConfigurationError: a setting or a file of the sign-in is wrong.
            AuthenticationError: the login service refused.
            ConnectionFailedError: the login service could not be reached.
        """
        with self._lock:
            current, now = self._current, self._clock()
            if current is not None and now < current.renew_at:
                return current.text
            if current is None or now >= current.expires_at:
                return self._fetch(None)
            return self._renew_early(current, now)

    def renew(self, rejected: str) -> str:
        """A token other than ``rejected``: another thread may have renewed it already.

        Raises:
            DataverseError: see `token`.
        """
        with self._lock:
            if self._current is not None and self._current.text != rejected:
                return self._current.text
            self._current = None
            return self._fetch(None)

    def _renew_early(self, current: _Kept, now: float) -> str:
        try:
            return self._fetch(ONCE)
        except DataverseError as error:
            logger.warning("The token could not be renewed yet: %s.", error.what)
            again = min(now + RENEW_AGAIN_AFTER, current.expires_at)
            self._current = _Kept(current.text, again, current.expires_at)
            return current.text

    def _fetch(self, policy: RetryPolicy | None) -> str:
        """A new token. The caller holds the lock."""
        if self._failure is not None and self._clock() < self._failure[1]:
            raise self._failure[0].with_traceback(None)
        self._failure = None
        try:
            return self._keep(self._issuer.issue(policy))
        except DataverseError as error:
            if policy is None:
                self._failure = error, self._clock() + FAILED_FOR
            raise

    def _keep(self, issued: IssuedToken) -> str:
        if not _BEARER.fullmatch(issued.text):
            raise AuthenticationError(
                "The login service sent a token with characters that no HTTP header can carry",
                where=self._issuer.where,
                remedy="Check for proxies between this machine and that host, and check "
                f"{where_to_set('authority_host')}.",
            )
        now, life = self._clock(), max(issued.life, 0.0)
        renew_at = now + max(life - RENEW_BEFORE, life / 2.0)
        self._current = _Kept(issued.text, renew_at, now + life)
        return issued.text


def seconds(value: object, *, default: float = 3600.0) -> float:
    """The life of a token in seconds; if none was sent, an hour, as login services usually give."""
    try:
        return float(str(value))
    except ValueError:
        return default
