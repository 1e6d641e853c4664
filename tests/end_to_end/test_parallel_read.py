"""First reads by intervals of createdon, from the sandbox to the destination, under changes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import dlt
import pytest

from dataverse_source import dataverse
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.switches import Switches
from dataverse_source.sync.read import whole_table
from tests.support.comparing import assert_equal, destination_rows
from tests.support.requests_sent import keys, queries, state

pytestmark = pytest.mark.slow

Run = Callable[..., Any]
NewPipeline = Callable[[], dlt.Pipeline]

BY_INTERVALS = r"/accounts\?.*createdon(%20|\+| )(ge|lt|ne)"

OF_KEYS = r"/accounts\?\$select=accountid,versionnumber,createdon&.*createdon"


@pytest.fixture(autouse=True)
def side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small and quick tables are read side by side, too."""
    monkeypatch.setattr(whole_table, "SLOW_PAGE_SECONDS", 0)
    monkeypatch.setattr(whole_table, "FEW_PAGES", 0)


def spread_out(sandbox: Sandbox) -> None:
    """Gives the accounts different moments of creation: some long ago, many in one second."""
    now = sandbox.clock.now().replace(microsecond=0)
    for place, key in enumerate(keys(sandbox)):
        sandbox.store.delete("account", key)
        ago = timedelta(days=place * 30) if place < 30 else timedelta(seconds=min(place, 50))
        values = {"accountid": key, "name": f"Account {place}", "overriddencreatedon": now - ago}
        sandbox.store.create("account", values)


@pytest.mark.parametrize("sync", ["changes", "cursor", "full"])
def test_rows_that_are_made_anew_while_they_are_read(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, sync: str
) -> None:
    spread_out(sandbox)
    some = iter(keys(sandbox))
    now = sandbox.clock.now().replace(microsecond=0)

    def change() -> None:
        for days in (0, 1, 400):  # the same key again: soon after, and dated back
            key = next(some)
            sandbox.store.delete("account", key)
            values: dict[str, Any] = {"accountid": key, "name": "Anew"}
            if days:
                values["overriddencreatedon"] = now - timedelta(days=days)
            sandbox.store.create("account", values)
        sandbox.store.update("account", next(some), {"name": "Meanwhile"})
        sandbox.store.delete("account", next(some))
        sandbox.store.create("account", {"name": "New"})

    sandbox.hooks.on(BY_INTERVALS, change, times=4)
    settings = {"sync": sync, "page_size": 5, "sweep_interval": 0}
    run(**settings)
    assert sandbox.hooks.ran == 4
    destination_rows(new_pipeline(), "accounts", "accountid")  # no key twice
    if sync == "changes":  # all that happened is in the delta of the same run
        assert_equal(new_pipeline(), sandbox, "accounts")
    run(**settings)
    assert_equal(new_pipeline(), sandbox, "accounts")


@pytest.mark.parametrize("resolution", ["hidden_milliseconds", "fraction_refused"])
def test_whatever_filters_see_below_the_second(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, resolution: str
) -> None:
    sandbox.switches = Switches().changed(modified_on_resolution=resolution)
    run(sync="full", page_size=5)
    assert any("createdon" in query for query in queries(sandbox))
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_a_filter_of_the_settings_holds_in_every_interval(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    for key in keys(sandbox)[:20]:
        sandbox.store.update("account", key, {"name": "Left out"})
    condition = "name ne 'Left out' or name eq null"
    run(sync="full", page_size=5, table_settings={"accounts": {"filter": condition}})
    assert any("createdon" in query for query in queries(sandbox))
    assert len(destination_rows(new_pipeline(), "accounts", "accountid")) == 40


@pytest.mark.parametrize("status", [400, 403, 501])
def test_a_refused_order_is_no_failure(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, status: int
) -> None:
    def refuse() -> None:
        raise DataverseFault(status, "0x80060888", "This order is not supported.")

    sandbox.hooks.on(BY_INTERVALS, refuse, times=None, when="before")
    run(sync="full", page_size=5)
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_a_read_in_packages_goes_on_where_it_stopped(
    sandbox: Sandbox, credentials: DataverseCredentials, new_pipeline: NewPipeline
) -> None:
    spread_out(sandbox)

    def once() -> int:
        source = dataverse(
            environment_url=sandbox.environment_url,
            tables=["accounts"],
            credentials=credentials,
            ca_bundle=sandbox.ca_bundle,
            page_size=5,
            max_rows_per_load=20,
        )
        pipeline = new_pipeline()
        pipeline.run(source)
        assert len(json.dumps(state(pipeline))) < 10_000
        return len(destination_rows(pipeline, "accounts", "accountid"))

    counts = [once()]
    assert state(new_pipeline())["parts"]
    sandbox.switches = Switches().changed(skiptoken_expiry="0x80041129")
    counts.append(once())
    sandbox.switches = Switches()
    while len(counts) < 9 and "parts" in state(new_pipeline()):
        counts.append(once())
    assert counts == sorted(counts)
    assert counts[0] < 40
    once()
    assert_equal(new_pipeline(), sandbox, "accounts")


@pytest.mark.parametrize("sync", ["changes", "cursor"])
def test_a_comparison_reads_keys_side_by_side_and_corrects_the_same(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, sync: str
) -> None:
    spread_out(sandbox)
    settings = {"sync": sync, "page_size": 5}
    run(**settings)
    with new_pipeline().sql_client() as client:
        client.execute_sql("UPDATE accounts SET name = 'Old', versionnumber = versionnumber - 1")
        client.execute_sql(  # as many rows as before, or all would be read again
            "UPDATE accounts SET accountid = 'f' || accountid WHERE versionnumber % 3 = 0"
        )
    some = iter(keys(sandbox))

    def change() -> None:
        sandbox.store.update("account", next(some), {"name": "Meanwhile"})
        sandbox.store.delete("account", next(some))

    sandbox.hooks.on(OF_KEYS, change, times=3)
    sandbox.requests.clear()
    run(**settings, sweep_interval=0)
    assert sandbox.hooks.ran == 3
    of_keys = [one for one in sandbox.requests if re.search(OF_KEYS, f"{one.path}?{one.query}")]
    assert len({one.query for one in of_keys}) > 3
    run(**settings, sweep_interval=0)
    assert_equal(new_pipeline(), sandbox, "accounts")
