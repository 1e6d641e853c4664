"""The benchmark of a comparison runs, in small."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.reconcile import measure_reconcile


@pytest.mark.slow
def test_a_comparison_is_measured_against_the_first_load(
    few_distinct_rows: None, tmp_path: Path
) -> None:
    said: list[str] = []
    found = measure_reconcile(10_000, 1, folder=tmp_path / "pages", say=said.append)
    assert found["comparison"]["requests"] >= 2  # pages of keys
    assert found["first"]["requests"] > found["comparison"]["requests"]
    assert "first load" in report.reconcile(found)
    assert said[-1].startswith("reconcile  10,000 rows")
