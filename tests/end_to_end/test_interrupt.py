"""An interrupt ends a run soon, although pages are still on their way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.api.faults import Fault
from tests.support.requests_sent import queries

pytestmark = pytest.mark.slow

PATIENCE = 120
"""Seconds; far below those of the stall."""

SCRIPT = """
import dlt, sys
from dataverse_source import dataverse, load
pipeline = dlt.pipeline("test", destination=dlt.destinations.duckdb("test.duckdb"),
                        dataset_name="dataverse", pipelines_dir="pipelines")
try:
    load(pipeline, dataverse(tables=sys.argv[1:], sync="full", page_size=10, request_timeout=900))
except KeyboardInterrupt as stopped:
    print(stopped)
    sys.exit(130)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
@pytest.mark.parametrize("tables", [["accounts"], ["accounts", "contacts"]])
def test_an_interrupt_does_not_wait_for_a_page(
    sandbox: Sandbox, tmp_path: Path, tables: list[str]
) -> None:
    sandbox.faults.plan(Fault("stall", seconds=600), path=r"/accounts\?.*skiptoken", times=9)
    settings = {
        "SOURCES__DATAVERSE__ENVIRONMENT_URL": sandbox.environment_url,
        "SOURCES__DATAVERSE__CA_BUNDLE": str(sandbox.ca_bundle),
        "SOURCES__DATAVERSE__CREDENTIALS__TENANT_ID": sandbox.tenant_id,
        "SOURCES__DATAVERSE__CREDENTIALS__CLIENT_ID": sandbox.client_id,
        "SOURCES__DATAVERSE__CREDENTIALS__CLIENT_SECRET": sandbox.client_secret,
        "SOURCES__DATAVERSE__CREDENTIALS__AUTHORITY_HOST": sandbox.authority_host,
        "DLT_DATA_DIR": str(tmp_path / "data"),
        "DLT_PROJECT_DIR": str(tmp_path),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *tables],
        env=os.environ | settings,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        until = time.monotonic() + PATIENCE
        while not any("skiptoken" in query for query in queries(sandbox)):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    assert said.startswith("Stopped. Loaded and kept: nothing.\nRead but not loaded: ")
    assert "rows of accounts" in said
    assert "max_rows_per_load" in said
