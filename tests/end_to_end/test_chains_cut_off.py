"""A server leaves rows out of its answers: an error, never a table with fewer rows."""

from __future__ import annotations

from typing import Any

import pytest

from dataverse_source import ProtocolError
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.api.faults import Fault
from tests.support.comparing import assert_equal, destination_rows
from tests.support.loads import NewPipeline, Run

ROWS = r"/accounts\?"
KEYS = r"/accounts\?\$select=accountid(,versionnumber)?(&|$)"


def sync(mode: str, **more: Any) -> dict[str, Any]:
    return {"page_size": 10, "table_settings": {"accounts": {"sync": mode, **more}}}


@pytest.mark.parametrize("kind", ["no_next_link", "more_without_link"])
@pytest.mark.parametrize("mode", ["full", "cursor", "changes"])
def test_a_chain_that_is_cut_off_leaves_the_table_as_it_was(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, mode: str, kind: Any
) -> None:
    settings = sync(mode)
    run(**settings)
    before = destination_rows(new_pipeline(), "accounts", "accountid")
    assert len(before) == 60
    for key in before:
        sandbox.store.update("account", key, {"name": "Changed"})
    sandbox.faults.plan(Fault(kind), path=ROWS, skip=1, times=1000)
    with pytest.raises(ProtocolError, match="accounts"):
        run(**settings)
    assert destination_rows(new_pipeline(), "accounts", "accountid") == before
    sandbox.faults.clear()
    run(**settings)
    assert_equal(new_pipeline(), sandbox, "accounts")


@pytest.mark.parametrize("kind", ["no_next_link", "more_without_link"])
def test_a_first_load_that_is_cut_off_loads_nothing(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, kind: Any
) -> None:
    sandbox.faults.plan(Fault(kind), path=r"select=[^&]*name", skip=2, times=1000)
    with pytest.raises(ProtocolError, match="is not the last one"):
        run(**sync("full"))
    sandbox.faults.clear()
    run(**sync("full"))
    assert_equal(new_pipeline(), sandbox, "accounts")


@pytest.mark.parametrize("kind", ["no_next_link", "more_without_link"])
def test_a_comparison_of_keys_that_is_cut_off_deletes_nothing(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, kind: Any
) -> None:
    settings = sync("cursor", sweep_interval=0)
    run(**settings)
    sandbox.faults.plan(Fault(kind), path=KEYS, times=1000)
    with pytest.raises(ProtocolError, match="accounts"):
        run(**settings)
    assert len(destination_rows(new_pipeline(), "accounts", "accountid")) == 60


def test_a_full_last_page_is_no_error(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    assert sandbox.store.count("account") == 60
    for mode in ("full", "cursor", "changes"):
        run(**{**sync(mode), "page_size": 20})
        assert_equal(new_pipeline(), sandbox, "accounts")
