"""Airflow, Dagster, Prefect and cron load from the sandbox for real, twice, changed in between."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from dataverse_source.sandbox import Sandbox
from tests.orchestration.environments import environment_with
from tests.support.places import ROOT
from tests.support.settings import settings_of

EXAMPLES = ROOT / "dataverse_source" / "cli" / "recipes"
TABLES = {"accounts": "account", "contacts": "contact"}

RUN_SECONDS = 1800
"""Far above what a run takes, also on a machine that has other things to do."""

pytestmark = pytest.mark.slow

Run = Callable[[], None]


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


def start(command: list[str], folder: Path, variables: dict[str, str]) -> None:
    """Runs a command to its end; it must succeed."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(timeout=RUN_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # with the servers that it has started
            said, _ = process.communicate()
            pytest.fail(f"{command} does not come to an end:\n{said[-6000:]}")
    assert process.returncode == 0, said[-6000:]


def check_two_runs(run: Run, organization: Sandbox, files: dict[str, Path]) -> None:
    """What is loaded equals the sandbox, before and after rows come, change and go."""
    store = organization.store
    run()
    check_equal(organization, files)
    for table in TABLES.values():
        keys = sorted(str(row[f"{table}id"]) for row in store.rows(table))
        named = "name" if table == "account" else "lastname"
        store.create(table, {named: "Made between the runs"})
        store.update(table, keys[0], {named: "Changed between the runs"})
        store.delete(table, keys[1])
    run()
    check_equal(organization, files)


def check_equal(organization: Sandbox, files: dict[str, Path]) -> None:
    for name, file in files.items():
        table = TABLES[name]
        named = "name" if table == "account" else "lastname"
        with duckdb.connect(str(file), read_only=True) as connection:
            loaded = connection.execute(
                f"SELECT {table}id, {named}, versionnumber FROM dataverse.{name}"
            ).fetchall()
        there = [
            (str(row[f"{table}id"]), row[named], row["versionnumber"])
            for row in organization.store.rows(table)
        ]
        assert sorted(loaded) == sorted(there)


def one_file(folder: Path) -> dict[str, Path]:
    """All buckets load into one file, one after the other."""
    return dict.fromkeys(TABLES, folder / "all.duckdb")


def with_few_buckets(recipe: str, folder: Path) -> Path:
    """A copy of a recipe that is done sooner."""
    text = (EXAMPLES / recipe).read_text("utf-8")
    assert "BUCKETS = 8" in text
    copy = folder / recipe
    copy.write_text(text.replace("BUCKETS = 8", "BUCKETS = 3"), "utf-8")
    return copy


def choice_labels(file: Path) -> int:
    with duckdb.connect(str(file), read_only=True) as connection:
        found = connection.execute(
            "SELECT count(label) FROM dataverse._dataverse_choices"
        ).fetchone()
    return int(found[0]) if found else 0


def empty_database(programs: Path, home: Path, variables: dict[str, str]) -> None:
    """Airflow's own tables, which take long to make: once, and then copied."""
    kept = programs.parent / "airflow.db"
    home.mkdir()
    if not kept.exists():
        start([str(programs / "airflow"), "db", "migrate"], home, variables)
        made = kept.with_name(f"{kept.name}.{os.getpid()}")
        shutil.copy(home / "airflow.db", made)
        made.replace(kept)
    shutil.copy(kept, home / "airflow.db")


@pytest.mark.orchestration
def test_airflow(organization: Sandbox, variables: dict[str, str], tmp_path: Path) -> None:
    programs = environment_with("apache-airflow>=3.1,<4")
    dags = tmp_path / "dags"
    dags.mkdir()
    with_few_buckets("airflow_dag.py", dags)
    parts = (
        (EXAMPLES / "airflow_parts_dag.py").read_text("utf-8").replace("PARTS = 64", "PARTS = 3")
    )
    (dags / "airflow_parts_dag.py").write_text(parts, "utf-8")
    variables |= {
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__MAX_TASK_RETRY_DELAY": "1",
        "PATH": f"{programs}{os.pathsep}{variables['PATH']}",
    }
    empty_database(programs, tmp_path / "airflow", variables)
    organization.requests.clear()
    start([str(programs / "python"), str(dags / "airflow_dag.py")], tmp_path, variables)
    assert not list(organization.requests), "requested while the DAG was parsed"

    def run() -> None:
        command = [str(programs / "airflow"), "dags", "test", "dataverse_tables"]
        start(command, tmp_path, variables)

    def run_in_parts() -> None:
        command = [str(programs / "airflow"), "dags", "test", "dataverse_table_in_parts"]
        start(command, tmp_path, variables)

    check_two_runs(run, organization, one_file(tmp_path))
    assert choice_labels(tmp_path / "all.duckdb") > 100
    variables["DESTINATION__DUCKDB__CREDENTIALS"] = str(tmp_path / "parts.duckdb")
    accounts = {"accounts": tmp_path / "parts.duckdb"}
    check_two_runs(run_in_parts, organization, accounts)


@pytest.mark.orchestration
def test_dagster(organization: Sandbox, variables: dict[str, str], tmp_path: Path) -> None:
    programs = environment_with("dagster>=1.11,<2")
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    variables |= {"DAGSTER_HOME": str(home)}
    example = str(with_few_buckets("dagster_assets.py", tmp_path))
    dagster = str(programs / "dagster")
    start([dagster, "definitions", "validate", "-f", example], tmp_path, variables)
    assert not list(organization.requests), "requested while the definitions were loaded"

    def run() -> None:
        command = [dagster, "job", "execute", "-f", example, "-j", "dataverse_tables"]
        start(command, tmp_path, variables)

    check_two_runs(run, organization, one_file(tmp_path))
    assert choice_labels(tmp_path / "all.duckdb") > 100


ONE_TRY = """
import prefect_flow
prefect_flow.load = prefect_flow.load.with_options(retries=0)
prefect_flow.dataverse_tables()
"""
"""Runs the flow; a failure is told at once."""


@pytest.mark.orchestration
def test_prefect(organization: Sandbox, variables: dict[str, str], tmp_path: Path) -> None:
    # Prefect 3.8 does not start with the newest fastapi: Body() has lost its min_items.
    programs = environment_with("prefect>=3.4,<4", "fastapi<0.120")
    variables |= {
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "300",
        "PREFECT_SERVER_MEMO_STORE_PATH": str(tmp_path / "prefect" / "memo_store.toml"),
        "PYTHONPATH": str(tmp_path),
        "DO_NOT_TRACK": "1",
    }
    with_few_buckets("prefect_flow.py", tmp_path)
    python = str(programs / "python")
    start([python, "-c", "import prefect_flow"], tmp_path, variables)
    assert not list(organization.requests), "requested while the flow was imported"

    def run() -> None:
        start([python, "-c", ONE_TRY], tmp_path, variables)

    check_two_runs(run, organization, one_file(tmp_path))
    assert choice_labels(tmp_path / "all.duckdb") > 100


@pytest.mark.skipif(shutil.which("flock") is None, reason="flock is not there")
def test_cron(organization: Sandbox, variables: dict[str, str], tmp_path: Path) -> None:
    lines = (EXAMPLES / "crontab").read_text("utf-8").splitlines()
    (entry,) = (line for line in lines if re.match(r"[\d*]", line))
    schedule, command = entry.split(None, 5)[:5], entry.split(None, 5)[5]
    assert all(re.fullmatch(r"[\d*,/-]+", part) for part in schedule)
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").touch()
    variables |= {
        "PROJECT": str(tmp_path),
        "PROGRAM": str(Path(sys.executable).with_name("dataverse-source")),
    }

    def run() -> None:
        start(["/bin/sh", "-c", command], tmp_path, variables)

    check_two_runs(run, organization, one_file(tmp_path))
    assert choice_labels(tmp_path / "all.duckdb") > 100
