"""One pipeline on several machines: the second run is refused, a killed one holds nobody up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dlt.extract import DltSource

from dataverse_source import load
from dataverse_source.errors import DataverseError, PipelineError
from dataverse_source.loading import running_mark
from dataverse_source.loading.mark_table import Mark, mark_table
from dataverse_source.sandbox import Sandbox
from tests.support.comparing import assert_equal
from tests.support.machines import Machine, meanwhile
from tests.support.requests_sent import keys
from tests.support.settings import secrets_of

pytestmark = pytest.mark.slow

NewSource = Callable[..., DltSource]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks change and are looked at often, so that the tests need not wait for minutes."""
    monkeypatch.setattr(running_mark, "BEAT_SECONDS", 0.2)
    monkeypatch.setattr(running_mark, "LOOK_SECONDS", 0.1)


def marks(machine: Machine) -> list[Mark]:
    table = mark_table(machine.pipeline())
    assert table is not None
    return table.marks("test")


@pytest.mark.usefixtures("impatient")
def test_a_run_on_another_machine_is_refused_before_it_reads(
    new_source: NewSource, sandbox: Sandbox, tmp_path: Path
) -> None:
    one, two, refused = Machine(tmp_path, "one"), Machine(tmp_path, "two"), []

    def second() -> None:
        before = len(sandbox.requests)
        with pytest.raises(PipelineError, match="on another machine or in another folder") as told:
            load(two.pipeline(), new_source())
        assert len(sandbox.requests) == before
        refused.append(str(told.value))

    load(one.pipeline(), meanwhile(new_source(), second))
    (message,) = refused
    assert f"PID {os.getpid()}" in message
    assert marks(one) == []
    load(two.pipeline(), new_source())
    assert_equal(two.pipeline(), sandbox, "accounts")


@pytest.mark.usefixtures("impatient")
def test_machines_that_begin_at_the_same_moment(
    new_source: NewSource, sandbox: Sandbox, tmp_path: Path
) -> None:
    machines = [Machine(tmp_path, f"machine_{number}") for number in range(4)]
    load(machines[0].pipeline(), new_source())
    start, done, refused = threading.Barrier(4), [], []

    def slow(row: Any) -> Any:
        time.sleep(0.02)
        return row

    def run(machine: Machine) -> None:
        source, pipeline = new_source(), machine.pipeline()
        source.accounts.add_map(slow)
        source.accounts.apply_hints(write_disposition="replace")
        start.wait()
        try:
            load(pipeline, source)
            done.append(machine)
        except PipelineError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=run, args=(machine,)) for machine in machines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 1, refused
    assert all("is running already" in error for error in refused), refused
    assert_equal(machines[0].pipeline(), sandbox, "accounts")
    assert marks(machines[0]) == []


KILLED_RUN = """
import os, signal, sys
import dlt
from dlt.destinations.impl.duckdb.duck import DuckDbClient
from dataverse_source import dataverse, load

database, pipelines, address, ca_bundle = sys.argv[1:]

def killed(*_args, **_kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

DuckDbClient.complete_load = killed
pipeline = dlt.pipeline("test", destination=dlt.destinations.duckdb(database),
                        dataset_name="dataverse", pipelines_dir=pipelines)
load(pipeline, dataverse(environment_url=address, tables=["accounts"], ca_bundle=ca_bundle))
"""


def kill_a_run(machine: Machine, sandbox: Sandbox) -> None:
    """A run that ends itself by SIGKILL when its rows are merged, before its state is kept."""
    done = subprocess.run(
        [
            *(sys.executable, "-c", KILLED_RUN, str(machine.database), str(machine.pipelines)),
            *(sandbox.environment_url, str(sandbox.ca_bundle)),
        ],
        env={**os.environ, **secrets_of(sandbox)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.usefixtures("impatient")
def test_a_run_that_was_killed_on_another_machine_holds_nobody_up(
    new_source: NewSource,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    one, two = Machine(tmp_path, "one"), Machine(tmp_path, "two")
    load(one.pipeline(), new_source())
    kill_a_run(two, sandbox)
    assert [mark.beat for mark in marks(one)] == [1]
    # What a run that was killed may leave: a row that was there is gone, and another one came.
    with one.pipeline().sql_client() as client:
        first, second = keys(sandbox)[:2]
        client.execute_sql("DELETE FROM accounts WHERE accountid = %s", first)
        client.execute_sql(
            "INSERT INTO accounts SELECT * REPLACE ('x' AS accountid) FROM accounts "
            "WHERE accountid = %s",
            second,
        )
    monkeypatch.setattr(running_mark, "DEAD_SECONDS", 0.5)
    load(one.pipeline(), new_source())
    assert "was killed" in caplog.text
    assert_equal(one.pipeline(), sandbox, "accounts")
    assert marks(one) == []


def test_a_run_that_was_killed_on_this_machine_holds_nobody_up(
    new_source: NewSource, sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = Machine(tmp_path, "one")
    load(one.pipeline(), new_source())
    sandbox.store.update("account", keys(sandbox)[0], {"name": "Changed"})
    kill_a_run(one, sandbox)
    assert len(marks(one)) == 1
    load(one.pipeline(), new_source())
    assert "sign of life" not in caplog.text
    assert_equal(one.pipeline(), sandbox, "accounts")
    assert marks(one) == []


@pytest.mark.usefixtures("impatient")
def test_a_killed_run_is_remembered_until_tables_are_compared(
    new_source: NewSource, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = Machine(tmp_path, "one"), Machine(tmp_path, "two")
    load(one.pipeline(), new_source())
    kill_a_run(two, sandbox)
    monkeypatch.setattr(running_mark, "DEAD_SECONDS", 0.5)
    broken = new_source()
    broken.accounts.add_map(lambda row: 1 / 0)
    sandbox.store.update("account", keys(sandbox)[0], {"name": "Changed"})
    with pytest.raises(DataverseError):
        load(one.pipeline(), broken)
    assert [mark.beat for mark in marks(one)] == [-1]
    monkeypatch.setattr(running_mark, "DEAD_SECONDS", 1000)
    load(one.pipeline(), new_source())
    assert marks(one) == []
    assert_equal(one.pipeline(), sandbox, "accounts")


@pytest.mark.usefixtures("impatient")
def test_a_run_that_seemed_to_be_killed_is_told(
    new_source: NewSource, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a machine that was suspended: its mark did not change, so another one has begun."""
    one, two = Machine(tmp_path, "one"), Machine(tmp_path, "two")
    load(one.pipeline(), new_source())
    sandbox.store.update("account", keys(sandbox)[0], {"name": "Changed"})
    monkeypatch.setattr(running_mark, "BEAT_SECONDS", 1000)
    monkeypatch.setattr(running_mark, "DEAD_SECONDS", 0.5)
    awake, told = threading.Event(), []

    def other() -> None:
        source = meanwhile(new_source(), awake.wait)
        with pytest.raises(PipelineError, match="Another run of pipeline test") as caught:
            load(two.pipeline(), source)
        told.append(caught.value)

    def begin() -> None:
        thread.start()
        while not any(mark.beat < 0 for mark in marks(one)):
            time.sleep(0.05)

    thread = threading.Thread(target=other)
    with pytest.raises(PipelineError, match="gave no sign of life"):
        load(one.pipeline(), meanwhile(new_source(), begin))
    awake.set()
    thread.join()
    assert len(told) == 1
    for machine in (two, one):
        load(machine.pipeline(), new_source())
        assert_equal(machine.pipeline(), sandbox, "accounts")
