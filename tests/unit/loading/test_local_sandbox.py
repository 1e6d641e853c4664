"""The sandbox as an environment: what is said when its packages are not installed."""

from __future__ import annotations

import sys

import pytest

from dataverse_source.errors import ConfigurationError
from dataverse_source.loading.local_sandbox import start_sandbox


@pytest.mark.parametrize("package", ["trustme", "lark"])
def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    start_anew = start_sandbox.__wrapped__
    with pytest.raises(ConfigurationError, match="environment_url = 'sandbox'") as caught:
        start_anew()
    text = str(caught.value)
    assert package in text
    assert "pip install 'dlt-dataverse[sandbox]'" in text
    assert "SOURCES__DATAVERSE__ENVIRONMENT_URL" in text
