"""Real pipelines whose processes are killed at any moment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.model.processes import live, runner

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="runs are forked"),
    pytest.mark.skipif(
        "DATAVERSE_MODEL_LIVES" not in os.environ, reason="DATAVERSE_MODEL_LIVES is not set"
    ),
]

LIVES = int(os.environ.get("DATAVERSE_MODEL_LIVES", "0"))
"""In each part; none unless asked for, as the moments of kills are not the same each time."""


@pytest.mark.parametrize("part", range(2))
def test_processes_that_are_killed_at_any_moment(tmp_path: Path, part: int) -> None:
    with runner(tmp_path) as runs:
        kills = 0
        for number in range(LIVES):
            folder = tmp_path / str(number)
            folder.mkdir()
            kills += live(runs, folder, seed=100 * part + number, rounds=2)
    assert kills >= LIVES
