"""Where the client gets its bearer tokens from."""

from __future__ import annotations

from typing import Protocol

__all__ = ["TokenSource"]


class TokenSource(Protocol):
    """Gives bearer tokens; used by many threads at once."""

    def token(self) -> str:
        """A token that is valid for some minutes at least."""
        ...

    def renew(self, rejected: str) -> str:
        """Another token than ``rejected``, which the service refused."""
        ...
