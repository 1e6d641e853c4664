"""The benchmark of a load in parts runs, in small."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.parts import measure_parts


@pytest.mark.slow
def test_a_load_in_parts_is_measured_against_one_process(
    few_distinct_rows: None, tmp_path: Path
) -> None:
    said: list[str] = []
    found = measure_parts(2_000, 2, folder=tmp_path / "pages", say=said.append)
    steps = [found["plan"], *found["each"], found["finish"]]
    assert len(steps) == 4
    assert found["cpu_seconds"] == pytest.approx(sum(one["cpu_seconds"] for one in steps))
    assert found["ratio"] == pytest.approx(found["cpu_seconds"] / found["whole"]["cpu_seconds"])
    assert said[-1].startswith("parts  2,000 rows, 2 parts: ")
