"""Long reads in several load packages, tables that fail, runs that were interrupted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dlt
import pytest

from dataverse_source import ProtocolError, TablesFailedError, dataverse, load
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.switches import Switches
from tests.support.comparing import assert_equal, destination_rows
from tests.support.requests_sent import keys, queries, read, state

pytestmark = pytest.mark.slow

Run = Callable[..., Any]
NewPipeline = Callable[[], dlt.Pipeline]
LoadPlain = Callable[..., dlt.Pipeline]


@pytest.fixture
def run_plain(
    sandbox: Sandbox, credentials: DataverseCredentials, new_pipeline: NewPipeline
) -> LoadPlain:
    """One `pipeline.run`, as a script without `load` does it."""

    def once(*tables: str, **settings: Any) -> dlt.Pipeline:
        source = dataverse(
            environment_url=sandbox.environment_url,
            tables=list(tables or ("accounts",)),
            credentials=credentials,
            ca_bundle=sandbox.ca_bundle,
            **settings,
        )
        sandbox.requests.clear()
        pipeline = new_pipeline()
        pipeline.run(source)
        return pipeline

    return once


@pytest.mark.parametrize("sync", ["changes", "cursor", "full"])
def test_packages_add_up_to_the_table(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, sync: str
) -> None:
    some = iter(keys(sandbox))

    def change() -> None:
        sandbox.store.update("account", next(some), {"name": "Meanwhile"})
        sandbox.store.delete("account", next(some))
        sandbox.store.create("account", {"name": "New"})

    sandbox.hooks.on(r"/accounts\?.*skiptoken", change, times=3)
    settings = {"sync": sync, "page_size": 10, "max_rows_per_load": 20, "sweep_interval": 0}
    run(**settings)
    assert sandbox.hooks.ran == 3
    if sync != "full":
        run(**settings)
        assert_equal(new_pipeline(), sandbox, "accounts")
    with new_pipeline().sql_client() as client:
        loads = client.execute_sql("SELECT count(*) FROM _dlt_loads")
    assert loads is not None
    assert loads[0][0] >= 3


def test_a_plain_run_goes_one_package_further_and_says_so(
    run_plain: LoadPlain,
    sandbox: Sandbox,
    new_pipeline: NewPipeline,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = {"page_size": 10, "max_rows_per_load": 20}
    counts = []
    for _ in range(4):
        pipeline = run_plain(**settings)
        counts.append(len(destination_rows(pipeline, "accounts", "accountid")))
    assert counts == [20, 40, 60, 60]
    told = [one for one in caplog.messages if "accounts is not complete" in one]
    assert len(told) == 2  # as long as rows are missing
    assert_equal(new_pipeline(), sandbox, "accounts")
    assert "more" not in state(new_pipeline())


@pytest.mark.parametrize("code", ["0x80041129", "0x8004112A"])
def test_a_next_link_that_has_expired_starts_the_table_again(
    run_plain: LoadPlain, sandbox: Sandbox, new_pipeline: NewPipeline, code: str
) -> None:
    sandbox.switches = Switches().changed(skiptoken_expiry=code)
    settings = {"page_size": 10, "max_rows_per_load": 20}
    run_plain(**settings)
    sandbox.store.delete("account", keys(sandbox)[0])
    sandbox.clock.advance(5000)
    for _ in range(5):
        run_plain(**settings)
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_a_full_read_of_a_table_with_rows_never_empties_it(
    run: Run, run_plain: LoadPlain, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run()
    for key in keys(sandbox)[:15]:
        sandbox.store.delete("account", key)
    sandbox.clock.advance(8 * 86400)
    settings = {"page_size": 10, "max_rows_per_load": 20}
    for _ in range(4):
        pipeline = run_plain(**settings)
        assert len(destination_rows(pipeline, "accounts", "accountid")) >= 45
    assert len(assert_equal(new_pipeline(), sandbox, "accounts")) == 45


def test_a_table_that_fails_leaves_the_others_loaded(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run("accounts", "contacts", "systemusers")
    before = destination_rows(new_pipeline(), "contacts", "contactid")
    for name, key in (("account", "accountid"), ("contact", "contactid")):
        for row in sandbox.store.rows(name)[:30]:
            values = {"lastname" if name == "contact" else "name": "Changed"}
            sandbox.store.update(name, row[key], values)
    sandbox.faults.plan("no_value", path=r"/contacts\?.*skiptoken", times=1000)
    with pytest.raises(TablesFailedError, match="1 of 3") as error:
        run("accounts", "contacts", "systemusers", page_size=10)
    sandbox.faults.clear()
    assert list(error.value.failures) == ["contacts"]
    assert isinstance(error.value.failures["contacts"], ProtocolError)
    assert_equal(new_pipeline(), sandbox, "accounts")
    assert destination_rows(new_pipeline(), "contacts", "contactid") == before
    run("accounts", "contacts", "systemusers")
    assert_equal(new_pipeline(), sandbox, "contacts")


def test_a_table_that_may_not_be_read_beside_others(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    sandbox.users.change(sandbox.client_id, readable_tables=frozenset({"account"}))
    with pytest.raises(TablesFailedError, match="prvReadContact"):
        run("accounts", "contacts")
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_patterns_load_what_they_stand_for(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    report = run("acc*s", "contact", table_settings={"accounts": {"sync": "full"}})
    names = {table.name for table in report.tables}
    assert {"accounts", "contacts"} <= names
    assert read(report, "accounts") == 60
    assert_equal(new_pipeline(), sandbox, "contacts")
    assert not any("track" in one for one in queries(sandbox))


def test_a_package_left_behind_is_loaded_first(
    run: Run,
    sandbox: Sandbox,
    credentials: DataverseCredentials,
    new_pipeline: NewPipeline,
) -> None:
    run()
    sandbox.store.update("account", keys(sandbox)[0], {"name": "Extracted only"})
    source = dataverse(
        environment_url=sandbox.environment_url,
        tables=["accounts"],
        credentials=credentials,
        ca_bundle=sandbox.ca_bundle,
    )
    new_pipeline().extract(source)
    sandbox.store.delete("account", keys(sandbox)[1])
    run()
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_a_package_left_behind_is_dropped_when_another_schedule_has_loaded_since(
    sandbox: Sandbox, credentials: DataverseCredentials, tmp_path: Any
) -> None:
    def schedule(name: str) -> dlt.Pipeline:
        return dlt.pipeline(
            "test",
            destination=dlt.destinations.duckdb(str(tmp_path / "test.duckdb")),
            dataset_name="dataverse",
            pipelines_dir=str(tmp_path / name),
        )

    def source() -> Any:
        return dataverse(
            environment_url=sandbox.environment_url,
            tables=["accounts"],
            credentials=credentials,
            ca_bundle=sandbox.ca_bundle,
        )

    load(schedule("a"), source())
    key = keys(sandbox)[0]
    sandbox.store.update("account", key, {"name": "Old"})
    interrupted = schedule("a")
    interrupted.extract(source())
    sandbox.store.update("account", key, {"name": "New"})
    load(schedule("b"), source())
    load(schedule("a"), source())
    assert_equal(schedule("a"), sandbox, "accounts")
    load(schedule("b"), source())
    rows = assert_equal(schedule("b"), sandbox, "accounts")
    assert rows[key]["name"] == "New"
