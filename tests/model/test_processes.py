"""Real pipelines whose processes are killed at any moment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.model.processes import live, runner

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="runs are forked"),
]

LIVES = int(os.environ.get("DATAVERSE_MODEL_LIVES", "2"))
"""In each part; a machine that has the time may look at more."""


@pytest.mark.parametrize("part", range(2))
def test_processes_that_are_killed_at_any_moment(tmp_path: Path, part: int) -> None:
    with runner(tmp_path) as runs:
        kills = 0
        for number in range(LIVES):
            folder = tmp_path / str(number)
            folder.mkdir()
            kills += live(runs, folder, seed=100 * part + number, rounds=2)
    assert kills
