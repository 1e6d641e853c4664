"""An upgrade from version 0.1.0 reads no table again: the next run asks only for changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dlt
import pytest

from dataverse_source.sandbox import Sandbox
from tests.support.comparing import assert_equal
from tests.support.requests_sent import keys, queries, read, state

pytestmark = pytest.mark.slow

Run = Callable[..., Any]
NewPipeline = Callable[[], dlt.Pipeline]

STATES = Path(__file__).parents[1] / "fixtures" / "states"


def replace_state(pipeline: dlt.Pipeline, table: str, fixture: str) -> dict[str, Any]:
    """Replaces the stored state of a table by that of a fixture, with this run's values."""
    shape = json.loads((STATES / f"{fixture}.json").read_text())
    with pipeline.managed_state(extract_state=True) as changed:
        sources: Any = changed["sources"]
        tables = next(
            one["tables"]
            for one in sources["dataverse"]["resources"].values()
            if table in one.get("tables", {})
        )
        current = tables[table]
        assert shape.keys() <= current.keys()
        tables[table] = {name: current[name] for name in shape}
    return tables[table]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("sync", "fixture", "asks"),
    [
        ("changes", "changes_delta_link", "deltatoken"),
        ("cursor", "cursor_modifiedon", "modifiedon ge"),
    ],
)
def test_only_changes_are_read(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, sync: str, fixture: str, asks: str
) -> None:
    run(sync=sync)
    replaced = replace_state(new_pipeline(), "account", fixture)
    assert state(new_pipeline()) == replaced
    sandbox.store.update("account", keys(sandbox)[0], {"name": "Changed"})
    sandbox.clock.advance(600)
    report = run(sync=sync)
    assert state(new_pipeline()).keys() >= replaced.keys() - {"unsettled"}
    assert all(asks in query for query in queries(sandbox)[:1])
    assert read(report) <= 2
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_a_full_table_is_read_in_full_once(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run(sync="full")
    replaced = replace_state(new_pipeline(), "account", "full")
    assert state(new_pipeline()) == replaced
    sandbox.store.update("account", keys(sandbox)[0], {"name": "Changed"})
    assert read(run(sync="full")) == 60
    assert_equal(new_pipeline(), sandbox, "accounts")
