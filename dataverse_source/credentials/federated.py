"""Workload identity federation: another identity provider's token for the app, from a file.

Kubernetes (AKS) renews the file by itself; a GitHub Actions job writes it from the job's OIDC
token. Docs: "Workload identity federation".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dataverse_source.config.setting_names import places
from dataverse_source.errors import ConfigurationError

# Header, claims and signature of a signed token (RFC 7515, section 3.1).
_SIGNED_TOKEN = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)


def assertion_reader(path: str) -> Callable[[], str]:
    """A function that reads the assertion from ``path`` each time it is called.

    Raises (when called):
        ConfigurationError: the file can't be read, or holds no signed token.
    """

    def read() -> str:
        try:
            text = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                "The file with the federated token can't be read",
                where=path,
                why=getattr(error, "strerror", None) or type(error).__name__,
                remedy=f"Check {places('assertion_path')}.",
            ) from None
        if not _SIGNED_TOKEN.fullmatch(text):
            raise ConfigurationError(
                "The file with the federated token holds no signed token (JWT)",
                where=path,
                why="empty" if not text else "something else",
                remedy="Have the identity provider write its token there, and nothing else. "
                f"The path is set as {places('assertion_path')}.",
            )
        return text

    return read


def federated_proof(path: str) -> Callable[[], dict[str, Any]]:
    """What MSAL takes as an assertion that it reads anew for each request.

    The same object each time, so that the same MSAL application goes on.
    """
    reader = assertion_reader(path)
    proof = {"client_assertion": reader}

    def checked() -> dict[str, Any]:
        reader()
        return proof

    return checked
