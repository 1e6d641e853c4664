"""Ranges of modifiedon on a resource, as external schedulers give them: backfills in pieces."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import dlt
import pytest
from dlt.extract.incremental import Incremental

from dataverse_source import dataverse, load
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.errors import ConfigurationError
from dataverse_source.loading.report import LoadReport
from dataverse_source.sandbox import Sandbox
from tests.support.comparing import assert_equal, destination_rows
from tests.support.requests_sent import keys, queries, read

pytestmark = pytest.mark.slow

NewPipeline = Callable[[], dlt.Pipeline]
RunRange = Callable[..., LoadReport]


@pytest.fixture
def run_range(
    sandbox: Sandbox, credentials: DataverseCredentials, new_pipeline: NewPipeline
) -> RunRange:
    """Loads the accounts that lie in a range, as a task of a scheduler does."""

    def once(range_: Incremental[datetime], **settings: Any) -> LoadReport:
        source = dataverse(
            environment_url=sandbox.environment_url,
            tables=["accounts"],
            credentials=credentials,
            ca_bundle=sandbox.ca_bundle,
            **settings,
        )
        source.accounts.apply_hints(incremental=range_)
        sandbox.requests.clear()
        return load(new_pipeline(), source)

    return once


def moments(sandbox: Sandbox) -> list[datetime]:
    """When accounts were last modified, in order, in whole seconds as Dataverse shows them."""
    found = [row["modifiedon"].replace(microsecond=0) for row in sandbox.store.rows("account")]
    return sorted(found)


def spread(sandbox: Sandbox) -> None:
    """Modifies accounts over some hours."""
    for key in keys(sandbox):
        sandbox.clock.advance(600)
        sandbox.store.update("account", key, {"telephone1": "1"})


def bounds(sandbox: Sandbox, pieces: int) -> list[datetime]:
    all_ = moments(sandbox)
    inner = [all_[len(all_) * number // pieces] for number in range(1, pieces)]
    return [all_[0], *inner, all_[-1] + timedelta(seconds=1)]


@pytest.mark.parametrize("sync", ["auto", "cursor"])
def test_ranges_in_any_order_add_up_to_the_table(
    run_range: RunRange, sandbox: Sandbox, new_pipeline: NewPipeline, sync: str
) -> None:
    spread(sandbox)
    edges = bounds(sandbox, 3)
    for number in (2, 0, 1, 0):
        start, end = edges[number], edges[number + 1]
        one = dlt.sources.incremental[datetime]("modifiedon", initial_value=start, end_value=end)
        count = read(run_range(one, sync=sync))
        assert count == sum(start <= moment < end for moment in moments(sandbox))
        assert not any("track" in query for query in queries(sandbox))
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_a_backfill_and_the_schedule_do_not_disturb_each_other(
    run_range: RunRange, run: Callable[..., LoadReport], sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run()
    spread(sandbox)
    changed, deleted, *_ = keys(sandbox)
    start, end = bounds(sandbox, 1)
    sandbox.store.update("account", changed, {"name": "Changed"})
    sandbox.store.delete("account", deleted)
    one = dlt.sources.incremental[datetime]("modifiedon", initial_value=start, end_value=end)
    run_range(one)
    run()
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_a_scheduler_gives_the_interval(
    run_range: RunRange,
    sandbox: Sandbox,
    new_pipeline: NewPipeline,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spread(sandbox)
    edges = bounds(sandbox, 2)
    for start, end in itertools.pairwise(edges):
        monkeypatch.setenv("DLT_INTERVAL_START", start.astimezone(timezone.utc).isoformat())
        monkeypatch.setenv("DLT_INTERVAL_END", end.astimezone(timezone.utc).isoformat())
        given = dlt.sources.incremental[datetime]("modifiedon", allow_external_schedulers=True)
        count = read(run_range(given))
        assert count == sum(start <= moment < end for moment in moments(sandbox))
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_a_range_without_an_end_goes_on_where_it_ended(
    run_range: RunRange, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    spread(sandbox)
    sandbox.clock.advance(60)  # a row of this very second would be read once more
    middle = bounds(sandbox, 2)[1]

    def onwards() -> Any:
        return dlt.sources.incremental[datetime]("modifiedon", initial_value=middle)

    assert read(run_range(onwards())) == sum(moment >= middle for moment in moments(sandbox))
    sandbox.clock.advance(600)
    changed = keys(sandbox)[0]
    sandbox.store.update("account", changed, {"name": "Changed"})
    assert read(run_range(onwards())) == 1
    rows = destination_rows(new_pipeline(), "accounts", "accountid")
    assert rows[changed]["name"] == "Changed"


def test_an_empty_range_is_refused(run_range: RunRange, sandbox: Sandbox) -> None:
    """As Airflow's default schedule gives it: nothing would be loaded, and reported as success."""
    moment = datetime(2026, 1, 1, tzinfo=timezone.utc)
    one = dlt.sources.incremental[datetime]("modifiedon", initial_value=moment, end_value=moment)
    with pytest.raises(ConfigurationError, match="is empty: it starts at 2026-01-01"):
        run_range(one)
