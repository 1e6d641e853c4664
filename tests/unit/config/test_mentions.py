"""A setting that no configuration mentions need not be looked up."""

from __future__ import annotations

from collections.abc import Iterator

import dlt
import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers.provider import ConfigProvider
from dlt.common.configuration.providers.toml import StringTomlProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from dataverse_source.config.mentions import is_mentioned


@pytest.fixture
def add() -> Iterator[type[Providers]]:
    """Takes further providers back after the test."""
    providers = Container()[PluggableRunContext].providers
    before = list(providers.providers)
    yield Providers
    providers.providers[:] = before


class Providers:
    """Registers providers of dlt's configuration."""

    @staticmethod
    def add(provider: ConfigProvider) -> None:
        Container()[PluggableRunContext].providers.add_provider(provider)


class Vault(ConfigProvider):
    """A store that cannot be listed."""

    is_empty = False
    name = "vault"
    supports_secrets = True
    supports_sections = True

    def get_value(self, key: str, *_: object) -> tuple[None, str]:
        return None, key


def test_nothing_mentions_it() -> None:
    assert not is_mentioned("incremental")


@pytest.mark.parametrize("name", ["SOURCES__DATAVERSE__ACCOUNTS__INCREMENTAL", "Incremental__x"])
def test_an_environment_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "{}")
    assert is_mentioned("incremental")


def test_a_file(add: type[Providers]) -> None:
    add.add(StringTomlProvider("[sources.dataverse.accounts.incremental]\ncursor_path = 'x'"))
    assert is_mentioned("incremental")
    assert not is_mentioned("unheard_of")


def test_what_is_set_in_python() -> None:
    with dlt.config.values({"sources.dataverse.incremental.cursor_path": "createdon"}):
        assert is_mentioned("incremental")


def test_a_store_that_has_to_be_asked(add: type[Providers]) -> None:
    add.add(Vault())
    assert is_mentioned("incremental")
