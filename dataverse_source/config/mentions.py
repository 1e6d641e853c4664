"""Whether any of dlt's configuration mentions a name, so that it is worth looking it up."""

from __future__ import annotations

import os

import dlt
from dlt.common.configuration.providers.doc import BaseDocProvider
from dlt.common.configuration.providers.environ import EnvironProvider
from dlt.common.configuration.providers.vault import VaultDocProvider


def is_mentioned(name: str) -> bool:
    """Whether environment variables, files, or a store that has to be asked may hold a setting.

    dlt looks each setting up under many names; for hundreds of tables that takes seconds.

    Args:
        name: of a setting or of a part of its path, in lower case.
    """
    for provider in dlt.config.config_providers:
        if isinstance(provider, EnvironProvider):
            found = any(name.upper() in one.upper() for one in os.environ)
        elif isinstance(provider, BaseDocProvider) and not isinstance(provider, VaultDocProvider):
            found = name in provider.to_toml()
        else:
            found = not provider.is_empty
        if found:
            return True
    return False
