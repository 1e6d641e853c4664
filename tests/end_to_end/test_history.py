"""Tables with their history: each version of a row that a run has seen, from when to when."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import dlt
import pytest
from dlt.common.storages import load_package

from dataverse_source import ConfigurationError, DataverseError, dataverse, load
from dataverse_source.client import client as client_module
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.schema import schema_changes
from dataverse_source.sandbox.schema.tables import Column
from dataverse_source.sync.write.destination import VALID_TO
from dataverse_source.sync.write.history import VALID_FROM
from tests.support.comparing import assert_equal
from tests.support.loads import NewSource
from tests.support.requests_sent import keys, read
from tests.support.settings import secrets_of
from tests.support.versions import (
    Story,
    Versions,
    assert_begun,
    assert_in_order,
    assert_nothing_lost,
    assert_one_step,
    assert_present,
    versions,
)

pytestmark = pytest.mark.slow

SEEDS = int(os.environ.get("DATAVERSE_HISTORY_SEEDS", "1"))
"""Random histories of each kind; a machine that has the time may look at more."""

RUNS = 6

Run = Callable[..., Any]
NewPipeline = Callable[[], dlt.Pipeline]


@pytest.mark.parametrize("sync", ["changes", "cursor", "full"])
def test_versions_are_kept_from_when_to_when(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, sync: str
) -> None:
    once = functools.partial(run, sync=sync, history=True, sweep_interval=0)
    once()
    changed, deleted = keys(sandbox)[:2]
    first = versions(new_pipeline())
    assert {len(rows) for rows in first.values()} == {1}
    sandbox.store.update("account", changed, {"name": "Second"})
    sandbox.store.delete("account", deleted)
    new = sandbox.store.create("account", {"name": "New"})
    once()
    sandbox.store.update("account", changed, {"name": "Third"})
    sandbox.store.create("account", {"accountid": deleted, "name": "Again"})
    once()
    once()
    found = versions(new_pipeline())
    assert_present(found, sandbox)
    assert_in_order(found)
    assert [row["name"] for row in found[changed]] == [
        first[changed][0]["name"],
        "Second",
        "Third",
    ]
    one, two, three = found[changed]
    assert one[VALID_TO] == two[VALID_FROM]
    assert two[VALID_TO] == three[VALID_FROM]
    gone, again = found[deleted]
    assert gone[VALID_TO] == one[VALID_TO]
    assert again[VALID_FROM] == three[VALID_FROM]
    assert len(found[new]) == 1
    untouched = {key: rows for key, rows in found.items() if key not in (changed, deleted, new)}
    assert untouched == {key: first[key] for key in untouched}


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize(
    ("sync", "numbered"),
    [("changes", True), ("cursor", True), ("cursor", False), ("full", True)],
    ids=["changes", "cursor", "cursor without versionnumber", "full"],
)
def test_random_histories(
    run: Run,
    sandbox: Sandbox,
    credentials: DataverseCredentials,
    new_pipeline: NewPipeline,
    sync: str,
    numbered: bool,
    seed: int,
) -> None:
    story = Story(sandbox, random.Random(f"{seed} {sync} {numbered}"))
    if not numbered:
        without = schema_changes.without_column(sandbox.store.schema, "account", "versionnumber")
        sandbox.store.change_schema(without)
    settings: dict[str, Any] = {
        "sync": sync,
        "history": True,
        "sweep_interval": 0,
        "page_size": 7,
        "max_rows_per_load": story.random.choice([None, 20]),
        "table_settings": {"accounts": {"select": ["name", "revenue", "statecode"]}},
    }
    before: Versions = {}
    for number in range(RUNS):
        story.change()
        kind = story.random.choice(["quiet", "quiet", "meanwhile", "fault", "extracted only"])
        if number in (0, RUNS - 1):
            kind = "quiet"
        if kind == "meanwhile":
            sandbox.hooks.on(r"/accounts\?", story.change, nth=story.random.randint(1, 3), times=2)
        if kind == "fault":
            skip = story.random.randint(0, 6)
            sandbox.faults.plan("no_value", path=r"/accounts\?", skip=skip)
        if kind == "extracted only":
            new_pipeline().extract(
                dataverse(
                    environment_url=sandbox.environment_url,
                    tables=["accounts"],
                    credentials=credentials,
                    ca_bundle=sandbox.ca_bundle,
                    **settings,
                )
            )
            story.change()
        with contextlib.suppress(DataverseError):
            run(**settings)
        sandbox.hooks.clear()
        sandbox.faults.clear()
        after = versions(new_pipeline())
        assert_nothing_lost(before, after)
        assert_in_order(after)
        story.assert_seen(after)
        if kind == "quiet":
            assert_present(after, sandbox)
            assert_one_step(before, after)
        before = after


KILLED = """
import json, os, signal, sys
import dlt
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
from dataverse_source import dataverse, load

given = json.loads(sys.argv[1])
left = given["statements"]
execute = DuckDbSqlClient.execute_query

def counted(self, *args, **named):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return execute(self, *args, **named)

DuckDbSqlClient.execute_query = counted
pipeline = dlt.pipeline(
    "test",
    destination=dlt.destinations.duckdb(given["database"]),
    dataset_name="dataverse",
    pipelines_dir=given["pipelines"],
)
load(pipeline, dataverse(**given["settings"]))
"""


def test_processes_killed_while_they_load(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, tmp_path: Path
) -> None:
    run(history=True)
    story = Story(sandbox, random.Random(1))
    secrets = secrets_of(sandbox)
    given = {
        "database": str(tmp_path / "test.duckdb"),
        "pipelines": str(tmp_path / "pipelines"),
        "settings": {
            "environment_url": sandbox.environment_url,
            "tables": ["accounts"],
            "ca_bundle": sandbox.ca_bundle,
            "history": True,
        },
    }
    before, kills = versions(new_pipeline()), 0
    for statements in (8, 16, 24, 32, 40):
        story.change()
        process = subprocess.run(
            [sys.executable, "-c", KILLED, json.dumps({**given, "statements": statements})],
            env={**os.environ, **secrets},
            capture_output=True,
            text=True,
            timeout=300,
        )
        kills += process.returncode == -signal.SIGKILL
        assert process.returncode in (0, -signal.SIGKILL), process.stderr
    assert kills
    run(history=True)
    after = versions(new_pipeline())
    assert_nothing_lost(before, after)
    assert_in_order(after)
    story.assert_seen(after)
    assert_present(after, sandbox)


def test_a_table_that_was_loaded_without_its_history_begins_one(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run()
    changed, deleted, *_ = keys(sandbox)
    sandbox.store.delete("account", deleted)
    run(history=True)
    assert_begun(run, sandbox, new_pipeline, changed)


def test_a_history_is_not_lost_by_a_setting(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run(history=True)
    before = versions(new_pipeline())
    with pytest.raises(ConfigurationError, match="holds a history"):
        run()
    assert versions(new_pipeline()) == before


def test_a_history_keeps_deleted_rows_anyway(run: Run) -> None:
    with pytest.raises(ConfigurationError, match="deletes = 'keep'"):
        run(history=True, deletes="keep")


def test_elastic_tables_have_no_history(run: Run) -> None:
    with pytest.raises(ConfigurationError, match="elastic"):
        run("new_sensorreadings", history=True)


def test_destinations_that_would_append_versions_are_refused(
    sandbox: Sandbox, credentials: DataverseCredentials, tmp_path: Path
) -> None:
    pipeline = dlt.pipeline(
        "test",
        destination=dlt.destinations.filesystem((tmp_path / "files").as_uri()),
        dataset_name="dataverse",
        pipelines_dir=str(tmp_path / "pipelines"),
    )
    source = dataverse(
        environment_url=sandbox.environment_url,
        tables=["accounts"],
        credentials=credentials,
        ca_bundle=sandbox.ca_bundle,
        history=True,
    )
    with pytest.raises(ConfigurationError, match="at this destination"):
        load(pipeline, source)


def test_a_row_that_is_read_again_is_no_new_version(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    settings = {"sync": "cursor", "history": True, "lookback_seconds": 3600}
    sandbox.store.create("account", {"name": "Just now"})
    run(**settings)
    before = versions(new_pipeline())
    assert read(run(**settings)) >= 1
    assert versions(new_pipeline()) == before


def test_a_new_column_makes_new_versions_of_rows_with_a_value_only(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run(history=True)
    column = Column("new_extra", "String")
    sandbox.store.change_schema(schema_changes.with_column(sandbox.store.schema, "account", column))
    changed, *_ = keys(sandbox)
    sandbox.store.update("account", changed, {"new_extra": "Value"})
    run(history=True)
    found = versions(new_pipeline())
    assert {key for key, rows in found.items() if len(rows) > 1} == {changed}
    assert_present(found, sandbox)


def test_all_rows_read_again_after_a_token_has_expired(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run(history=True)
    changed, deleted, *_ = keys(sandbox)
    sandbox.clock.advance(8 * 86400)
    sandbox.store.update("account", changed, {"name": "Second"})
    sandbox.store.delete("account", deleted)
    run(history=True)
    found = versions(new_pipeline())
    assert_present(found, sandbox)
    assert {key for key, rows in found.items() if len(rows) > 1} == {changed}
    assert found[deleted][0][VALID_TO] is not None


def test_labels_and_other_tables_beside_it(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    given = {"table_settings": {"accounts": {"history": True, "labels": True}}}
    run("accounts", "contacts", **given)
    assert len({rows[0][VALID_FROM] for rows in versions(new_pipeline()).values()}) == 1
    changed, *_ = keys(sandbox)
    sandbox.store.update("account", changed, {"name": "Second"})
    sandbox.store.update("contact", keys(sandbox, "contact")[0], {"lastname": "Second"})
    run("accounts", "contacts", **given)
    found = versions(new_pipeline())
    assert len(found[changed]) == 2
    assert found[changed][1]["statecodename"] == "Active"
    assert_equal(new_pipeline(), sandbox, "contacts")


class _Shifted(datetime):
    """The clock of a machine."""

    ahead = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + cls.ahead


def test_machines_whose_clocks_are_a_day_apart_load_in_turn(
    sandbox: Sandbox, new_source: NewSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Versions begin and end by Dataverse's clock."""
    monkeypatch.setattr(client_module, "datetime", _Shifted)
    times = iter(range(1, 1000))
    monkeypatch.setattr(
        load_package,
        "increasing_precise_time",
        lambda: time.time() + _Shifted.ahead.total_seconds() + next(times) / 1000,
    )
    key = keys(sandbox)[0]
    pipeline = None
    for number, (name, days) in enumerate([("a", 1), ("b", 0), ("a", 1), ("a", 0), ("b", -1)]):
        monkeypatch.setattr(_Shifted, "ahead", timedelta(days=days))
        sandbox.store.update("account", key, {"name": f"Version {number}"})
        pipeline = dlt.pipeline(
            "test",
            destination=dlt.destinations.duckdb(str(tmp_path / "test.duckdb")),
            dataset_name="dataverse",
            pipelines_dir=str(tmp_path / name),
        )
        load(pipeline, new_source(history=True))
        sandbox.clock.advance(60)
    assert pipeline is not None
    found = versions(pipeline)
    assert_in_order(found)
    assert_present(found, sandbox)
    assert [row["name"] for row in found[key]] == [f"Version {number}" for number in range(5)]
    begun = [row[VALID_FROM] for row in found[key]]
    assert all(
        timedelta(seconds=55) < later - one < timedelta(seconds=120)
        for one, later in itertools.pairwise(begun)
    )
