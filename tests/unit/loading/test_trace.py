"""A trace that others could have written is not unpickled."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import dlt
import pytest

from dataverse_source.loading.trace import last_trace

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no such permissions")


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
