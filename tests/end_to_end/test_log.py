"""A load tells what it does through dlt's logger: in its format, at its level."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

LOAD = """
import sys
import dlt
from dataverse_source import dataverse, load
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.sandbox import Sandbox

with Sandbox(rows={"account": 6}, seed=1) as sandbox:
    credentials = DataverseCredentials()
    credentials.tenant_id = sandbox.tenant_id
    credentials.client_id = sandbox.client_id
    credentials.client_secret = sandbox.client_secret
    credentials.authority_host = sandbox.authority_host
    pipeline = dlt.pipeline(
        "log", destination=dlt.destinations.duckdb("log.duckdb"), pipelines_dir="pipelines"
    )
    source = dataverse(
        environment_url=sandbox.environment_url,
        ca_bundle=sandbox.ca_bundle,
        credentials=credentials,
        tables=["accounts"],
    )
    load(pipeline, source)
"""


def load_accounts(folder: Path, runtime: str) -> list[str]:
    """Loads accounts in another process with a `[runtime]` section; its lines on stderr."""
    (folder / ".dlt").mkdir()
    (folder / ".dlt" / "config.toml").write_text(f"[runtime]\ndlthub_telemetry = false\n{runtime}")
    kept = {name: text for name, text in os.environ.items() if not name.startswith("RUNTIME__")}
    process = subprocess.run(
        [sys.executable, "-c", LOAD],
        cwd=folder,
        env={**kept, "DLT_PROJECT_DIR": str(folder), "DLT_DATA_DIR": str(folder / "data")},
        capture_output=True,
        text=True,
        check=True,
    )
    return process.stderr.splitlines()


def test_info_tells_how_a_table_is_synced(tmp_path: Path) -> None:
    lines = load_accounts(tmp_path, 'log_level = "INFO"\n')
    told = next(
        line for line in lines if "accounts: " in line and "it is enabled for the table" in line
    )
    assert "|[INFO]|" in told
    assert "|dlt.dataverse_source|run_table.py|choose:" in told


def test_json_tells_how_a_table_is_synced(tmp_path: Path) -> None:
    lines = load_accounts(tmp_path, 'log_level = "INFO"\nlog_format = "JSON"\n')
    told = [json.loads(line) for line in lines if line.startswith("{")]
    ours = next(one for one in told if "it is enabled for the table" in one["msg"])
    assert ours["logger"] == "dlt.dataverse_source"
    assert ours["level"] == "INFO"
    assert ours["module"] == "run_table"
    assert "accounts: " in ours["msg"]


def test_only_hidden_columns_are_logged_at_the_default_level_when_all_is_well(
    tmp_path: Path,
) -> None:
    (told,) = (line for line in load_accounts(tmp_path, "") if "dataverse_source" in line)
    assert "new_taxnumber" in told
