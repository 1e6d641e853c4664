"""Several tables at once: complete ones are given, the others are waited for without blocking."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import dlt
import pytest

from dataverse_source import TablesFailedError, dataverse
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.loading.scheduler import (
    TABLES_A_REQUEST,
    Job,
    ManyEnds,
    TableScheduler,
)
from dataverse_source.sandbox import Sandbox
from tests.support.comparing import assert_equal

PATIENCE = 120

Run = Callable[..., Any]
NewPipeline = Callable[[], dlt.Pipeline]


def job(
    read: Callable[[], int], discarded: list[int] | None = None, failures: list[str] | None = None
) -> Job[int]:
    """A job that gives its number."""

    def on_complete(result: Callable[[], int]) -> Iterator[int]:
        try:
            number = result()
        except LookupError as error:
            if failures is None:
                raise
            failures.append(str(error))
            return
        yield number

    return Job(read, on_complete, (discarded if discarded is not None else []).append)


def eventually(holds: Callable[[], bool]) -> bool:
    """Waits until something holds."""
    until = time.monotonic() + PATIENCE
    while not holds() and time.monotonic() < until:
        time.sleep(0.01)
    return holds()


def given(items: Iterator[Any]) -> list[Any]:
    return [item for item in items if item is not None]


def test_all_are_given_once() -> None:
    scheduler = TableScheduler(lambda: 3)
    jobs = [job(lambda number=number: number) for number in range(20)]  # type: ignore[misc]
    assert sorted(given(scheduler.items(jobs))) == list(range(20))


def test_they_run_side_by_side() -> None:
    both = threading.Barrier(2, timeout=PATIENCE)

    def read() -> int:
        both.wait()
        return 1

    assert given(TableScheduler(lambda: 2).items([job(read), job(read)])) == [1, 1]


def test_no_more_than_make_sense() -> None:
    lock = threading.Lock()
    running = 0
    most = 0

    def read() -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.01)
        with lock:
            running -= 1
        return 1

    assert given(TableScheduler(lambda: 2).items([job(read) for _ in range(10)])) == [1] * 10
    assert 2 < most <= 2 * TABLES_A_REQUEST


def test_two_resources_take_turns() -> None:
    """One waits for what only the other one's table sets off, as dlt asks them in turn."""
    ready = threading.Event()

    def wait() -> int:
        assert ready.wait(PATIENCE)
        return 1

    def start() -> int:
        ready.set()
        return 2

    scheduler = TableScheduler(lambda: 2)
    turns = [scheduler.items([job(wait)]), scheduler.items([job(start)])]
    found = []
    while turns:
        for items in list(turns):
            try:
                item = next(items)
            except StopIteration:
                turns.remove(items)
            else:
                found += [] if item is None else [item]
    assert sorted(found) == [1, 2]


def test_a_failure_is_told_to_the_one_who_gives() -> None:
    def fail() -> int:
        raise LookupError("gone")

    failures: list[str] = []
    scheduler = TableScheduler(lambda: 2)
    assert given(scheduler.items([job(fail, failures=failures), job(lambda: 7)])) == [7]
    assert failures == ["gone"]
    with pytest.raises(LookupError):
        given(scheduler.items([job(fail)]))


def test_what_is_not_given_is_discarded() -> None:
    discarded: list[int] = []
    all_run = threading.Barrier(4, timeout=PATIENCE)

    def read() -> int:
        all_run.wait()
        return 5

    items = TableScheduler(lambda: 4).items([job(read, discarded) for _ in range(4)])
    assert next(item for item in items if item is not None) == 5
    items.close()  # type: ignore[attr-defined]
    assert eventually(lambda: len(discarded) == 3)


@pytest.mark.slow
def test_tables_are_read_at_the_same_time(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    both = threading.Barrier(2, timeout=PATIENCE)
    for name in ("accounts", "contacts"):
        sandbox.hooks.on(rf"/{name}\?", both.wait, when="before")  # type: ignore[arg-type]
    run("accounts", "contacts", sync="full")
    assert not both.broken
    assert_equal(new_pipeline(), sandbox, "accounts")
    assert_equal(new_pipeline(), sandbox, "contacts")


@pytest.mark.slow
def test_tables_of_a_pattern_and_a_plain_run(
    sandbox: Sandbox, credentials: DataverseCredentials, new_pipeline: NewPipeline
) -> None:
    both = threading.Barrier(2, timeout=PATIENCE)
    for name in ("accounts", "contacts"):
        sandbox.hooks.on(rf"/{name}\?", both.wait, when="before")  # type: ignore[arg-type]
    source = dataverse(
        environment_url=sandbox.environment_url,
        tables=["[ac]?????t"],
        credentials=credentials,
        ca_bundle=sandbox.ca_bundle,
        sync="full",
    )
    new_pipeline().run(source)
    assert not both.broken
    assert_equal(new_pipeline(), sandbox, "accounts")
    assert_equal(new_pipeline(), sandbox, "contacts")


@pytest.mark.slow
def test_no_thread_outlives_a_run_that_failed(run: Run, sandbox: Sandbox) -> None:
    before = set(threading.enumerate())
    sandbox.faults.plan("no_value", path=r"/contacts\?")
    with pytest.raises(TablesFailedError):
        run("accounts", "contacts", sync="full")

    def is_over() -> bool:
        left = set(threading.enumerate()) - before
        return not [thread for thread in left if thread.name == "dataverse-reader"]

    assert eventually(is_over)


def test_more_resources_end_at_once_than_python_nests_calls() -> None:
    ends = ManyEnds()

    def rows(number: int) -> Iterator[Any]:
        yield {"number": number}
        yield from ends.wait()

    @dlt.source(name="many")
    def many() -> Iterator[Any]:
        for number in range(1200):
            yield dlt.resource(rows, name=f"table_{number}")(number)

    assert len(list(many())) == 1200
