"""Two processes with one DuckDB file: the second is refused, and told who has it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dataverse_source.errors import PipelineError

pytestmark = pytest.mark.slow

HOLDING = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def test_a_file_that_another_process_has_open(run_once: Callable[[], Any], tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDING, str(tmp_path / "test.duckdb")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(PipelineError) as refused:
            run_once()
        other.communicate()
    assert f"(PID {other.pid})" in (refused.value.remedy or "")
    assert "python" in (refused.value.remedy or "")
    run_once()


@pytest.fixture
def run_once(new_source: Callable[..., Any], new_pipeline: Callable[[], Any]) -> Callable[[], Any]:
    """One run that opens the file by itself."""
    from dataverse_source import load

    return lambda: load(new_pipeline(), new_source())
