"""Fixtures of this folder."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from dlt.extract import DltSource

from dataverse_source import dataverse
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.sandbox import Sandbox
from dataverse_source.sync.write import row_files
from tests.support.environments import World
from tests.support.few_columns import ROWS, Make
from tests.support.settings import credentials_of


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    with Sandbox(rows={"account": ROWS, "contact": 8, "systemuser": 2}) as sandbox:
        yield sandbox


@pytest.fixture
def source(shared: Sandbox) -> Make:
    """Makes a source of few columns; pages have 10 rows."""
    credentials: DataverseCredentials = credentials_of(shared)
    select = ["name", "statecode", "revenue", "createdon", "numberofemployees"]

    def make(*tables: str, **settings: Any) -> DltSource:
        shared.requests.clear()
        return dataverse(
            environment_url=shared.environment_url,
            tables=list(tables or ("accounts",)),
            credentials=credentials,
            ca_bundle=shared.ca_bundle,
            page_size=10,
            table_settings={"accounts": {"select": select}} if not settings else None,
            **settings,
        )

    return make


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two environments, ``eu`` and ``us``."""
    with ExitStack() as stack:
        made = World(tmp_path, stack)
        for name in ("eu", "us"):
            made.add(name)
        yield made


@pytest.fixture(autouse=True)
def every_other_test_loads_files(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every other test, tables arrive in files however small they are."""
    if zlib.crc32(request.node.nodeid.encode()) % 2 and "test_row_files" not in request.node.nodeid:
        monkeypatch.setattr(row_files, "HELD", 0)
