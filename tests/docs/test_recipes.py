"""The recipes for warehouses: dlt takes their settings, and the destinations do what they say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import dlt
import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers import ConfigTomlProvider, SecretsTomlProvider
from dlt.common.configuration.providers.toml import StringTomlProvider
from dlt.common.configuration.specs import CredentialsConfiguration
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.destination.client import DestinationClientDwhConfiguration

from dataverse_source.sync.abilities import DELETE_INSERT, Abilities
from dataverse_source.sync.write.history import STRATEGY
from tests.docs.blocks import Block, blocks
from tests.support.places import ROOT

PAGES = sorted(path.stem for path in (ROOT / "docs" / "destinations").glob("*.md"))
EXTRAS = set(metadata("dlt").get_all("Provides-Extra") or ())


def on_page(name: str, *languages: str) -> list[Block]:
    return [one for one in blocks(*languages) if one.page == f"docs/destinations/{name}.md"]


def settings(block: Block) -> dict[str, Any]:
    content = StringTomlProvider.loads(block.text).unwrap()
    return dict(content.get("destination", {}))


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(one)
    for name, value in other.items():
        both = isinstance(value, Mapping) and isinstance(found.get(name), Mapping)
        found[name] = merged(found[name], value) if both else value
    return found


@pytest.mark.parametrize(
    ("page", "block"),
    [
        pytest.param(page, block, id=block.name)
        for page in PAGES
        for block in on_page(page, "toml")
        if block.text.startswith("# secrets.toml")
    ],
)
def test_dlt_takes_the_settings(
    page: str, block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every name is one that dlt looks up, and none that it needs is missing."""
    others = [one for one in on_page(page, "toml") if one.text.startswith("# config.toml")]
    given: dict[str, Any] = {}
    for one in [*others, block]:
        given = merged(given, settings(one))
    written = "\n".join(one.text for one in others)
    (tmp_path / "config.toml").write_text(written, encoding="utf-8")
    (tmp_path / "secrets.toml").write_text(block.text, encoding="utf-8")
    if page == "fabric" and "fabric" in settings(block):  # two recipes: the secrets win
        (tmp_path / "config.toml").write_text("", encoding="utf-8")
    providers = [SecretsTomlProvider(str(tmp_path)), ConfigTomlProvider(str(tmp_path))]
    monkeypatch.setattr(Container()[PluggableRunContext].providers, "providers", providers)
    for name, values in given.items():
        factory = getattr(dlt.destinations, name)()
        spec = factory.spec()
        if isinstance(spec, DestinationClientDwhConfiguration):
            spec.dataset_name = "dataverse"
        found = factory.configuration(spec)
        assert found.is_resolved()
        known = set(spec.get_resolvable_fields())
        assert values.keys() <= known, values.keys() - known
        for field, value in values.items():
            if field != "credentials":
                assert getattr(found, field) == value
        credentials = values.get("credentials")
        if credentials is None:
            continue
        assert isinstance(found.credentials, CredentialsConfiguration)
        known = set(found.credentials.get_resolvable_fields())
        assert credentials.keys() <= known, credentials.keys() - known
        assert not found.credentials.is_partial()


@pytest.mark.parametrize("page", PAGES)
def test_the_packages_are_extras_of_dlt(page: str) -> None:
    (named, *_) = found = [
        re.findall(r"'dlt\[([a-z0-9,]+)\]'", block.text) for block in on_page(page, "sh")
    ]
    assert named
    for extras in found:
        for names in extras:
            assert set(names.split(",")) <= EXTRAS


@pytest.mark.parametrize("page", PAGES)
def test_the_destination_does_what_the_page_says(page: str) -> None:
    text = (ROOT / "docs" / "destinations" / f"{page}.md").read_text(encoding="utf-8")
    names = set(re.findall(r"^\[destination\.(\w+)", text, re.MULTILINE)) - {"filesystem"}
    assert names
    for name in names:
        abilities = Abilities(name, getattr(dlt.destinations, name)().capabilities())
        assert abilities.merge_strategy(None) == DELETE_INSERT
        assert STRATEGY in abilities.strategies(None)
        assert "by `delete-insert` and `scd2`" in text
        staged = f'destination="{name}", staging="filesystem"' in text
        formats = abilities.capabilities.supported_staging_file_formats or ()
        assert not staged or "parquet" in formats


def test_every_recipe_is_listed() -> None:
    text = (ROOT / "docs" / "destinations.md").read_text(encoding="utf-8")
    for page in PAGES:
        assert f"(destinations/{page}.md)" in text
