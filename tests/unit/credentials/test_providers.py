"""Secrets from wherever dlt finds them: environment, secrets.toml, and vaults."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dlt
import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers import EnvironProvider, SecretsTomlProvider
from dlt.common.configuration.providers.provider import ConfigProvider
from dlt.common.configuration.providers.vault import VaultDocProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from dataverse_source.credentials import DataverseCredentials
from dataverse_source.credentials.sign_in import parsed
from tests.support.servers import CLIENT, SECRET, TENANT

TOML = (
    f'tenant_id = "{TENANT}"\nclient_id = "{CLIENT}"\n'
    f'certificate_path = "etl.pfx"\ncertificate_password = "{SECRET}"\n'
)
SETTINGS = {
    "tenant_id": TENANT,
    "client_id": CLIENT,
    "certificate_path": "etl.pfx",
    "certificate_password": SECRET,
}


class Vault(VaultDocProvider):
    """As Google's, AWS's and Airflow's: asked by key, for secrets and for whole tables."""

    name = "Test vault"

    def __init__(self, content: dict[str, str], **options: bool) -> None:
        super().__init__(**{"only_secrets": True, "only_toml_fragments": True, **options})
        self._content = content

    @staticmethod
    def get_key_name(key: str, *sections: str) -> str:
        return "-".join((*filter(None, sections), key))

    def _look_vault(self, full_key: str, hint: type) -> str:
        return self._content.get(full_key)  # type: ignore[return-value] # None: not there

    def _list_vault(self) -> set[str]:
        return set(self._content)


def environment(folder: Path) -> ConfigProvider:
    return EnvironProvider()


def secrets_toml(folder: Path) -> ConfigProvider:
    text = f"[sources.dataverse.credentials]\n{TOML}"
    (folder / "secrets.toml").write_text(text, encoding="utf-8")
    return SecretsTomlProvider(str(folder))


def vault_with_the_table(folder: Path) -> ConfigProvider:
    return Vault({"sources-dataverse": f"[credentials]\n{TOML}"})


def vault_with_all_secrets(folder: Path) -> ConfigProvider:
    return Vault({"dlt_secrets_toml": f"[sources.dataverse.credentials]\n{TOML}"})


def vault_with_single_values(folder: Path) -> ConfigProvider:
    content = {f"sources-dataverse-credentials-{name}": text for name, text in SETTINGS.items()}
    return Vault(content, only_secrets=False, only_toml_fragments=False)


@dlt.source(name="dataverse", section="dataverse")
def some_source(credentials: DataverseCredentials | None = dlt.secrets.value) -> Any:
    return dlt.resource([credentials], name="given")


@pytest.mark.parametrize(
    "provider",
    [
        environment,
        secrets_toml,
        vault_with_the_table,
        vault_with_all_secrets,
        vault_with_single_values,
    ],
)
def test_all_settings_come_from_any_provider(
    provider: Callable[[Path], ConfigProvider], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if provider is environment:
        for name, value in SETTINGS.items():
            monkeypatch.setenv(f"SOURCES__DATAVERSE__CREDENTIALS__{name.upper()}", value)
    assert not any(SECRET in value for value in os.environ.values()) or provider is environment
    providers = Container()[PluggableRunContext].providers
    monkeypatch.setattr(providers, "providers", [provider(tmp_path)])
    (found,) = some_source()
    assert {name: found[name] for name in SETTINGS} == SETTINGS
    assert parsed(found).auth_type == "certificate"


def test_secrets_are_secret_to_dlt() -> None:
    """dlt shows no value of a secret type, and takes none from config.toml."""
    from dlt.common.configuration import is_secret_hint

    hints = DataverseCredentials.get_resolvable_fields()
    secret = {name for name, hint in hints.items() if is_secret_hint(hint)}
    assert secret == {"client_secret", "certificate_password"}
