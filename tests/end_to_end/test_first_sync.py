"""The first sync by changes: rows are loaded before the chain of keys has ended."""

from __future__ import annotations

import re
import threading
import time

import dlt
import pytest

from dataverse_source import DataverseError, load
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.http.messages import Request, Response
from dataverse_source.sandbox.switches import Switches
from tests.support.comparing import assert_equal, destination_rows
from tests.support.loads import NewPipeline, NewSource, Run
from tests.support.requests_sent import keys, queries, state
from tests.support.rewriting import refusal, rewriting

DEADLINE = 60.0
LATER_PAGE = r"istracking=(%22|\")True"
"""A page of keys but the first."""

MOMENTS = ["last_page_version_order", "last_page_key_order", "first_page"]


def until_loaded(pipeline: dlt.Pipeline) -> None:
    """Waits for the first load package."""
    end = time.monotonic() + DEADLINE
    while not pipeline.list_completed_load_packages():
        assert time.monotonic() < end, "no package has been loaded"
        time.sleep(0.02)


@pytest.mark.parametrize("moment", MOMENTS)
def test_rows_are_loaded_before_the_delta_link_is_there(
    sandbox: Sandbox, new_source: NewSource, new_pipeline: NewPipeline, moment: str
) -> None:
    sandbox.switches = Switches().changed(first_delta_link=moment)
    pipeline = new_pipeline()

    def changes() -> None:
        until_loaded(pipeline)
        first, second, *_, last = keys(sandbox)
        sandbox.store.update("account", first, {"name": "After it was read"})
        sandbox.store.delete("account", second)
        sandbox.store.create("account", {"name": "New"})
        sandbox.store.delete("account", last)

    sandbox.hooks.on(LATER_PAGE, changes, nth=2)
    load(pipeline, new_source(page_size=10))
    assert sandbox.hooks.ran == 1
    assert_equal(pipeline, sandbox, "accounts")
    assert "token" in state(pipeline)
    load(new_pipeline(), new_source(page_size=10))
    assert_equal(pipeline, sandbox, "accounts")


def test_a_walk_that_fails_keeps_the_rows_and_is_begun_anew(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    def rule(request: Request, rest: str) -> Response | None:
        if re.search(LATER_PAGE, request.query):
            until_loaded(pipeline)
            return refusal(400, "0x80040203", "Not now")
        return None

    pipeline = new_pipeline()
    with rewriting(rule), pytest.raises(DataverseError, match="Not now"):
        run(page_size=10)
    assert len(destination_rows(pipeline, "accounts", "accountid")) == 60
    assert "token" not in state(pipeline)
    change = {"name": "After it was read"}
    sandbox.store.update("account", keys(sandbox)[0], change)
    sandbox.store.delete("account", keys(sandbox)[1])
    run(page_size=10)
    assert_equal(new_pipeline(), sandbox, "accounts")
    assert "token" in state(new_pipeline())


def test_tracking_that_ends_during_the_walk_falls_back(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    def forbid() -> None:
        until_loaded(pipeline)
        sandbox.users.change(sandbox.client_id, organization_read=False)

    pipeline = new_pipeline()
    sandbox.hooks.on(LATER_PAGE, forbid, nth=2)
    run(page_size=10)
    assert sandbox.hooks.ran == 1
    assert state(new_pipeline())["mode"] == "cursor"
    assert_equal(new_pipeline(), sandbox, "accounts")


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_pipeline_without_load_waits_for_the_link(
    sandbox: Sandbox, new_source: NewSource, new_pipeline: NewPipeline, moment: str
) -> None:
    sandbox.switches = Switches().changed(first_delta_link=moment)
    numbers = iter(keys(sandbox))

    def change() -> None:
        sandbox.store.update("account", next(numbers), {"name": "Meanwhile"})
        sandbox.store.delete("account", keys(sandbox)[-1])

    sandbox.hooks.on(r"/accounts\?", change, times=9)
    new_pipeline().run(new_source(page_size=10))
    assert "token" in state(new_pipeline())
    new_pipeline().run(new_source(page_size=10))
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_rows_of_a_change_feed_wait_for_the_link(run: Run, sandbox: Sandbox) -> None:
    """No comparison corrects what a feed has told."""
    run(page_size=10, sync="changes", write="append")
    asked = queries(sandbox)
    first_rows = next(number for number, one in enumerate(asked) if "telephone1" in one)
    last_of_walk = max(number for number, one in enumerate(asked) if re.search(LATER_PAGE, one))
    assert last_of_walk < first_rows


def test_an_interrupted_run_ends_its_walk(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    def rule(request: Request, rest: str) -> Response | None:
        if re.search(LATER_PAGE, request.query):
            time.sleep(0.05)  # the walk is behind the rows
        elif "telephone1" in request.query:
            return refusal(400, "0x80040203", "No rows")
        return None

    with rewriting(rule), pytest.raises(DataverseError, match="No rows"):
        run(page_size=1)
    assert not [one for one in threading.enumerate() if one.name == "dataverse-delta-link"]
    walked = len(queries(sandbox))
    time.sleep(0.5)
    assert len(queries(sandbox)) == walked < 60
