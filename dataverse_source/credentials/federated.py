"""Workload identity federation: another identity provider's token for the app, from a file.

Kubernetes (AKS) renews the file; a GitHub Actions job writes its OIDC token into one.
Docs: "Workload identity federation".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dataverse_source.config.setting_names import where_to_set
from dataverse_source.errors import ConfigurationError

# Header, claims and signature of a signed token (RFC 7515, section 3.1).
_SIGNED_TOKEN = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)


def assertion_reader(path: str) -> Callable[[], str]:
    """A function that reads the assertion from ``path`` each time it is called.

    Raises (when called):
        ConfigurationError: the file cannot be read, or contains no signed token.
    """

    def read() -> str:
        try:
            text = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                "The file with the federated token cannot be read",
                where=path,
                why=getattr(error, "strerror", None) or type(error).__name__,
                remedy=f"Check {where_to_set('assertion_path')}.",
            ) from None
        if not _SIGNED_TOKEN.fullmatch(text):
            raise ConfigurationError(
                "The file with the federated token contains no signed token (JWT)",
                where=path,
                why="it is empty" if not text else "it contains something else",
                remedy="Have the identity provider write its token there, and nothing else, or "
                f"set another path: {where_to_set('assertion_path')}.",
            )
        return text

    return read


def federated_proof(path: str) -> Callable[[], dict[str, Any]]:
    """An assertion in MSAL's form: MSAL calls the reader at each request.

    It is the same object each time, so that the MSAL application is kept.
    """
    reader = assertion_reader(path)
    proof = {"client_assertion": reader}

    def checked() -> dict[str, Any]:
        reader()
        return proof

    return checked
