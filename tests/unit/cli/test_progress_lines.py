"""The lines about a run that goes on, at several widths and heights."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from dataverse_source.cli.progress_lines import screen_lines
from dataverse_source.cli.run_progress import RunProgress, StepCollector
from dataverse_source.client.counters import Counters
from dataverse_source.sync.context import (
    COMPARING_KEYS,
    READING_CHANGES,
    READING_KEYS,
    READING_ROWS,
)

NARROW = """\
leads     read  1,500 rows in 2.0s
contacts  failed
accounts  reading rows  ━━━━━━───   72%  720,000 rows  4,000 rows/s  1m 10s left
tasks     reading keys for the change token: 206 pages
notes     comparing keys: 2 pages  ━━━━─────   50%
users     reading changes  7 rows so far
1 more table; reading, 3m 0s; waiting 23 s for Dataverse's limits; 415 requests
"""

WIDE = """\
leads     read  1,500 rows in 2.0s
contacts  failed
accounts  reading rows  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━────────────   72%  720,000 of about 1,000,000 rows  4,000 rows/s  1m 10s left
tasks     reading keys for the change token: 206 pages
notes     comparing keys: 2 pages  ━━━━━━━━━━━━━━━━━━━━────────────────────   50%
users     reading changes  7 rows so far
1 more table; reading, 3m 0s; waiting 23 s for Dataverse's limits; 415 requests
"""  # noqa: E501


class Clock:
    """The monotonic clock, set by hand."""

    now = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    return clock


def client(**told: Any) -> Any:
    return SimpleNamespace(counters=Counters(requests=415), held_for=0.0, **told)


def running(clock: Clock) -> RunProgress:
    """Three minutes of a run of seven tables."""
    one = client()
    progress = RunProgress()
    progress.stepped("reading")
    progress.expects("accounts", 1_000_000)
    progress.expects("notes", 20_000)
    progress.expects("later", 10)
    for name in ("leads", "contacts", "accounts", "tasks", "notes", "users"):
        progress.began(name, one)
    progress.doing("leads", READING_ROWS)
    progress.read("leads", 1500)
    clock.now += 2
    progress.ended("leads", None)
    progress.ended("contacts", OSError())
    progress.doing("tasks", READING_KEYS)
    for _ in range(206):
        progress.page("tasks", 5000)
    progress.doing("notes", COMPARING_KEYS)
    progress.page("notes", 5000)
    progress.page("notes", 5000)
    progress.doing("users", READING_CHANGES)
    progress.read("users", 7)
    progress.doing("accounts", READING_ROWS)
    progress.read("accounts", 8000)
    for _ in range(178):
        clock.now += 1
        progress.read("accounts", 4000)
    one.held_for = 23.4
    return progress


def drawn(progress: RunProgress, clock: Clock, width: int, height: int = 24) -> str:
    lines = screen_lines(progress, width, height, clock.now)
    assert all(len(line.plain) <= width for line in lines[:-1])
    return "".join(f"{line.plain}\n" for line in lines)


@pytest.mark.parametrize(("width", "screen"), [(80, NARROW), (200, WIDE)])
def test_a_run_of_many_kinds_of_tables(clock: Clock, width: int, screen: str) -> None:
    assert drawn(running(clock), clock, width) == screen


def test_the_rate_is_that_of_the_last_seconds(clock: Clock) -> None:
    progress = running(clock)
    clock.now += 60
    progress.read("accounts", 10)
    assert "  0 rows/s" in drawn(progress, clock, 80)


def test_the_keys_tell_the_total_where_dataverse_does_not(clock: Clock) -> None:
    progress = running(clock)
    progress.doing("tasks", READING_ROWS)
    progress.read("tasks", 515_000)
    assert "tasks     reading rows  ━━━━━━━━━━━━━━━━━━━━────────────────────   50%" in drawn(
        progress, clock, 200
    )


def test_all_tables_together_have_a_time_left(clock: Clock) -> None:
    progress = RunProgress()
    for name in ("one", "two"):
        progress.expects(name, 1000)
        progress.began(name, client())
        progress.doing(name, READING_ROWS)
    clock.now += 10
    progress.read("one", 100)
    progress.read("two", 100)
    assert "about 1m 30s left" in drawn(progress, clock, 80)
    assert progress.seconds_left(clock.now) == pytest.approx(90)


def test_a_low_terminal_shows_what_is_being_read(clock: Clock) -> None:
    lines = drawn(running(clock), clock, 80, height=6).splitlines()
    assert [line.split()[0] for line in lines[:-1]] == ["accounts", "tasks", "notes", "users"]


def test_long_names_are_cut(clock: Clock) -> None:
    progress = RunProgress()
    progress.began("n" * 90, client())
    assert drawn(progress, clock, 80).startswith("n" * 19 + "~  starting\n")


def test_the_files_of_a_load_are_counted() -> None:
    progress = RunProgress()
    collector = StepCollector(progress)
    with collector("Load dataverse in 17.5"):
        collector.update("Jobs", 0, 6)
        collector.update("Jobs")
        collector.update("Jobs", 1, label="Failed")
        assert (progress.step, progress.part) == ("loading", "1 of 6 files")
