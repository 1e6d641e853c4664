"""What `dataverse_source` exports is what docs/python.md and docs/api.md list."""

from __future__ import annotations

import re
from importlib import metadata

import dataverse_source
from tests.support.places import ROOT


def test_every_exported_name_is_listed_and_nothing_else() -> None:
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE)
    assert sorted(listed) == sorted(dataverse_source.__all__)


def test_the_reference_has_every_exported_name() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    described = set(re.findall(r"^\.\. auto\w+:: [\w.]+\.(\w+)$", page, flags=re.MULTILINE))
    assert set(dataverse_source.__all__) <= described


def test_the_version() -> None:
    assert dataverse_source.__version__ == metadata.version("dlt-dataverse")


def test_every_exported_name_can_be_imported() -> None:
    for name in dataverse_source.__all__:
        assert getattr(dataverse_source, name).__name__ == name
    assert set(dataverse_source.__all__) <= set(dir(dataverse_source))
