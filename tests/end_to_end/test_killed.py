"""Processes that are killed at any moment: the next one goes on, and nothing is lost or double."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import dlt
import pytest

from dataverse_source.sandbox import Sandbox
from tests.support.comparing import assert_equal
from tests.support.requests_sent import keys
from tests.support.scripts import DUCKDB, script
from tests.support.settings import secrets_of

pytestmark = pytest.mark.slow

SCRIPT = script(
    DUCKDB,
    """
print(os.getpid(), flush=True)
load(pipeline, dataverse(**given["settings"]))
""",
)


@pytest.mark.slow
@pytest.mark.parametrize("nth", [3, 5], ids="killed at page {}".format)
def test_the_next_run_goes_on_where_a_killed_one_ended(
    sandbox: Sandbox, tmp_path: Path, nth: int
) -> None:
    settings = {
        "environment_url": sandbox.environment_url,
        "tables": ["accounts"],
        "ca_bundle": sandbox.ca_bundle,
        "page_size": 10,
        "max_rows_per_load": 20,
    }
    database, pipelines = str(tmp_path / "test.duckdb"), str(tmp_path / "pipelines")
    given = {"database": database, "pipelines": pipelines, "settings": settings}
    secrets = secrets_of(sandbox)

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", SCRIPT, json.dumps(given)],
            env={**os.environ, **secrets},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    kills = 0
    while True:
        process = start()
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        if kills < 2:
            # Data pages only: an ordinary read, not the chain of keys before it.
            sandbox.hooks.on(
                r"/accounts\?.*select=accountid,",
                functools.partial(os.kill, pid, signal.SIGKILL),
                nth=nth,
            )
        _, errors = process.communicate(timeout=600)
        sandbox.hooks.clear()
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, errors
        kills += 1
        sandbox.store.delete("account", keys(sandbox)[kills])
        sandbox.store.update("account", keys(sandbox)[-kills], {"name": "Meanwhile"})
    assert kills
    assert_equal(
        dlt.pipeline(
            "test",
            destination=dlt.destinations.duckdb(database),
            dataset_name="dataverse",
            pipelines_dir=pipelines,
        ),
        sandbox,
        "accounts",
    )
