"""The lower bounds that service protection limits allow, and a load under limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.limited import MODEL, ROWS_A_PAGE, measure_limited
from benchmarks.limits import Model, measure


def test_what_a_window_gives_is_spent_evenly() -> None:
    one = Model(requests=800, seconds=1.5, servers=1, scale=1.0)
    assert (one.even_bound, one.binds) == (300.0, "execution time")
    three = Model(requests=800, seconds=1.5, servers=3, scale=0.1)
    assert three.even_bound == pytest.approx(10.0)
    many = Model(requests=12_000, seconds=0.1, servers=1, scale=1.0)
    assert (many.even_bound, many.binds) == (600.0, "requests")


def test_an_empty_window_is_spent_at_once() -> None:
    one = Model(requests=520, seconds=1.5, servers=1, scale=1.0)
    assert one.burst_bound == pytest.approx(15.0)
    # 52 are under way when the 800 are spent that a window pays for.
    two_windows = Model(requests=852 + 520, seconds=1.5, servers=1, scale=1.0)
    assert two_windows.burst_bound == pytest.approx(300.0 + 15.0)
    alone = Model(requests=1, seconds=1.5, servers=3, scale=0.1)
    assert alone.burst_bound == pytest.approx(0.15)


def test_the_model_takes_what_the_documented_limits_take() -> None:
    page, limits = MODEL.seconds * MODEL.scale, MODEL.limits
    assert limits.execution_seconds / page == pytest.approx(800)
    assert limits.requests == 6000


@pytest.mark.slow
def test_a_load_under_limits_from_end_to_end(few_distinct_rows: None, tmp_path: Path) -> None:
    said: list[str] = []
    rows = {"cursor": 20 * ROWS_A_PAGE, "auto": 4 * ROWS_A_PAGE}
    results = measure_limited(rows, folder=tmp_path / "pages", say=said.append)
    assert [each["sync"] for each in results] == ["cursor", "auto"]
    page = MODEL.seconds * MODEL.scale
    for each, pages in zip(results, (20, 4 + 4), strict=True):
        assert each["requests"] > pages
        assert each["even"] > pages * page / 12  # so many at once are paid for, all the time
        assert each["burst"] > 0
        assert each["seconds"] > each["chain"] >= page
        assert (each["throttled"], each["twice"]) == (0, 0)
    assert results[1]["chain"] == pytest.approx(4 * page)
    assert any("lower bounds" in line for line in said)


@pytest.mark.slow
def test_processes_share_the_requests_of_one_user() -> None:
    model = Model(requests=40, seconds=0.5, servers=1, scale=0.1, threads=8, processes=2)
    found = measure(model)
    assert found.counters.requests == 40 + 2  # each asks who it is
    assert found.refused == {}
    assert found.seconds >= model.burst_bound
