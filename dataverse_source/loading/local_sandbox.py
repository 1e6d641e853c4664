"""Starts the sandbox for ``environment_url = "sandbox"``.

It runs in this process until the process ends. Its rows are the same at each start, so a second
run finds what the first one loaded.
"""

from __future__ import annotations

import atexit
import functools
from dataclasses import dataclass

from dlt.common.typing import TSecretStrValue

from dataverse_source.config.setting_names import where_to_set
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.errors import ConfigurationError


@dataclass(frozen=True)
class LocalEnvironment:
    """The sandbox's URL, its CA bundle, and credentials of an application in it."""

    environment_url: str
    ca_bundle: str
    credentials: DataverseCredentials


@functools.lru_cache(maxsize=1)
def start_sandbox() -> LocalEnvironment:
    """Start the sandbox, once per process.

    Raises:
        ConfigurationError: the extra ``sandbox`` is not installed.
    """
    try:
        from dataverse_source.sandbox import Sandbox
    except ImportError as error:
        raise ConfigurationError(
            "environment_url = 'sandbox' needs packages that are not installed",
            why=str(error),
            remedy="Install the sandbox: pip install 'dlt-dataverse[sandbox]'. "
            f"Or set {where_to_set('environment_url')}, to your Dataverse environment.",
        ) from error
    sandbox = Sandbox()
    sandbox.start()
    atexit.register(sandbox.stop)
    credentials = DataverseCredentials()
    credentials.tenant_id = sandbox.tenant_id
    credentials.client_id = sandbox.client_id
    credentials.client_secret = TSecretStrValue(sandbox.client_secret)
    credentials.authority_host = sandbox.authority_host
    return LocalEnvironment(sandbox.environment_url, str(sandbox.ca_bundle), credentials)
