from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main

pytestmark = pytest.mark.slow


def test_the_comparison_runs_from_end_to_end(
    few_distinct_rows: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--only", "compare", "--who", "floor", "--who", "ours", "--rows", "10000"]
    places = ["--cache", str(tmp_path / "pages"), "--results", str(tmp_path / "results")]
    assert main([*arguments, *places, "--rounds", "1", "--no-chart"]) == 0
    printed = capsys.readouterr().out
    assert "| dlt-dataverse (into DuckDB)" in printed
    results = json.loads((tmp_path / "results" / "results.json").read_text("utf-8"))
    measured = results["compare"]["measured"]
    assert set(measured) == {"floor", "ours"}
    for each in measured.values():
        (run,) = each["runs"]
        assert run["rows"] == each["rows"] == 10_000
        assert run["seconds"] > 0
        assert run["peak_bytes"] > 1_000_000
