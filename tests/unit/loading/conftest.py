"""Fixtures of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers import (
    ConfigTomlProvider,
    EnvironProvider,
    SecretsTomlProvider,
)
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from tests.unit.loading.configuring import SIGN_IN, Files


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    """Writes dlt's files and has dlt read them."""

    def write(config: str | None = None, secrets: str | None = SIGN_IN) -> Path:
        for name, text in (("config.toml", config), ("secrets.toml", secrets)):
            (tmp_path / name).unlink(missing_ok=True)
            if text is not None:
                (tmp_path / name).write_text(text, encoding="utf-8")
        providers = [
            EnvironProvider(),
            SecretsTomlProvider(str(tmp_path)),
            ConfigTomlProvider(str(tmp_path)),
        ]
        context = Container()[PluggableRunContext].providers
        monkeypatch.setattr(context, "providers", providers)
        return tmp_path

    return write
