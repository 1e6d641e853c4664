"""Several runs that load into one dataset at the same time: none loses what another one loads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dlt
import pytest
from dlt.extract import DltSource

from dataverse_source import load
from dataverse_source.errors import PipelineError
from dataverse_source.loading import running_mark
from dataverse_source.loading.own_staging import own_layout
from dataverse_source.sandbox import Sandbox
from tests.support.comparing import assert_equal
from tests.support.machines import Machine, meanwhile
from tests.support.requests_sent import keys

pytestmark = pytest.mark.slow

NewSource = Callable[..., DltSource]


@pytest.mark.parametrize("run", [load, dlt.Pipeline.run], ids=["load", "pipeline.run"])
def test_each_pipeline_has_a_staging_dataset(
    new_source: NewSource, sandbox: Sandbox, tmp_path: Path, run: Callable[..., Any]
) -> None:
    machine = Machine(tmp_path, "one")
    for name in ("one", "two", "one"):
        run(machine.pipeline(name), new_source())
        sandbox.store.update("account", keys(sandbox)[0], {"name": f"After {name}"})
        run(machine.pipeline(name), new_source())
    assert_equal(machine.pipeline("one"), sandbox, "accounts")
    with machine.pipeline("one").sql_client() as client:
        found = client.execute_sql("SELECT DISTINCT schema_name FROM information_schema.schemata")
    staging = {name for (name,) in found or () if "staging" in name}
    assert staging == {own_layout(name) % "dataverse" for name in ("one", "two")}


@pytest.mark.parametrize("place", ["destination", "configuration"])
def test_a_staging_dataset_that_is_set_is_used(
    new_source: NewSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    given = {"staging_dataset_name_layout": "%s_staging"}
    if place == "configuration":
        monkeypatch.setenv("DESTINATION__DUCKDB__STAGING_DATASET_NAME_LAYOUT", "%s_staging")
    pipeline = Machine(tmp_path, "one").pipeline(**(given if place == "destination" else {}))
    load(pipeline, new_source())
    with pipeline.destination_client() as client:
        assert client.sql_client.staging_dataset_name == "dataverse_staging"  # type: ignore[attr-defined]


def test_a_second_run_on_the_machine_is_refused(
    new_source: NewSource, sandbox: Sandbox, tmp_path: Path
) -> None:
    machine, refused = Machine(tmp_path, "one"), []

    def second() -> None:
        with pytest.raises(PipelineError, match="is running already") as caught:
            load(machine.pipeline(), new_source())
        refused.append(caught.value)

    load(machine.pipeline(), meanwhile(new_source(), second))
    assert len(refused) == 1
    assert_equal(machine.pipeline(), sandbox, "accounts")
    load(machine.pipeline(), new_source())


def test_a_run_on_another_machine_at_the_same_time_is_told(
    new_source: NewSource, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a destination that keeps no marks, the run that ends last is told."""
    monkeypatch.setattr(running_mark, "mark_table", lambda _: None)
    one, two = Machine(tmp_path, "one"), Machine(tmp_path, "two")
    load(one.pipeline(), new_source())
    sandbox.store.update("account", keys(sandbox)[0], {"name": "Changed"})
    other = meanwhile(new_source(), lambda: load(two.pipeline(), new_source()))
    with pytest.raises(PipelineError, match="Another run of pipeline test") as caught:
        load(one.pipeline(), other)
    assert "Run again" in str(caught.value.remedy)
    for machine in (two, one):
        load(machine.pipeline(), new_source())
        assert_equal(machine.pipeline(), sandbox, "accounts")


def test_rows_that_two_pipelines_have_merged_at_once(
    new_source: NewSource, sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    machine = Machine(tmp_path, "one")
    load(machine.pipeline(), new_source())
    sandbox.store.update("account", keys(sandbox)[0], {"name": "Changed"})

    def other() -> None:  # what two transactions leave that do not see each other's rows
        load(machine.pipeline("other"), new_source("contacts"))
        with machine.pipeline().sql_client() as client:
            insert = "INSERT INTO accounts SELECT * FROM accounts WHERE accountid <> %s LIMIT 3"
            client.execute_sql(insert, keys(sandbox)[0])

    with pytest.raises(PipelineError, match="3 rows of accounts are there twice"):
        load(machine.pipeline(), meanwhile(new_source(), other))
    load(machine.pipeline(), new_source())
    assert "accounts: 3 of its rows were there twice; all its rows are read again" in caplog.text
    assert_equal(machine.pipeline(), sandbox, "accounts")
