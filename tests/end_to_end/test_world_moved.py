"""The destination or the environment is not the one of the last run: tables are read in full."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import dlt
import pytest

from dataverse_source import OtherEnvironmentError, dataverse, load
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.schema.schema_changes import without_column
from tests.support.comparing import assert_equal, destination_rows
from tests.support.loads import NewPipeline, NewSource, Run
from tests.support.requests_sent import keys, queries
from tests.support.settings import credentials_of

pytestmark = pytest.mark.slow


def change_one(sandbox: Sandbox, number: int = 0) -> None:
    sandbox.store.update("account", keys(sandbox)[number], {"name": f"Changed {number}"})


def execute(pipeline: dlt.Pipeline, sql: str) -> None:
    with pipeline.sql_client() as client:
        client.execute_sql(sql)


@pytest.mark.parametrize("sync", ["changes", "cursor"])
@pytest.mark.parametrize(
    ("deed", "said"),
    [
        ("DROP TABLE dataverse.accounts", "it has 0 rows in the destination instead of 60"),
        ("DELETE FROM dataverse.accounts", "it has 0 rows in the destination instead of 60"),
        (
            "DELETE FROM dataverse.accounts WHERE accountid ="
            " (SELECT MIN(accountid) FROM dataverse.accounts)",
            "it has 59 rows in the destination instead of 60",
        ),
        ("ALTER TABLE dataverse.accounts DROP COLUMN telephone1", "columns of it are missing"),
    ],
    ids=["dropped", "emptied", "a row deleted", "a column dropped"],
)
def test_a_loaded_table_is_changed_by_hand(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, caplog: pytest.LogCaptureFixture,
    sync: str, deed: str, said: str,
) -> None:  # fmt: skip
    run("accounts", sync=sync)
    execute(new_pipeline(), deed)
    change_one(sandbox, -1)
    run("accounts", sync=sync)
    assert_equal(new_pipeline(), sandbox, "accounts")
    assert f"accounts: {said}" in caplog.text
    run("accounts", sync=sync)
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_a_run_without_any_such_change_reads_only_changes(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    for _ in range(2):
        run("accounts", "contacts")
    change_one(sandbox)
    run("accounts", "contacts")
    assert not any("orderby" in one for one in queries(sandbox))
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_the_destination_is_restored_from_a_backup(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    run()
    backup = tmp_path / "backup"
    shutil.copy(tmp_path / "test.duckdb", backup)
    change_one(sandbox)
    run()
    shutil.copy(backup, tmp_path / "test.duckdb")
    run()
    assert_equal(new_pipeline(), sandbox, "accounts")
    assert "the destination is not as the last run left it" in caplog.text


@pytest.fixture
def host(
    sandbox: Sandbox, credentials: DataverseCredentials, tmp_path: Path
) -> Callable[[str], tuple[dlt.Pipeline, Any]]:
    """A pipeline and a source of a machine; all machines load into one database."""

    def made(name: str) -> tuple[dlt.Pipeline, Any]:
        pipeline = dlt.pipeline(
            "test",
            destination=dlt.destinations.duckdb(str(tmp_path / "test.duckdb")),
            dataset_name="dataverse",
            pipelines_dir=str(tmp_path / name),
        )
        source = dataverse(
            environment_url=sandbox.environment_url,
            tables=["accounts"],
            credentials=credentials,
            ca_bundle=sandbox.ca_bundle,
        )
        return pipeline, source

    return made


def test_two_machines_in_turn_read_only_changes(
    sandbox: Sandbox, host: Callable[[str], tuple[dlt.Pipeline, Any]]
) -> None:
    for name in ("a", "b", "a", "b"):
        sandbox.requests.clear()
        change_one(sandbox)
        load(*host(name))
        assert_equal(host(name)[0], sandbox, "accounts")
        assert any("orderby" in one for one in queries(sandbox)) == (len(sandbox.requests) > 20)


def test_a_machine_that_loads_older_rows_later(
    sandbox: Sandbox, host: Callable[[str], tuple[dlt.Pipeline, Any]]
) -> None:
    load(*host("a"))
    load(*host("b"))
    key = keys(sandbox)[0]
    sandbox.store.update("account", key, {"name": "Old"})
    suspended, source = host("b")
    suspended.extract(source)
    suspended.normalize()
    sandbox.store.update("account", key, {"name": "New"})
    load(*host("a"))
    suspended.activate()
    suspended.load()
    load(*host("a"))
    rows = assert_equal(host("a")[0], sandbox, "accounts")
    assert rows[key]["name"] == "New"


@pytest.mark.parametrize("sync", ["changes", "cursor"])
def test_another_environment_at_the_same_address(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, caplog: pytest.LogCaptureFixture,
    sync: str,
) -> None:  # fmt: skip
    run(sync=sync)
    sandbox.copy_over(rows={"account": 80}, seed=7)
    run(sync=sync)
    assert len(assert_equal(new_pipeline(), sandbox, "accounts")) == 80
    assert "accounts: the environment is another one than before" in caplog.text


@pytest.mark.parametrize("overtaken", [False, True])
@pytest.mark.parametrize("by", ["changes", "modifiedon", "versionnumber", "full"])
def test_the_environment_is_restored(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, by: str, overtaken: bool
) -> None:
    """Version numbers are counted again, and may be higher than the last run's by now."""
    settings = {"sync": "cursor" if by in ("modifiedon", "versionnumber") else by}
    if by == "versionnumber":
        without = without_column(sandbox.store.schema, "account", "modifiedon")
        sandbox.store.change_schema(without)
    sandbox.back_up("monday")
    change_one(sandbox, 0)
    sandbox.store.delete("account", keys(sandbox)[5])
    sandbox.store.create("account", {"name": "Of Tuesday"})
    change_one(sandbox, 1)
    run(**settings)
    sandbox.clock.advance(3600)
    sandbox.restore("monday")
    for number in range(20 if overtaken else 0):
        change_one(sandbox, 10 + number)
    run(**settings)
    assert len(assert_equal(new_pipeline(), sandbox, "accounts")) == 60
    change_one(sandbox, 2)
    run(**settings)
    assert len(assert_equal(new_pipeline(), sandbox, "accounts")) == 60


@pytest.mark.parametrize("sync", ["changes", "cursor"])
@pytest.mark.parametrize("newest", ["changed again", "deleted"])
def test_the_newest_row_of_a_restored_environment_says_nothing(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, sync: str, newest: str
) -> None:
    """As many numbers have been given again as the last run knew."""
    sandbox.back_up("monday")
    sandbox.store.create("account", {"name": "Of Tuesday"})
    for number in range(10):
        change_one(sandbox, number)
    run(sync=sync)
    sandbox.clock.advance(3600)
    sandbox.restore("monday")
    key = keys(sandbox)[9]
    for number in range(10, 40):
        change_one(sandbox, number)
    if newest == "deleted":
        sandbox.store.delete("account", key)
    else:
        sandbox.store.update("account", key, {"name": "Changed again"})
    run(sync=sync)
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_a_row_that_is_dated_by_hand_has_its_table_compared_once_at_most(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, caplog: pytest.LogCaptureFixture
) -> None:
    later = sandbox.clock.now() + timedelta(hours=2)
    key = keys(sandbox)[0]
    sandbox.store.update("account", key, {"name": "Of the future"}, modified_on=later)
    for _ in range(4):
        run()
        sandbox.clock.advance(3600)
        assert_equal(new_pipeline(), sandbox, "accounts")
    assert caplog.text.count("all its rows are compared") <= 1
    assert "read again" not in caplog.text


def test_other_tables_of_a_restored_environment_are_compared(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.back_up("monday")
    sandbox.store.delete("contact", keys(sandbox, "contact")[3])
    change_one(sandbox)
    run("accounts", "contacts", sync="cursor")
    sandbox.restore("monday")
    run("accounts", "contacts", sync="cursor")
    assert "restored from a backup; all its rows are read again" in caplog.text
    assert len(assert_equal(new_pipeline(), sandbox, "contacts")) == 40


def test_a_newest_row_that_was_deleted_is_no_restored_environment(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, caplog: pytest.LogCaptureFixture
) -> None:
    key = sandbox.store.create("account", {"name": "Newest"})
    run(sync="cursor")
    sandbox.store.delete("account", key)
    run(sync="cursor")
    assert "read again" not in caplog.text
    assert len(assert_equal(new_pipeline(), sandbox, "accounts")) == 60
    run(sync="cursor")
    assert not any("$select=accountid,versionnumber" in one for one in queries(sandbox))


ALTERED = (
    "UPDATE dataverse.accounts SET name = 'Yesterday', versionnumber = versionnumber - 1"
    " WHERE accountid < '8'"
)
"""Leaves the number of rows as it is."""


@pytest.mark.parametrize("sync", ["changes", "cursor"])
def test_a_working_folder_that_is_lost_does_not_know_the_destination(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, tmp_path: Path,
    caplog: pytest.LogCaptureFixture, sync: str,
) -> None:  # fmt: skip
    run(sync=sync)
    execute(new_pipeline(), ALTERED)
    shutil.rmtree(tmp_path / "pipelines")
    run(sync=sync)
    assert "this working folder is new, or was lost; all its rows are compared" in caplog.text
    assert_equal(new_pipeline(), sandbox, "accounts")
    assert not any("orderby" in one for one in queries(sandbox))
    run(sync=sync)
    assert caplog.text.count("are compared") == 1


def test_another_machine_has_run_the_pipeline(
    sandbox: Sandbox, host: Callable[[str], tuple[dlt.Pipeline, Any]]
) -> None:
    load(*host("a"))
    load(*host("b"))
    execute(host("b")[0], ALTERED)
    load(*host("a"))
    assert_equal(host("a")[0], sandbox, "accounts")


def test_two_pipelines_load_one_table(
    sandbox: Sandbox, new_source: NewSource, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def made(name: str) -> dlt.Pipeline:
        return dlt.pipeline(
            name,
            destination=dlt.destinations.duckdb(str(tmp_path / "test.duckdb")),
            dataset_name="dataverse",
            pipelines_dir=str(tmp_path / name),
        )

    load(made("one"), new_source("accounts", sync="cursor"))
    load(made("two"), new_source("accounts", "contacts", sync="cursor"))
    load(made("one"), new_source("accounts", sync="cursor"))
    change_one(sandbox)
    execute(made("two"), ALTERED)  # as a run of "two" may leave rows
    load(made("two"), new_source("accounts", "contacts", sync="cursor"))
    caplog.clear()
    load(made("one"), new_source("accounts", sync="cursor"))
    assert "accounts: pipeline two loads it too" in caplog.text
    assert_equal(made("one"), sandbox, "accounts")
    load(made("three"), new_source("leads"))
    caplog.clear()
    load(made("one"), new_source("accounts", sync="cursor"))
    assert "are compared" not in caplog.text


def test_two_environments_do_not_meet_in_one_dataset(
    sandbox: Sandbox, new_source: NewSource, new_pipeline: NewPipeline, tmp_path: Path
) -> None:
    def two(dataset: str) -> dlt.Pipeline:
        return dlt.pipeline(
            "two",
            destination=dlt.destinations.duckdb(str(tmp_path / "test.duckdb")),
            dataset_name=dataset,
            pipelines_dir=str(tmp_path / dataset),
        )

    load(new_pipeline(), new_source("accounts"))
    with Sandbox(rows={"account": 30, "contact": 5}, seed=2) as other:
        other.copy_over(rows={"account": 30, "contact": 5}, seed=2)
        settings = {
            "environment_url": other.environment_url,
            "credentials": credentials_of(other),
            "ca_bundle": other.ca_bundle,
        }
        said = f"test loads {sandbox.environment_url}"
        for tables in (["accounts"], ["accounts", "contacts"]):
            with pytest.raises(OtherEnvironmentError, match=said):
                load(two("dataverse"), new_source(*tables, **settings))
        assert_equal(new_pipeline(), sandbox, "accounts")
        load(two("second"), new_source("accounts", **settings))
        assert_equal(two("second"), other, "accounts")
    load(new_pipeline(), new_source("accounts"))
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_a_role_is_narrowed_and_widened_again(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, caplog: pytest.LogCaptureFixture
) -> None:
    """Rows vanish and appear without a change; more than a comparison reads by key."""
    settings = {"sync": "cursor", "max_deletes": 1}
    run(**settings)
    user = sandbox.users.of_client(sandbox.client_id)
    assert user is not None
    own = sum(row["ownerid"] == user.user_id for row in sandbox.store.rows("account"))
    for depth, rows in (("user", own), ("organization", 60)):
        sandbox.users.change(sandbox.client_id, read_depths={"account": depth})
        run(**settings)
        assert len(destination_rows(new_pipeline(), "accounts", "accountid")) == rows
    assert_equal(new_pipeline(), sandbox, "accounts")
    assert caplog.text.count("read privileges have changed; all its rows are compared") == 2


def test_a_table_that_the_next_run_leaves_out_is_read_again_later(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run("accounts", "contacts")
    execute(new_pipeline(), "DELETE FROM dataverse.contacts")
    run("accounts")
    run("accounts", "contacts")
    assert len(assert_equal(new_pipeline(), sandbox, "contacts")) == 40


@pytest.mark.parametrize("sync", ["changes", "cursor"])
@pytest.mark.parametrize("whole", [True, False], ids=["all of it", "one table"])
def test_a_backup_that_only_brings_deleted_rows_back(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, tmp_path: Path,
    caplog: pytest.LogCaptureFixture, sync: str, whole: bool,
) -> None:  # fmt: skip
    """Nothing else tells the backup from the present: no row has changed since."""
    run(sync=sync)
    run(sync=sync)
    backup = tmp_path / "backup"
    shutil.copy(tmp_path / "test.duckdb", backup)
    execute(new_pipeline(), "CREATE TABLE dataverse.backup AS FROM dataverse.accounts")
    for key in keys(sandbox)[:3]:
        sandbox.store.delete("account", key)
    run(sync=sync, reconcile_interval=0)
    assert len(assert_equal(new_pipeline(), sandbox, "accounts")) == 57
    if whole:
        shutil.copy(backup, tmp_path / "test.duckdb")
        said = "the destination is not as the last run left it"
    else:
        execute(new_pipeline(), "DELETE FROM dataverse.accounts")
        execute(new_pipeline(), "INSERT INTO dataverse.accounts FROM dataverse.backup")
        said = "it has 60 rows in the destination instead of 57"
    run(sync=sync)
    assert said in caplog.text
    assert len(assert_equal(new_pipeline(), sandbox, "accounts")) == 57
