"""Processes that end when the destination has a file's rows, and dlt does not know it yet."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import dlt
import pytest

from dataverse_source.sandbox import Sandbox
from tests.support.comparing import assert_equal
from tests.support.loads import NewPipeline, Run
from tests.support.requests_sent import keys
from tests.support.settings import secrets_of

pytestmark = pytest.mark.slow

SCRIPT = """
import json, os, signal, sys
import dlt
from dlt.common.storages import PackageStorage
from dataverse_source import dataverse, load

given = json.loads(sys.argv[1])
usual = getattr(PackageStorage, given["moment"])

def ends(storage, load_id, name, *rest):
    if name.split(".")[0] == given["table"] and name.endswith(given["kind"]):
        if given["moment"] == "complete_loading_package":
            usual(storage, load_id, name, *rest)
        os.kill(os.getpid(), signal.SIGKILL)
    return usual(storage, load_id, name, *rest)

setattr(PackageStorage, given["moment"], ends)
pipeline = dlt.pipeline(
    "test",
    destination=dlt.destinations.duckdb(given["database"]),
    dataset_name="dataverse",
    pipelines_dir=given["pipelines"],
)
load(pipeline, dataverse(**given["settings"]))
"""

COMMITTED = "save_pending_transition"
"""What dlt does first when the destination has a file's rows."""


def killed(
    sandbox: Sandbox, folder: Path, table: str, kind: str = "parquet", *, moment: str = COMMITTED,
    pipelines: str = "pipelines", **settings: Any,
) -> None:  # fmt: skip
    """A run in a process that is killed at ``moment`` of a file of ``table``."""
    given = {
        "moment": moment,
        "table": table,
        "kind": kind,
        "database": str(folder / "test.duckdb"),
        "pipelines": str(folder / pipelines),
        "settings": {
            "environment_url": sandbox.environment_url,
            "tables": ["accounts"],
            "ca_bundle": sandbox.ca_bundle,
            **settings,
        },
    }
    secrets = secrets_of(sandbox)
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(given)],
        env={**os.environ, **secrets},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr


def change(sandbox: Sandbox) -> None:
    """A row that is new, one that has changed, and one that is gone."""
    first, second, *_ = keys(sandbox)
    sandbox.store.create("account", {"name": "New"})
    sandbox.store.update("account", first, {"name": "Changed"})
    sandbox.store.delete("account", second)


def rows(pipeline: dlt.Pipeline, table: str) -> list[tuple[Any, ...]]:
    """The rows of a table, none of which may come twice."""
    with pipeline.sql_client() as client:
        relation = client.make_qualified_table_name(table)
        with client.execute_query(f"SELECT * FROM {relation}") as cursor:
            names = [column[0] for column in cursor.description]
            found = cursor.fetchall()
    own = [number for number, name in enumerate(names) if not name.startswith("_dlt")]
    cells = [tuple(row[number] for number in own) for row in found]
    assert len(set(cells)) == len(cells), f"rows of {table} come twice"
    return cells


@pytest.mark.parametrize(
    "settings", [{}, {"max_rows_per_load": 20}], ids=["in one package", "in several packages"]
)
def test_the_first_rows_of_a_table(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, tmp_path: Path, settings: dict[str, Any]
) -> None:
    killed(sandbox, tmp_path, "accounts", **settings)
    change(sandbox)
    run(**settings)
    assert_equal(new_pipeline(), sandbox, "accounts")


@pytest.mark.parametrize("kind", ["parquet", "sql"])
@pytest.mark.parametrize("settings", [{}, {"history": True}], ids=str)
def test_changes_that_are_merged(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, tmp_path: Path, kind: str,
    settings: dict[str, Any],
) -> None:  # fmt: skip
    run(**settings)
    before = len(rows(new_pipeline(), "accounts"))
    change(sandbox)
    killed(sandbox, tmp_path, "accounts", kind, **settings)
    run(**settings)
    versions = 2 if settings else 0
    assert len(rows(new_pipeline(), "accounts")) == before + versions
    if not settings:
        assert_equal(new_pipeline(), sandbox, "accounts")


def test_the_list_of_deletions(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, tmp_path: Path
) -> None:
    run(deletes="keep")
    change(sandbox)
    killed(sandbox, tmp_path, "_dataverse_deletions", deletes="keep")
    run(deletes="keep")
    assert len(rows(new_pipeline(), "_dataverse_deletions")) == 1


def test_the_catalog(run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, tmp_path: Path) -> None:
    killed(sandbox, tmp_path, "_dataverse_columns")
    run()
    assert rows(new_pipeline(), "_dataverse_columns")
    assert_equal(new_pipeline(), sandbox, "accounts")


@pytest.mark.parametrize(
    ("first", "second"), [("start_job", COMMITTED), ("clear_pending_transition", "start_job")]
)
def test_two_schedules_that_are_killed_in_one_table(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, tmp_path: Path, first: str, second: str
) -> None:
    killed(sandbox, tmp_path, "accounts", moment=first)
    killed(sandbox, tmp_path, "accounts", moment=second, pipelines="other")
    run()
    change(sandbox)
    run()
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_a_package_that_is_loaded_but_not_put_away(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, tmp_path: Path
) -> None:
    killed(sandbox, tmp_path, "loaded", "", moment="complete_loading_package")
    assert len(rows(new_pipeline(), "accounts")) == len(keys(sandbox))
    change(sandbox)
    run()
    assert_equal(new_pipeline(), sandbox, "accounts")
