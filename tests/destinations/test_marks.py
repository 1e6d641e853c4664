"""The marks of runs, in databases whose SQL differs."""

from __future__ import annotations

from pathlib import Path

import dlt
import pytest

from dataverse_source.loading.mark_table import KILLED, Mark, MarkTable, mark_table
from tests.destinations.places import place

pytestmark = [pytest.mark.destinations, pytest.mark.slow]


@pytest.fixture(params=["DuckDB", "PostgreSQL", "MariaDB", "SQLite"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> MarkTable:
    pipeline = dlt.pipeline(
        "test",
        destination=place(request.param, tmp_path, request.getfixturevalue).destination,
        dataset_name=tmp_path.name.lower(),
        pipelines_dir=str(tmp_path / "pipelines"),
    )
    found = mark_table(pipeline)
    assert found is not None
    return found


def test_marks(table: MarkTable) -> None:
    for _ in range(2):  # the second time it is there
        table.create()
    assert table.marks("test") == []
    one, two = Mark("a", "here, PID 1", "place", 0), Mark("b", "there, PID 2", "", 0)
    for mark in (one, two):
        table.write("test", mark)
    table.write("other", Mark("c", "elsewhere", "", 1))
    for beat in (1, 2, 3):
        table.write("test", Mark("a", "here, PID 1", "place", beat))
    found = {mark.run: mark for mark in table.marks("test")}
    assert found == {"a": Mark("a", "here, PID 1", "place", 3), "b": two}
    table.mark_killed("test", found["a"])
    assert {mark.run: mark.beat for mark in table.marks("test")} == {"a": KILLED, "b": 0}
    for run in ("a", "b"):
        table.remove(run)
    assert table.marks("test") == []
    assert [mark.run for mark in table.marks("other")] == ["c"]
