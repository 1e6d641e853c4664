"""Sign-in: from settings, or from a credential object, to the bearer tokens of an environment.

MSAL and cryptography are imported when they are first used: orchestrators import pipeline scripts
all day long without signing in.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dataverse_source.client.token_source import TokenSource
from dataverse_source.credentials.spec import DataverseCredentials, TokenCredential

if TYPE_CHECKING:
    from dataverse_source.credentials.factory import token_source
    from dataverse_source.credentials.tokens import RenewingTokens

__all__ = [
    "DataverseCredentials",
    "RenewingTokens",
    "TokenCredential",
    "TokenSource",
    "token_source",
]

_HOMES = {
    "RenewingTokens": "tokens",
    "token_source": "factory",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
