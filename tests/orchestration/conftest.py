"""Fixtures: an organization, and what leads a process to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataverse_source.sandbox import Sandbox
from tests.support.settings import settings_of


@pytest.fixture
def organization() -> Iterator[Sandbox]:
    with Sandbox(rows={"account": 60, "contact": 40}, seed=1) as running:
        yield running


@pytest.fixture
def variables(organization: Sandbox, tmp_path: Path) -> dict[str, str]:
    """What leads to the sandbox, and keeps everything that is written under the test's folder."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        **settings_of(organization),
        "DLT_PROJECT_DIR": str(tmp_path),
        "DLT_DATA_DIR": str(tmp_path / "dlt"),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "SOURCES__DATAVERSE__TABLES": '["accounts", "contac*"]',
        "SOURCES__DATAVERSE__LANDING_URL": str(tmp_path / "landing"),
        "DESTINATION__DUCKDB__CREDENTIALS": str(tmp_path / "all.duckdb"),
    }
