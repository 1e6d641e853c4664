"""Cursor reads and key sweeps: what is newer, what is gone, what is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import dlt
import pytest

from dataverse_source import dataverse
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.switches import Switches
from tests.support.comparing import assert_equal, destination_rows
from tests.support.requests_sent import keys, queries, read, state

pytestmark = pytest.mark.slow

Run = Callable[..., Any]
NewPipeline = Callable[[], dlt.Pipeline]

INTERSECT = "accountleads"


@pytest.mark.parametrize("resolution", ["second", "hidden_milliseconds", "fraction_refused"])
def test_reads_what_is_newer(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, resolution: str
) -> None:
    sandbox.switches = Switches().changed(modified_on_resolution=resolution)
    run(sync="cursor", lookback_seconds=0)
    for number, key in enumerate(keys(sandbox)[:7]):
        sandbox.store.update("account", key, {"name": f"Changed {number}"})
    assert read(run(sync="cursor", lookback_seconds=0)) == 7
    assert len(queries(sandbox)) == 1
    assert_equal(new_pipeline(), sandbox, "accounts")


@pytest.mark.parametrize("table", ["accounts", INTERSECT])
def test_a_run_that_finds_nothing_loads_nothing(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, table: str
) -> None:
    settings = {"sync": "cursor", "lookback_seconds": 60}
    run(table, **settings)
    sandbox.clock.advance(3600)
    run(table, **settings)
    before = new_pipeline().state["_state_version"]
    for _ in range(2):
        sandbox.clock.advance(3600)
        run(table, **settings)
    assert new_pipeline().state["_state_version"] == before
    if table == "accounts":
        sandbox.store.update("account", keys(sandbox)[0], {"name": "Changed"})
        assert read(run(**settings)) == 1
        assert_equal(new_pipeline(), sandbox, "accounts")


def test_the_lookback_reads_rows_that_were_committed_late(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run(sync="cursor")
    earlier = sandbox.clock.now() - timedelta(seconds=200)
    sandbox.store.create("account", {"name": "Late"}, created_on=earlier)
    assert read(run(sync="cursor")) == 1
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_deleted_rows_are_found_when_the_sweep_is_due(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run(sync="cursor")
    gone = keys(sandbox)[:3]
    for key in gone:
        sandbox.store.delete("account", key)
    run(sync="cursor")
    assert set(gone) <= destination_rows(new_pipeline(), "accounts", "accountid").keys()
    sandbox.clock.advance(24 * 3600)
    run(sync="cursor")
    assert "$select=accountid,versionnumber" in queries(sandbox)
    assert_equal(new_pipeline(), sandbox, "accounts")
    run(sync="cursor")
    assert "$select=accountid,versionnumber" not in queries(sandbox)


def test_a_row_created_during_the_sweep_is_safe(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run(sync="cursor")
    sandbox.store.delete("account", keys(sandbox)[0])

    def create() -> None:
        sandbox.store.create("account", {"name": "Now"})

    sandbox.hooks.on(r"select=accountid(,|%2C)versionnumber(&|$)", create)
    run(sync="cursor", sweep_interval=0)
    run(sync="cursor", sweep_interval=0)
    assert sandbox.hooks.ran == 1
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_many_deleted_rows(run: Run, sandbox: Sandbox, new_pipeline: NewPipeline) -> None:
    sandbox.store.seed("account", 700, 5)
    run(sync="cursor")
    for key in keys(sandbox)[:650]:
        sandbox.store.delete("account", key)
    run(sync="cursor", sweep_interval=0)
    assert len(assert_equal(new_pipeline(), sandbox, "accounts")) == 110


def test_a_table_without_modifiedon_is_read_by_version_number(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    store = sandbox.store
    table = store.schema.by_logical_name[INTERSECT]
    assert "modifiedon" not in table.by_name
    leads = [store.create("lead", {"subject": str(number)}) for number in range(3)]
    accounts = keys(sandbox)

    def pair(account: str, lead: str, **more: Any) -> str:
        return store.create(INTERSECT, {"accountid": account, "leadid": lead}, **more)

    pairs = [pair(account, leads[0]) for account in accounts[:20]]
    reserved = store.reserve_version()
    pair(accounts[20], leads[0])
    settings = {"sync": "cursor", "sweep_interval": 0}
    set_name = str(table.entity_set_name)
    run(set_name, **settings)
    pair(accounts[21], leads[1], version=reserved)
    pair(accounts[22], leads[1])
    store.delete(INTERSECT, pairs[0])
    run(set_name, **settings)
    assert len(assert_equal(new_pipeline(), sandbox, set_name)) == 22
    for _ in range(3):
        sandbox.clock.advance(400)
        report = run(set_name, **settings)
    assert read(report, set_name) == 0


def deletions(pipeline: dlt.Pipeline) -> dict[str, Any]:
    with pipeline.sql_client() as client:
        rows = client.execute_sql('SELECT "table", key, seen_at FROM _dataverse_deletions')
    assert {row[0] for row in rows or ()} <= {"accounts"}
    return {row[1]: row[2] for row in rows or ()}


@pytest.mark.parametrize("sync", ["changes", "cursor", "full"])
def test_deleted_rows_are_kept_and_listed(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, sync: str
) -> None:
    settings = {"sync": sync, "deletes": "keep", "sweep_interval": 0}
    run(**settings)
    back, gone, *_ = keys(sandbox)
    for key in (back, gone):
        sandbox.store.delete("account", key)
    run(**settings)
    assert set(deletions(new_pipeline())) == {back, gone}
    first_seen = deletions(new_pipeline())[gone]
    rows = destination_rows(new_pipeline(), "accounts", "accountid")
    assert {back, gone} <= rows.keys()
    assert rows[gone]["name"]

    sandbox.clock.advance(60)
    sandbox.store.create("account", {"accountid": back, "name": "Back again"})
    run(**settings)
    assert deletions(new_pipeline()) == {gone: first_seen}
    rows = destination_rows(new_pipeline(), "accounts", "accountid")
    assert rows[back]["name"] == "Back again"
    assert len(rows) == 60


def test_a_sweep_on_demand_finds_what_the_delta_does_not_tell(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    sandbox.switches = Switches().changed(cascade_tombstones="parent_only")
    run("accounts", "contacts")
    for key in keys(sandbox)[:20]:
        sandbox.store.delete("account", key)
    run("accounts", "contacts", sweep_interval=0)
    assert_equal(new_pipeline(), sandbox, "accounts")
    assert_equal(new_pipeline(), sandbox, "contacts")


def test_a_backfill_reads_its_range_and_leaves_the_state_alone(
    sandbox: Sandbox, credentials: DataverseCredentials, new_pipeline: NewPipeline
) -> None:
    start = datetime(2020, 1, 1, tzinfo=timezone.utc)
    for day in range(6):
        moment = start + timedelta(days=day)
        sandbox.store.create("contact", {"lastname": f"Day {day}"}, modified_on=moment)
    for first, last in ((0, 3), (3, 5)):
        source = dataverse(
            environment_url=sandbox.environment_url,
            tables=["contacts"],
            credentials=credentials,
            ca_bundle=sandbox.ca_bundle,
        )
        source.contacts.apply_hints(
            incremental=dlt.sources.incremental(
                "modifiedon",
                initial_value=start + timedelta(days=first),
                end_value=start + timedelta(days=last),
                primary_key=(),
            )
        )
        new_pipeline().run(source)
    rows = destination_rows(new_pipeline(), "contacts", "contactid").values()
    assert sorted(row["lastname"] for row in rows) == [f"Day {day}" for day in range(5)]
    assert not state(new_pipeline(), "contact")
