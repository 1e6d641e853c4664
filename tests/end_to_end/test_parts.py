"""A table's first load in parts: plan, parts, finish, against the sandbox and DuckDB."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest

from dataverse_source import finish_load, plan_load, read_part
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.errors import ConfigurationError
from dataverse_source.loading.report import LoadReport
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.schema import schema_changes
from dataverse_source.sandbox.schema.tables import Column
from dataverse_source.sync import full
from dataverse_source.sync.read import recreated_rows
from tests.support.comparing import assert_equal
from tests.support.requests_sent import keys, queries, state

pytestmark = pytest.mark.slow

Run = Callable[..., LoadReport]
NewPipeline = Callable[[], dlt.Pipeline]


@dataclass
class Parts:
    """The three steps, each as a process of its own would take it; the plan goes by as JSON."""

    sandbox: Sandbox
    new_pipeline: NewPipeline
    settings: dict[str, Any]
    folder: Path

    def plan(self, table: str = "accounts", parts: int = 4, **given: Any) -> dict[str, Any]:
        plan = plan_load(table, self.new_pipeline(), parts, **{**self.settings, **given})
        return dict(json.loads(json.dumps(plan)))

    def read(self, plan: dict[str, Any], number: int, **given: Any) -> dict[str, Any]:
        return read_part(json.dumps(plan), number, **{**self.settings, **given})

    def read_all(self, plan: dict[str, Any], **given: Any) -> None:
        for number in reversed(plan["numbers"]):
            self.read(plan, number, **given)

    def finish(self, plan: dict[str, Any], **given: Any) -> LoadReport:
        with duckdb.connect(str(self.folder / "test.duckdb")):
            return finish_load(plan, self.new_pipeline(), **{**self.settings, **given})

    def landed(self) -> list[str]:
        return sorted(one.name for one in (self.folder / "landing").rglob("*") if one.is_file())


@pytest.fixture
def parts(
    sandbox: Sandbox, credentials: DataverseCredentials, new_pipeline: NewPipeline, tmp_path: Path
) -> Parts:
    settings = {
        "environment_url": sandbox.environment_url,
        "credentials": credentials,
        "ca_bundle": sandbox.ca_bundle,
        "landing_url": str(tmp_path / "landing"),
        "page_size": 5,
    }
    return Parts(sandbox, new_pipeline, settings, tmp_path)


def _spread(sandbox: Sandbox, days: int = 300) -> None:
    """Rows that were created long ago, apart from each other."""
    now = sandbox.clock.now()
    for number in range(20):
        created = now - timedelta(days=days * (number + 1) / 20)
        sandbox.store.create("account", {"name": f"Old {number}"}, created_on=created)


@pytest.mark.usefixtures("old_rows")
@pytest.mark.parametrize("sync", ["changes", "cursor"])
def test_parts_with_changes_between_them(parts: Parts, sandbox: Sandbox, sync: str) -> None:
    _spread(sandbox)
    plan = parts.plan(sync=sync)
    assert plan["numbers"] == [0, 1, 2, 3]
    assert sum(one["rows"] for one in plan["parts"]) == 80
    assert all(10 <= one["rows"] <= 30 for one in plan["parts"])
    for number in plan["numbers"]:
        known = keys(sandbox)
        sandbox.store.update("account", known[number], {"name": f"Changed {number}"})
        sandbox.store.delete("account", known[10 + number])
        again = known[20 + number]
        sandbox.store.delete("account", again)
        moment = sandbox.clock.now() - timedelta(days=70 * (3 - number))
        sandbox.store.create("account", {"accountid": again, "name": "Again"}, created_on=moment)
        sandbox.store.create("account", {"name": f"New {number}"})
        parts.read(plan, number, sync=sync)
    parts.finish(plan, sync=sync)
    assert_equal(parts.new_pipeline(), sandbox, "accounts")
    assert parts.landed() == []
    assert parts.plan(sync=sync)["numbers"] == []


def test_the_three_steps_are_the_ordinary_run_too(parts: Parts, sandbox: Sandbox) -> None:
    plan = parts.plan()
    parts.read_all(plan)
    parts.finish(plan)
    sandbox.store.delete("account", keys(sandbox)[0])
    sandbox.requests.clear()
    plan = parts.plan()
    assert plan["numbers"] == [], plan["why"]
    assert parts.landed() == []
    parts.read(plan, 3)  # a job with a fixed number of parts
    report = parts.finish(plan)
    assert report.tables[0].deleted == 1
    assert not any("createdon" in query and "filter" in query for query in queries(sandbox))
    assert_equal(parts.new_pipeline(), sandbox, "accounts")


def test_workers_that_come_twice_or_late_and_a_second_finish(
    parts: Parts, sandbox: Sandbox, tmp_path: Path
) -> None:
    plan = parts.plan()
    first = parts.read(plan, 0)
    assert parts.read(plan, 0) == first  # it has been read
    (tmp_path / "landing" / f"accounts-{plan['id']}" / "part-00000.json").unlink()
    second = parts.read(plan, 0)  # the manifest of the first was lost, its files are there
    assert second["attempt"] != first["attempt"]
    parts.read_all(plan)
    parts.finish(plan)
    assert_equal(parts.new_pipeline(), sandbox, "accounts")
    with pytest.raises(ConfigurationError, match="has no plan"):
        parts.read(plan, 1)
    sandbox.store.update("account", keys(sandbox)[0], {"name": "Later"})
    report = parts.finish(plan)
    assert report.tables[0].updated == 1
    assert_equal(parts.new_pipeline(), sandbox, "accounts")


def test_an_old_plan_of_a_table_that_is_loaded(parts: Parts, sandbox: Sandbox, run: Run) -> None:
    old = parts.plan()
    parts.read_all(old)
    run()
    sandbox.store.delete("account", keys(sandbox)[0])
    parts.finish(old)
    assert_equal(parts.new_pipeline(), sandbox, "accounts")


def test_a_missing_part_and_a_part_of_another_plan(parts: Parts, sandbox: Sandbox) -> None:
    plan, other = parts.plan(), parts.plan()
    parts.read_all(other)
    for number in (0, 2):
        parts.read(plan, number)
    with pytest.raises(
        ConfigurationError, match="Of the 4 parts of accounts, 2 have not been read: 1, 3"
    ):
        parts.finish(plan)
    mixed = {**plan, "landing": other["landing"]}
    with pytest.raises(ConfigurationError, match="another plan is there"):
        parts.finish(mixed)
    with pytest.raises(ConfigurationError, match="has no part 4"):
        parts.read(plan, 4)
    with pytest.raises(ConfigurationError, match="no plan of this version"):
        parts.finish({**plan, "format": 99})
    parts.read_all(plan)
    parts.finish(plan)
    assert_equal(parts.new_pipeline(), sandbox, "accounts")


def test_a_column_that_is_added_between_plan_and_finish(parts: Parts, sandbox: Sandbox) -> None:
    plan = parts.plan()
    parts.read_all(plan)
    column = Column("new_extra", "String")
    sandbox.store.change_schema(schema_changes.with_column(sandbox.store.schema, "account", column))
    with pytest.raises(ConfigurationError, match="added: new_extra") as refused:
        parts.finish(plan)
    assert "Plan the load again" in str(refused.value)
    new = parts.plan()
    parts.read_all(new)
    parts.finish(new)
    assert_equal(parts.new_pipeline(), sandbox, "accounts")


def test_a_link_that_has_expired(parts: Parts, sandbox: Sandbox) -> None:
    plan = parts.plan()
    parts.read_all(plan)
    sandbox.clock.advance(31 * 24 * 3600)
    with pytest.raises(ConfigurationError, match="has expired"):
        parts.finish(plan)


def test_half_of_all_rows_in_one_second(parts: Parts, sandbox: Sandbox) -> None:
    moment = datetime(2026, 1, 2, tzinfo=timezone.utc)
    for number in range(60):
        sandbox.store.create("account", {"name": f"Bulk {number}"}, created_on=moment)
    for key in keys(sandbox)[:3]:  # and rows without a moment
        sandbox.store.update("account", key, {"createdon": None})
    plan = parts.plan(parts=8)
    sizes = [one["rows"] for one in plan["parts"]]
    assert sum(sizes) == 120
    assert max(sizes) >= 60
    parts.read_all(plan)
    parts.finish(plan)
    assert_equal(parts.new_pipeline(), sandbox, "accounts")


def test_a_table_that_stays_whole(parts: Parts, sandbox: Sandbox) -> None:
    plan = parts.plan(sync="full")
    assert plan["numbers"] == []
    assert "sync = 'full' is set" in plan["why"]
    parts.finish(plan, sync="full")
    assert_equal(parts.new_pipeline(), sandbox, "accounts")


def test_state_and_rows_come_together(parts: Parts, sandbox: Sandbox) -> None:
    plan = parts.plan()
    parts.read_all(plan)
    parts.finish(plan)
    assert state(parts.new_pipeline())["landed"] == plan["id"]


@pytest.fixture
def old_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that were there before the plan are not taken for rows that may come twice.

    Few rows have few version numbers; the margin is for an environment that counts millions.
    """
    monkeypatch.setattr(recreated_rows, "VERSION_MARGIN", 10)
    monkeypatch.setattr(full, "LEAST_ROWS", 1)
    # a test of the command may have set it in this process: the files would be gone
    monkeypatch.setenv("LOAD__DELETE_COMPLETED_JOBS", "false")


def _files(folder: Path) -> set[str]:
    """Digests of the Parquet files in a folder."""
    found = [one for one in folder.rglob("*.parquet") if one.is_file()]
    return {hashlib.sha256(one.read_bytes()).hexdigest() for one in found}


@pytest.mark.usefixtures("old_rows")
@pytest.mark.parametrize(
    ("given", "as_they_are"),
    [
        ({}, True),
        ({"deletes": "keep"}, True),
        ({"labels": True}, False),
        ({"history": True}, False),
        ({"environment_column": "eu"}, False),
    ],
    ids=["plain", "keep", "labels", "history", "environment"],
)
def test_files_are_loaded_as_they_are_if_nothing_has_to_change_them(
    parts: Parts, sandbox: Sandbox, given: dict[str, Any], as_they_are: bool
) -> None:
    _spread(sandbox)
    plan = parts.plan(**given)
    moment = sandbox.clock.now() - timedelta(days=100)
    again = keys(sandbox)[0]
    sandbox.store.delete("account", again)
    parts.read_all(plan, **given)
    sandbox.store.create("account", {"accountid": again, "name": "Again"}, created_on=moment)
    landed = _files(parts.folder / "landing")
    assert landed
    report = parts.finish(plan, **given)
    assert report.tables[0].inserted == 80
    assert bool(landed & _files(parts.folder / "pipelines")) is as_they_are
    if "history" not in given:
        assert_equal(parts.new_pipeline(), sandbox, "accounts", given.get("environment_column"))
    assert parts.plan(**given)["numbers"] == []


@pytest.mark.usefixtures("old_rows")
def test_files_are_not_loaded_as_they_are_if_dlt_adds_a_column(
    parts: Parts, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID", "true")
    plan = parts.plan()
    parts.read_all(plan)
    landed = _files(parts.folder / "landing")
    parts.finish(plan)
    assert not landed & _files(parts.folder / "pipelines")
    with parts.new_pipeline().sql_client() as client:
        found = client.execute_sql("SELECT count(*), count(_dlt_load_id) FROM accounts")
    assert found == [(60, 60)]


KILLED = """
import os, signal, sys
from dataverse_source import {step}
from dataverse_source.loading.parts import landing
from dlt.load.load import Load

def killed(*_args, **_kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

{patch}
import dlt, json
given = json.loads(sys.argv[1])
pipeline = dlt.pipeline("test", destination=dlt.destinations.duckdb(given["database"]),
                        dataset_name="dataverse", pipelines_dir=given["pipelines"])
{call}
"""
READING = ("landing.Landing.put = killed", "read_part(given['plan'], 1, **given['settings'])")
FINISHING = (
    "Load.complete_package = killed",
    "finish_load(given['plan'], pipeline, **given['settings'])",
)


def _killed(parts: Parts, plan: dict[str, Any], step: str, patch: str, call: str) -> None:
    """Runs a step in a process that ends itself by SIGKILL."""
    done = _in_a_process(parts, plan, step, patch, call)
    assert done.returncode == -signal.SIGKILL, done.stderr


def _in_a_process(
    parts: Parts, plan: dict[str, Any], step: str, patch: str, call: str
) -> subprocess.CompletedProcess[str]:
    credentials = parts.settings["credentials"]
    settings = {**parts.settings, "credentials": dict(credentials)}
    given = {"plan": plan, "settings": settings, "database": str(parts.folder / "test.duckdb")}
    given["pipelines"] = str(parts.folder / "pipelines")
    script = KILLED.format(step=step, patch=patch, call=call)
    command = [sys.executable, "-c", script, json.dumps(given)]
    # A module's compiled file would be cut off by a limit on the size of files.
    variables = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=variables)


@pytest.mark.usefixtures("old_rows")
def test_a_worker_and_a_finish_that_are_killed(parts: Parts, sandbox: Sandbox) -> None:
    _spread(sandbox)
    plan = parts.plan()
    for number in (0, 2, 3):
        parts.read(plan, number)
    _killed(parts, plan, "read_part", *READING)
    assert sum(name.startswith("part-00001") for name in parts.landed()) >= 1
    with pytest.raises(ConfigurationError, match="1 have not been read: 1"):
        parts.finish(plan)
    parts.read(plan, 1)
    sandbox.store.update("account", keys(sandbox)[5], {"name": "Meanwhile"})
    _killed(parts, plan, "finish_load", *FINISHING)
    sandbox.store.delete("account", keys(sandbox)[6])
    parts.finish(plan)
    assert_equal(parts.new_pipeline(), sandbox, "accounts")
    assert parts.landed() == []


@pytest.mark.parametrize("place", ["file", "unreachable"])
def test_a_landing_place_that_cannot_be_written(
    parts: Parts, sandbox: Sandbox, tmp_path: Path, place: str
) -> None:
    """It is told before the keys are read, which takes hours for a huge table."""
    (tmp_path / "file").touch()
    url = {
        "file": (tmp_path / "file" / "landing").as_uri(),
        "unreachable": "ftp://127.0.0.1:1/landing",
    }
    sandbox.requests.clear()
    with pytest.raises(ConfigurationError, match="The landing place cannot be") as refused:
        parts.plan(landing_url=url[place])
    assert url[place] in str(refused.value.where)
    chain = "$select=accountid,createdon"
    assert not any(chain in query for query in queries(sandbox))
    parts.plan()
    assert any(chain in query for query in queries(sandbox))


FULL = (
    """
import resource
plain = landing.Landing.write
def limited(self, name):
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # an OSError, as of a full disk
    return plain(self, name)
landing.Landing.write = limited
""",
    "read_part(given['plan'], 1, **given['settings'])",
)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_landing_place_that_is_full(parts: Parts, sandbox: Sandbox) -> None:
    plan = parts.plan()
    done = _in_a_process(parts, plan, "read_part", *FULL)
    assert "The landing place cannot be written" in done.stderr
    assert "OSError" in done.stderr
    assert parts.landed() == ["plan.json"]
    parts.read_all(plan)
    parts.finish(plan)
    assert_equal(parts.new_pipeline(), sandbox, "accounts")
