"""Loads from the sandbox, each time with a new pipeline and source, as a scheduled script does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest
from dlt.extract import DltSource

from dataverse_source import dataverse, load
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.loading.report import LoadReport
from dataverse_source.sandbox import Sandbox

NewPipeline = Callable[[], dlt.Pipeline]
NewSource = Callable[..., DltSource]
Run = Callable[..., LoadReport]


@pytest.fixture
def new_source(sandbox: Sandbox, credentials: DataverseCredentials) -> NewSource:
    """Makes the source anew, as the next start of a script does; accounts unless others are named.

    Settings may also name another environment and its credentials.
    """

    def make(*tables: str, **settings: Any) -> DltSource:
        given = {
            "environment_url": sandbox.environment_url,
            "tables": list(tables or ("accounts",)),
            "credentials": credentials,
            "ca_bundle": sandbox.ca_bundle,
            **settings,
        }
        return dataverse(**given)

    return make


@pytest.fixture
def run(sandbox: Sandbox, new_source: NewSource, new_pipeline: NewPipeline, tmp_path: Path) -> Run:
    """Loads tables (accounts unless others are named); the request log is that of this run."""

    def once(*tables: str, **settings: Any) -> LoadReport:
        source = new_source(*tables, **settings)
        sandbox.requests.clear()
        # dlt opens the file twenty times a load, which takes longer than to load 60 rows: while it
        # is open, another connection is there at once
        with duckdb.connect(str(tmp_path / "test.duckdb")):
            return load(new_pipeline(), source)

    return once
