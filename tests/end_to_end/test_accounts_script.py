"""The script as a user starts it: its own process, its own folder, the sandbox inside it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.api.latency import LatencySettings
from tests.support.places import ROOT
from tests.support.settings import settings_of

SCRIPT = ROOT / "pipelines" / "accounts.py"

pytestmark = pytest.mark.slow


def environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SOURCES__", "DESTINATION__"))
    }
    places = {"DLT_PROJECT_DIR": str(folder), "DLT_DATA_DIR": str(folder / "dlt")}
    return {**kept, **places, **more}


def start(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        cwd=folder,
        env=environment(folder, **more),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the demo's settings."""
    (tmp_path / ".dlt").mkdir()
    shutil.copy(ROOT / ".dlt" / "config.toml", tmp_path / ".dlt")
    return tmp_path


def database_in(folder: Path) -> Path:
    """The DuckDB file of the project in a folder, which has its name."""
    (file,) = folder.glob("test_*.duckdb")
    return file


def test_first_and_second_run(folder: Path) -> None:
    first = start(folder)
    assert first.returncode == 0, first.stderr
    told = first.stderr
    assert "made-up data" in told
    assert told.count("new_taxnumber") == 1  # hidden by column security
    assert re.search(r"^[\d-]+ [\d:]+ accounts: read, 5,000 rows in ", told, re.MULTILINE)
    file = database_in(folder)
    assert "5,000 inserted" in first.stdout
    assert str(file) in first.stdout

    second = start(folder)
    assert second.returncode == 0, second.stderr
    assert "new_taxnumber" not in second.stderr
    assert "accounts: 0 inserted" in second.stdout
    with duckdb.connect(str(file), read_only=True) as database:
        database.execute("SELECT count(DISTINCT accountid), count(*) FROM dataverse.accounts")
        assert database.fetchone() == (5000, 5000)


def test_a_database_that_was_removed_is_loaded_again(folder: Path) -> None:
    assert start(folder).returncode == 0
    (database_in(folder)).unlink()
    again = start(folder)
    assert "5,000 inserted" in again.stdout, again.stderr


def test_top_prints_what_the_service_sent(folder: Path) -> None:
    shown = start(folder, "--top", "3")
    assert shown.returncode == 0, shown.stderr
    answer = json.loads(shown.stdout)
    assert answer["@odata.context"].endswith("/$metadata#accounts(name)")
    assert answer["@Microsoft.Dynamics.CRM.totalrecordcount"] == -1
    assert answer["@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"] is False
    names = [row["name"] for row in answer["value"]]
    assert len(names) == 3
    assert names == sorted(names, key=str.casefold)
    assert all({"@odata.etag", "name", "accountid"} == set(row) for row in answer["value"])
    assert not list(folder.glob("*.duckdb"))


def test_without_settings_the_missing_one_is_named(tmp_path: Path) -> None:
    failed = start(tmp_path)
    assert failed.returncode == 1
    assert "environment_url" in failed.stderr
    assert "SOURCES__DATAVERSE__ENVIRONMENT_URL" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert failed.stdout == ""


def test_a_wrong_secret_is_one_message_without_the_secret(folder: Path, sandbox: Sandbox) -> None:
    wrong = "this-is-no-secret-of-the-app"
    given = {**settings_of(sandbox), "SOURCES__DATAVERSE__CREDENTIALS__CLIENT_SECRET": wrong}
    failed = start(folder, **given)
    assert failed.returncode == 1
    assert "AADSTS7000215" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert wrong not in failed.stderr + failed.stdout


def test_a_service_that_is_down_for_a_moment(folder: Path, sandbox: Sandbox) -> None:
    sandbox.faults.plan("html_503", path=r"/accounts\?", times=2)
    run = start(folder, **settings_of(sandbox))
    assert run.returncode == 0, run.stderr
    assert run.stderr.count("503") == 2
    assert "60 inserted" in run.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_interrupted_it_stops_at_once_and_the_next_run_is_whole(
    folder: Path, sandbox: Sandbox
) -> None:
    sandbox.latency = LatencySettings(base_seconds=0.5)
    given = environment(folder, **settings_of(sandbox), SOURCES__DATAVERSE__PAGE_SIZE="5")
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT)],
        cwd=folder,
        env=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not any(one.path.endswith("/accounts") for one in sandbox.requests):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "Stopped. Loaded and kept: nothing." in errors

    sandbox.latency = LatencySettings()
    again = start(folder, **settings_of(sandbox))
    assert "60 inserted" in again.stdout, again.stderr


def test_the_query_to_try_works_as_printed(folder: Path) -> None:
    shown = start(folder).stdout.splitlines()[-1]
    _, _, command = shown.partition("uv run python -c ")
    tried = subprocess.run(
        [sys.executable, "-c", command.strip('"')], capture_output=True, text=True, check=False
    )
    assert tried.returncode == 0, tried.stderr
    assert "revenue" in tried.stdout
