"""An environment or a destination, restored to a time before a table's history began."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dlt
import pytest

from dataverse_source.sandbox import Sandbox
from dataverse_source.sync.write.destination import VALID_TO
from tests.support.requests_sent import keys
from tests.support.versions import assert_begun, assert_in_order, assert_present, versions


@pytest.mark.parametrize("sync", ["changes", "cursor"])
def test_an_environment_is_restored_to_before_its_history_began(
    run: Callable[..., Any], sandbox: Sandbox, new_pipeline: Callable[[], dlt.Pipeline], sync: str
) -> None:
    changed, deleted, untouched = keys(sandbox)[:3]
    names = {row["accountid"]: row["name"] for row in sandbox.store.rows("account")}
    sandbox.back_up()
    sandbox.store.update("account", changed, {"name": "Before the history"})
    run(sync=sync, history=True)
    sandbox.store.update("account", changed, {"name": "Second"})
    sandbox.store.delete("account", deleted)
    new = sandbox.store.create("account", {"name": "New"})
    run(sync=sync, history=True, sweep_interval=0)
    sandbox.restore()
    run(sync=sync, history=True)
    found = versions(new_pipeline())
    assert_in_order(found)
    assert_present(found, sandbox)
    assert [row["name"] for row in found[changed]] == [
        "Before the history",
        "Second",
        names[changed],
    ]
    assert [row["name"] for row in found[deleted]] == [names[deleted]] * 2
    assert all(row[VALID_TO] is not None for row in found[new])
    assert len(found[untouched]) == 1


def test_the_destination_is_restored_to_before_its_history_began(
    run: Callable[..., Any],
    sandbox: Sandbox,
    new_pipeline: Callable[[], dlt.Pipeline],
    tmp_path: Path,
) -> None:
    changed, deleted, *_ = keys(sandbox)
    run()
    shutil.copy(tmp_path / "test.duckdb", tmp_path / "backup.duckdb")
    run(history=True)
    shutil.copy(tmp_path / "backup.duckdb", tmp_path / "test.duckdb")
    sandbox.store.update("account", changed, {"name": "After the backup"})
    sandbox.store.delete("account", deleted)
    sandbox.store.create("account", {"name": "New"})
    (table,) = run(history=True).tables
    assert (table.inserted, table.deleted, table.rows_now) == (1, 1, 60)
    assert_begun(run, sandbox, new_pipeline, changed)
