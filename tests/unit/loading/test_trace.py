"""A trace that others could have written is not unpickled."""

from __future__ import annotations

import os
import pickle
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import dlt
import pytest
from dlt.common.pipeline import NormalizeInfo
from dlt.pipeline.trace import load_trace

from dataverse_source import load
from dataverse_source.loading.trace import last_trace
from tests.support.loads import NewPipeline, NewSource

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no such permissions")


@pytest.mark.slow
def test_the_trace_of_a_run_has_all_its_load_packages(
    new_source: NewSource, new_pipeline: NewPipeline
) -> None:
    """What dlt's dashboard shows: the rows of the first package, not only the state of the last."""
    pipeline = new_pipeline()
    load(pipeline, new_source("contacts"))
    trace = load_trace(pipeline.working_dir)
    assert trace is not None
    done = [step.step for step in trace.steps]
    assert done == ["extract", "normalize", "load", "run"] * 2
    assert not any(step.step_exception for step in trace.steps)
    assert trace.started_at <= trace.steps[0].started_at
    assert trace.finished_at >= trace.steps[-1].finished_at
    counts: Counter[str] = Counter()
    for step in trace.steps:
        if isinstance(step.step_info, NormalizeInfo):
            counts.update(step.step_info.row_counts)
    assert counts["contacts"] == 40
    first = trace.transaction_id
    load(pipeline, new_source("contacts"))
    again = load_trace(pipeline.working_dir)
    assert again is not None
    assert again.transaction_id != first
    assert len(again.steps) < len(trace.steps)


class Trap:
    """Leaves a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return Path.touch, (self.path,)  # type: ignore[return-value]


@pytest.mark.parametrize("open_to_others", ["", "file", "folder", "pipelines"])
def test_who_can_write_decides(tmp_path: Path, open_to_others: str) -> None:
    pipelines = tmp_path / "pipelines"
    pipelines.mkdir(mode=0o700)
    pipeline = dlt.pipeline("traced", pipelines_dir=str(pipelines), destination="duckdb")
    folder, sprung = Path(pipeline.working_dir), tmp_path / "sprung"
    folder.chmod(0o700)
    trace = folder / "trace.pickle"
    trace.write_bytes(pickle.dumps(Trap(sprung)))
    trace.chmod(0o600)
    places = {"file": trace, "folder": folder, "pipelines": pipelines}
    if open_to_others:
        places[open_to_others].chmod(0o777)
    found = last_trace(pipeline)
    assert sprung.exists() == (not open_to_others)
    if open_to_others:
        assert found is None
