"""The sign-in of developers: the token of `az login`, from the Azure CLI."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from dataverse_source.client.retry import RetryPolicy
from dataverse_source.config.setting_names import where_to_set
from dataverse_source.credentials.aadsts_errors import without_secrets
from dataverse_source.credentials.login_http import json_object
from dataverse_source.credentials.tokens import IssuedToken, seconds
from dataverse_source.errors import AuthenticationError, ConfigurationError

# Seconds: the CLI needs some to start, and asks the login service.
TIMEOUT = 60.0
_MESSAGE_LENGTH = 500


class AzureCliIssuer:
    """Tokens of the user (or app) that is signed in with the Azure CLI.

    Args:
        environment: scheme, host and port of the environment that the tokens are for.
        tenant: id or domain name, empty for the CLI's own.
        now: seconds since 1970.
    """

    def __init__(
        self, environment: str, tenant: str, *, now: Callable[[], float] = time.time
    ) -> None:
        self._environment = environment
        self._tenant = tenant
        self._now = now

    @property
    def where(self) -> str:
        """The Azure CLI."""
        return "Azure CLI"

    def issue(self, policy: RetryPolicy | None) -> IssuedToken:  # noqa: ARG002
        """A token from ``az account get-access-token``; the CLI caches tokens itself.

        Raises:
            ConfigurationError: the Azure CLI is not installed.
            AuthenticationError: nobody is signed in, or the login service refused.
        """
        text = self._run()
        answer = json_object(text)
        if answer is None:
            # Not quoted, as it may contain a token.
            raise _failed("The Azure CLI's answer is not a JSON object", f"{len(text)} characters")
        token = answer.get("accessToken")
        if not isinstance(token, str):
            raise _failed("The Azure CLI's answer contains no token", "it has no accessToken")
        return IssuedToken(token, self._life(answer))

    def _run(self) -> str:
        program = shutil.which("az")
        if program is None:
            raise ConfigurationError(
                'auth_type = "azure_cli" needs the Azure CLI, which is not installed',
                why="there is no program az on the PATH",
                remedy="Install it and run az login, or sign in another way: "
                f"{where_to_set('auth_type')}.",
            )
        command = [program, "account", "get-access-token", "--output", "json"]
        command += ["--resource", self._environment]
        command += ["--tenant", self._tenant] if self._tenant else []
        try:
            done = subprocess.run(  # noqa: S603 - no shell, and the arguments are checked settings
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                encoding="utf-8",
                errors="replace",
                timeout=TIMEOUT,
                check=False,
                env={**os.environ, "AZURE_CORE_NO_COLOR": "true"},
            )
        except subprocess.TimeoutExpired:
            raise _failed("The Azure CLI did not answer", f"after {TIMEOUT:.0f} s") from None
        except OSError as error:
            raise _failed("The Azure CLI cannot be run", str(error.strerror)) from None
        if done.returncode != 0:
            words = without_secrets(" ".join(done.stderr.split()))[:_MESSAGE_LENGTH]
            raise _failed("The Azure CLI gave no token", words or f"exit code {done.returncode}")
        return done.stdout

    def _life(self, answer: dict[str, Any]) -> float:
        if "expires_on" in answer:  # since version 2.54
            return seconds(answer["expires_on"], default=0.0) - self._now()
        try:
            local = datetime.fromisoformat(str(answer.get("expiresOn")))
        except ValueError:
            return 0.0  # the token is used once and then renewed
        return local.timestamp() - self._now()


def _failed(what: str, why: str) -> AuthenticationError:
    return AuthenticationError(
        what,
        where="az account get-access-token",
        why=why,
        remedy="Run az login (with --tenant, if you have several), and check that az account "
        f"get-access-token works; or sign in another way: {where_to_set('auth_type')}.",
    )
