"""How many requests a run sends: they are counted, and each takes part of the user's limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import dlt
import pytest

from benchmarks.many_tables import PREFIX, add_tables
from dataverse_source import dataverse, load
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.sandbox import Sandbox

pytestmark = pytest.mark.slow

TABLES = 60
AROUND = 10
"""Requests for other things than rows: sign-in, metadata."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """An environment with many tables, of one row each."""
    with Sandbox(rows={}, seed=1) as running:
        add_tables(running, TABLES)
        yield running


@pytest.fixture
def requests_of_a_run(
    sandbox: Sandbox, credentials: DataverseCredentials, new_pipeline: Callable[[], dlt.Pipeline]
) -> Callable[..., Counter[str]]:
    """Extracts all tables and counts the requests by entity set, others under ``around``."""

    def once(**settings: Any) -> Counter[str]:
        source = dataverse(
            environment_url=sandbox.environment_url,
            tables=[f"{PREFIX}*"],
            credentials=credentials,
            ca_bundle=sandbox.ca_bundle,
            **settings,
        )
        sandbox.requests.clear()
        new_pipeline().extract(source)
        names = (request.path.rpartition("/")[2] for request in sandbox.requests)
        return Counter(name if name.startswith(PREFIX) else "around" for name in names)

    return once


def test_tables_without_changes_cost_a_request_each(
    requests_of_a_run: Callable[..., Counter[str]],
) -> None:
    cursor = {"sync": "cursor", "lookback_seconds": 0}
    by_cursor = {f"{PREFIX}{number:03}": cursor for number in range(0, TABLES, 3)}
    first = requests_of_a_run(table_settings=by_cursor)
    assert len(first) == TABLES + 1
    requests_of_a_run(table_settings=by_cursor)  # what has changed while the first one read
    found = requests_of_a_run(table_settings=by_cursor)
    around = found.pop("around")
    assert set(found.values()) == {1}
    assert len(found) == TABLES
    assert around <= AROUND


def test_a_run_counts_all_of_its_requests(
    new_source: Callable[..., Any], new_pipeline: Callable[[], dlt.Pipeline], sandbox: Sandbox
) -> None:
    for _ in range(2):
        sandbox.requests.clear()
        report = load(new_pipeline(), new_source())
        sent = [one for one in sandbox.requests if one.path.startswith("/api/data/")]
        assert report.counters.requests == len(sent)
