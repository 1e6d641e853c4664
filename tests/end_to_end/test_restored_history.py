"""An environment that is restored to a time before a table's history began."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dlt
import pytest

from dataverse_source.sandbox import Sandbox
from dataverse_source.sync.write.destination import VALID_TO
from tests.support.requests_sent import keys
from tests.support.versions import assert_in_order, assert_present, versions


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
