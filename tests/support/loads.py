"""Loads from the sandbox, each time with a new pipeline and source, as a scheduled script does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest

from dataverse_source import dataverse, load
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.loading.report import LoadReport
from dataverse_source.sandbox import Sandbox

NewPipeline = Callable[[], dlt.Pipeline]
Run = Callable[..., LoadReport]


@pytest.fixture
def run(
    sandbox: Sandbox,
    credentials: DataverseCredentials,
    new_pipeline: NewPipeline,
    tmp_path: Path,
) -> Run:
    """Loads tables (accounts unless others are named); the request log is that of this run."""

    def once(*tables: str, **settings: Any) -> LoadReport:
        source = dataverse(
            environment_url=sandbox.environment_url,
            tables=list(tables or ("accounts",)),
            credentials=credentials,
            ca_bundle=sandbox.ca_bundle,
            **settings,
        )
        sandbox.requests.clear()
        # dlt opens the file twenty times a load, which takes longer than to load 60 rows: while it
        # is open, another connection is there at once
        with duckdb.connect(str(tmp_path / "test.duckdb")):
            return load(new_pipeline(), source)

    return once
