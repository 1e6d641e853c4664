"""Histories that a search, or a thought, has found: each went wrong once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dlt
import pytest
from dlt.common.storages import PackageStorage

from dataverse_source import ConfigurationError, PipelineError, dataverse
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.api.faults import Fault
from dataverse_source.sandbox.schema.schema_changes import with_column, without_column
from dataverse_source.sandbox.schema.tables import Column
from dataverse_source.sandbox.switches import Switches
from dataverse_source.sandbox.writes import upkeep
from tests.support.comparing import assert_equal, destination_rows
from tests.support.requests_sent import keys, queries, read, state

pytestmark = pytest.mark.slow

Run = Callable[..., Any]
NewPipeline = Callable[[], dlt.Pipeline]

COMMIT_ORDERS = ["tokens_guarded", "unguarded"]


def run_later(run: Run, sandbox: Sandbox, *tables: str) -> None:
    """Two runs: what a transaction has left open is read again when a lookback has passed."""
    run(*tables)
    sandbox.clock.advance(400)
    run(*tables)


@pytest.mark.parametrize("order", COMMIT_ORDERS)
def test_rows_that_are_committed_after_a_delta_link_was_given(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, order: str
) -> None:
    sandbox.switches = Switches().changed(version_commit_order=order)
    store = sandbox.store
    run()
    for _ in range(2):
        key, began = keys(sandbox)[0], store.clock.now()
        versions = [store.reserve_version() for _ in range(2)]
        store.update("account", keys(sandbox)[1], {"name": "On time"})
        run()
        changed = {"name": f"Late {versions[0]}"}
        store.update("account", key, changed, modified_on=began, version=versions[0])
        store.create("account", {"name": "New"}, created_on=began, version=versions[1])
        run_later(run, sandbox)
        assert_equal(new_pipeline(), sandbox, "accounts")


@pytest.mark.parametrize("order", COMMIT_ORDERS)
def test_pairs_that_are_committed_after_a_delta_link_was_given(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, order: str
) -> None:
    sandbox.switches = Switches().changed(version_commit_order=order)
    store = sandbox.store
    leads = [store.create("lead", {"subject": f"Lead {number}"}) for number in range(3)]
    account = keys(sandbox)[0]
    store.create("accountleads", {"accountid": account, "leadid": leads[0]})
    run("accountleadscollection")
    version = store.reserve_version()
    store.create("accountleads", {"accountid": account, "leadid": leads[1]})
    run("accountleadscollection")
    store.create("accountleads", {"accountid": account, "leadid": leads[2]}, version=version)
    run_later(run, sandbox, "accountleadscollection")
    assert_equal(new_pipeline(), sandbox, "accountleadscollection")


def test_delta_links_that_are_refused_as_soon_as_they_are_given(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run()
    store = sandbox.store
    store.reserve_version()  # while it is open, no delta link is newer than it
    store.change_schema(with_column(store.schema, "account", Column("new_extra", "String")))
    store.create("account", {"name": "New", "new_extra": "More"})
    sandbox.faults.plan(Fault("redirect"), skip=100, times=10_000)  # it would go on without an end
    for _ in range(2):
        run()
        assert_equal(new_pipeline(), sandbox, "accounts")
        assert "refuses the delta links" in state(new_pipeline())["refusal"]
        store.update("account", keys(sandbox)[0], {"new_extra": "Changed"})
    with store.transaction() as connection:
        connection.execute("DELETE FROM reserved")
    sandbox.clock.advance(25 * 3600)
    run()
    assert_equal(new_pipeline(), sandbox, "accounts")
    assert state(new_pipeline())["mode"] == "changes"
    assert "refused_links" not in state(new_pipeline())


def test_rows_that_changed_after_an_interrupted_run_has_read_them_in_full(
    run: Run,
    sandbox: Sandbox,
    credentials: DataverseCredentials,
    new_pipeline: NewPipeline,
) -> None:
    settings: dict[str, Any] = {"sync": "full", "page_size": 10, "max_rows_per_load": 20}
    source = dataverse(
        environment_url=sandbox.environment_url,
        tables=["accounts"],
        credentials=credentials,
        ca_bundle=sandbox.ca_bundle,
        **settings,
    )
    new_pipeline().run(source)  # the first package only, as if the run had ended after it
    already = destination_rows(new_pipeline(), "accounts", "accountid")
    assert len(already) == 20
    for key in list(already)[:2]:
        sandbox.store.update("account", key, {"name": "Changed"})
    for _ in range(2):
        run(**settings)
        assert_equal(new_pipeline(), sandbox, "accounts")
        assert "more" not in state(new_pipeline())


@pytest.mark.parametrize("sync", ["changes", "cursor"])
def test_a_column_that_was_deleted_and_made_anew_with_the_same_type(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, sync: str
) -> None:
    sandbox.switches = Switches().changed(schema_change_expires="never")
    store = sandbox.store
    extra = Column("new_extra", "String")
    store.change_schema(with_column(store.schema, "account", extra))
    store.update("account", keys(sandbox)[0], {"new_extra": "Of the first one"})
    run(sync=sync)
    store.change_schema(without_column(store.schema, "account", "new_extra"))
    store.change_schema(with_column(store.schema, "account", extra))
    run(sync=sync)
    rows = assert_equal(new_pipeline(), sandbox, "accounts")
    assert {row["new_extra"] for row in rows.values()} == {None}


def test_what_may_be_late_is_read_once_and_then_no_more(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run()
    sandbox.clock.advance(3600)
    assert read(run()) == 0
    assert len(queries(sandbox)) == 2
    before = state(new_pipeline())
    run()
    assert len(queries(sandbox)) == 1
    assert state(new_pipeline()) == before


@pytest.mark.parametrize("sync", ["changes", "cursor"])
def test_a_way_for_all_tables_that_some_of_a_pattern_can_not_go(
    run: Run,
    sandbox: Sandbox,
    new_pipeline: NewPipeline,
    sync: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sandbox.store.create("new_project", {"new_name": "One"})
    sandbox.store.create("new_sensorreading", {"new_name": "One", "partitionid": "a"})
    for _ in range(2):
        run("new_*", sync=sync)
        assert_equal(new_pipeline(), sandbox, "new_projects")
        assert_equal(new_pipeline(), sandbox, "new_sensorreadings")
    # each run says how it syncs a table, and why
    assert caplog.text.count(f"sync = '{sync}' is not possible, as it is elastic") == 2


def test_the_same_way_for_one_table_alone_is_refused(run: Run, sandbox: Sandbox) -> None:
    with pytest.raises(ConfigurationError, match="elastic"):
        run("new_*", table_settings={"new_sensorreadings": {"sync": "changes"}})


def test_one_key_in_two_partitions_stands_for_two_rows(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    store, table = sandbox.store, "new_sensorreading"
    key = store.create(table, {"new_name": "One", "partitionid": "a"})
    store.create(table, {"new_name": "Other", "partitionid": "b", f"{table}id": key})
    run("new_sensorreadings")
    assert readings(new_pipeline()) == [(key, "a", "One"), (key, "b", "Other")]
    store.update(table, key, {"new_name": "Changed"}, partition_id="b")
    run("new_sensorreadings")
    assert readings(new_pipeline()) == [(key, "a", "One"), (key, "b", "Changed")]
    store.delete(table, key, partition_id="a")
    run("new_sensorreadings")
    assert readings(new_pipeline()) == [(key, "b", "Changed")]


def readings(pipeline: dlt.Pipeline) -> list[tuple[Any, ...]]:
    columns = "new_sensorreadingid, partitionid, new_name"
    with pipeline.sql_client() as client:
        query = f"SELECT {columns} FROM new_sensorreadings ORDER BY partitionid"
        return [tuple(row) for row in client.execute_sql(query) or []]


def test_a_process_that_ends_right_after_it_has_normalized_rows(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = PackageStorage.delete_package

    def end(storage: PackageStorage, load_id: str, not_exists_ok: bool = False) -> None:
        if not not_exists_ok:
            raise KeyboardInterrupt
        delete(storage, load_id, not_exists_ok)

    monkeypatch.setattr(PackageStorage, "delete_package", end)
    with pytest.raises((KeyboardInterrupt, PipelineError)):
        run()
    monkeypatch.undo()
    pending = new_pipeline()
    assert pending.list_extracted_load_packages() == pending.list_normalized_load_packages() != []
    sandbox.store.create("account", {"name": "New"})
    run()
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_a_process_that_ends_right_after_rows_have_come_into_a_table(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = PackageStorage.complete_job

    def end(storage: PackageStorage, load_id: str, name: str) -> Any:
        if name.startswith("accounts."):
            raise KeyboardInterrupt
        return done(storage, load_id, name)

    monkeypatch.setattr(PackageStorage, "complete_job", end)
    with pytest.raises((KeyboardInterrupt, PipelineError)):
        run()
    monkeypatch.undo()
    sandbox.store.create("account", {"name": "New"})
    run()
    assert_equal(new_pipeline(), sandbox, "accounts")


@pytest.mark.parametrize("numbers", [1, 4])
def test_rows_that_a_snapshot_holds_back_while_a_transaction_is_open(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, numbers: int
) -> None:
    """A transaction begins late and stays open; deltas become snapshots; rows change; a run."""
    store = sandbox.store
    for key in keys(sandbox)[5:]:
        store.delete("account", key)
    gone = keys(sandbox)[numbers]
    store.delete("account", gone)
    began = store.reserve_version(), store.clock.now()
    run()
    sandbox.switches = Switches().changed(delta_chain="snapshot")
    sandbox.clock.advance(1)
    store.create("account", {"accountid": gone, "name": "Created again"})
    rows = keys(sandbox)
    store.delete("account", rows[numbers - 1], in_bulk=True)
    left = [key for key in rows if key != rows[numbers - 1]]
    upkeep.merge(sandbox.environment, "account", left[0], left[1])
    run()
    store.update(
        "account", left[2], {"name": "Of the late one"}, modified_on=began[1], version=began[0]
    )
    run()
    assert_equal(new_pipeline(), sandbox, "accounts")
    run_later(run, sandbox)
    assert_equal(new_pipeline(), sandbox, "accounts")
