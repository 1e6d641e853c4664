"""The benchmark of files runs, in small."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.files import measure_files


@pytest.mark.slow
def test_files_are_measured_against_bare_downloads(tmp_path: Path) -> None:
    found = measure_files(20, 1_000, 4, tmp_path)
    assert found["ours"] > found["table"] / 10
    assert found["ratio"] > 0
    assert len([one for one in (tmp_path / "place").rglob("*") if one.is_file()]) == 20
