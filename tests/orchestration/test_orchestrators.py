"""Airflow, Dagster, Prefect and cron load from the sandbox for real, twice, changed in between."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import duckdb
import pytest

from dataverse_source.sandbox import Sandbox
from tests.orchestration.environments import environment_with
from tests.orchestration.runs import (
    EXAMPLES,
    TABLES,
    check_two_runs,
    start,
    with_few_buckets,
)

pytestmark = pytest.mark.slow


def one_file(folder: Path) -> dict[str, Path]:
    """All buckets load into one file, one after the other."""
    return dict.fromkeys(TABLES, folder / "all.duckdb")


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
