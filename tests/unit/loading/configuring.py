"""What tests of settings and credentials share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dataverse_source import (
    ConfigurationError,
    DataverseCredentials,
    dataverse,
)
from dataverse_source.config.settings import Settings
from dataverse_source.loading.configuration import configured, resolved
from tests.support.servers import CLIENT, SECRET, TENANT

URL = "https://contoso.crm4.dynamics.com"


SECTION = "SOURCES__DATAVERSE__"


RIGHT = f"""
[sources.dataverse]
environment_url = "{URL}"
tables = ["accounts", "contacts"]
"""


SIGN_IN = f"""
[sources.dataverse.credentials]
tenant_id = "{TENANT}"
client_id = "{CLIENT}"
client_secret = "{SECRET}"
"""


Files = Callable[..., Path]


def refused(**given: Any) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        dataverse(**given)
    text = str(caught.value)
    assert SECRET not in text
    return caught.value


def settings_of(**given: Any) -> tuple[Settings, DataverseCredentials]:
    settings, credentials = configured(None, **resolved(**given))
    assert isinstance(credentials, DataverseCredentials)
    return settings, credentials
