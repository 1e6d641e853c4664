"""States stored by version 0.1.0, one file per sync mode and situation, mean the same today.

The files in tests/fixtures/states were written by that version and are never written anew.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from dataverse_source.sync.state import (
    Checkpoint,
    NewestRow,
    TableState,
    Watermark,
    read_state,
    write_state,
)

STATES = {
    path.stem: json.loads(path.read_text())
    for path in (Path(__file__).parents[2] / "fixtures" / "states").glob("*.json")
}


def at(hour: int, minute: int, second: int) -> datetime:
    return datetime(2026, 11, 30, hour, minute, second, tzinfo=timezone.utc)


def fixture(name: str) -> TableState:
    return read_state(STATES[name])


@pytest.mark.parametrize("name", sorted(STATES))
def test_a_state_is_stored_again_as_it_was(name: str) -> None:
    stored: dict[str, Any] = {}
    write_state(read_state(STATES[name]), stored)
    assert json.loads(json.dumps(stored)) == STATES[name]


@pytest.mark.parametrize("name", sorted(STATES))
def test_mode_and_progress(name: str) -> None:
    state, in_progress = fixture(name), name.endswith("package")
    assert state.mode == name.partition("_")[0]
    assert state.complete is not in_progress
    assert (state.resume is not None) is in_progress
    assert state.columns == STATES[name]["columns"]
    assert (state.delta is not None) is (state.mode == "changes")
    assert (state.watermark is not None) is (state.mode == "cursor")
    assert state.more is (in_progress or name.endswith(("first_read_done", "link_refused")))


def test_delta_links() -> None:
    first, last = fixture("changes_key_delta_link"), fixture("changes_settled")
    assert first.delta is not None
    assert first.delta.link.endswith("1000111%2111%2f30%2f2026%2006%3a08%3a59")
    assert first.delta.all_columns
    assert first.delta.given == at(6, 9, 0)
    assert first.delta.settle_from == at(6, 8, 57)
    assert first.compared == at(6, 8, 57)
    assert last.delta is not None
    assert last.delta.settle_from is None
    by_keys = fixture("changes_first_read_done").delta
    assert by_keys is not None
    assert not by_keys.all_columns
    assert fixture("changes_delta_link_refused").refused_links == 1


def test_watermarks() -> None:
    assert fixture("cursor_modifiedon").watermark == Watermark(at(6, 9, 20))
    assert fixture("cursor_versionnumber").watermark == Watermark(
        checkpoints=(
            Checkpoint(at(6, 9, 42) - timedelta(minutes=5), 990_116),
            Checkpoint(at(6, 9, 42), 1_000_116),
            Checkpoint(at(6, 10, 43), 1_000_117),
        )
    )


def test_packages() -> None:
    for mode in ("changes", "cursor", "full"):
        one_chain, parallel = fixture(f"{mode}_package").resume, fixture(f"{mode}_parallel_package")
        assert one_chain is not None
        assert one_chain.link == STATES[f"{mode}_package"]["link"]
        assert one_chain.intervals == ()
        assert parallel.resume is not None
        assert parallel.resume.link is None
        assert [one.link for one in parallel.resume.intervals] == [
            part["link"] for part in STATES[f"{mode}_parallel_package"]["parts"]
        ]
        assert parallel.resume.intervals[1].high is None
        begun_by = STATES[f"{mode}_package"].get("begun_by")
        assert one_chain.begun_by == begun_by
        assert (begun_by is not None) is (mode == "full")


def test_a_refusal_to_track() -> None:
    state = fixture("cursor_tracking_refused")
    assert state.tracking_refusal is not None
    assert state.tracking_refusal.time == at(6, 9, 18)
    assert "refuses the delta links" in state.tracking_refusal.reason
    assert state.refused_links == 2


def test_earlier_versions_can_read_the_newest_row() -> None:
    """They take all fields of it as arguments."""
    stored: dict[str, Any] = {}
    state = TableState(newest=NewestRow("a", "versionnumber", 7, modified=9))
    write_state(state, stored)
    assert stored["newest"].keys() == {"key", "column", "version"}
    assert read_state(stored).newest == state.newest
