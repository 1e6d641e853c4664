"""Intervals of createdon: the parts of one are the whole, and no two parts overlap."""

from __future__ import annotations

import itertools
import json
from datetime import datetime, timezone
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataverse_source.sync.read.created_on import (
    WHOLE,
    CreatedOnCounts,
    Interval,
    cut_points,
    from_state,
    to_state,
)
from tests.support.memory_table import at, belongs

seconds = st.integers(0, 100)
bounds = st.one_of(st.none(), seconds)


@given(bounds, bounds, st.lists(seconds, max_size=5), st.one_of(st.none(), st.floats(-5, 110)))
def test_every_row_of_an_interval_is_in_exactly_one_of_its_parts(
    low: int | None, high: int | None, cuts: list[int], row: float | None
) -> None:
    interval = Interval(None if low is None else at(low), None if high is None else at(high))
    inside = sorted(
        {at(one) for one in cuts if (low is None or one > low) and (high is None or one < high)}
    )
    parts = interval.cut(inside)
    assert len(parts) == len(inside) + 1
    assert sum(belongs(row, part) for part in parts) == belongs(row, interval)


@given(st.one_of(st.none(), st.floats(-5, 110)))
def test_every_row_is_in_one_half_of_the_whole(row: float | None) -> None:
    assert sum(belongs(row, interval) for interval in WHOLE) == 1


@given(seconds, seconds, st.integers(1, 9), st.booleans())
def test_cut_points_lie_between_and_in_order(low: int, span: int, count: int, near: bool) -> None:
    found = cut_points(at(low), at(low + span), count, near=near)
    assert found == sorted(set(found))
    assert all(at(low) < mark < at(low + span) for mark in found)
    assert len(found) <= count
    assert found or span < 2


def test_near_cut_points_halve_the_way() -> None:
    assert cut_points(at(0), at(64), 3, near=True) == [at(8), at(16), at(32)]
    assert cut_points(at(0), at(64), 3) == [at(16), at(32), at(48)]


def test_a_mark_is_a_whole_second() -> None:
    assert cut_points(at(0), at(3.5), 1) == [at(1)]


@pytest.mark.parametrize(
    ("interval", "condition"),
    [
        (Interval(), "createdon ne null"),
        (Interval(undated=True), "createdon eq null"),
        (Interval(low=at(1)), "createdon ge 2020-01-01T00:00:01Z"),
        (
            Interval(at(1), at(2)),
            "createdon ge 2020-01-01T00:00:01Z and createdon lt 2020-01-01T00:00:02Z",
        ),
    ],
)
def test_condition(interval: Interval, condition: str) -> None:
    assert interval.condition == condition


@given(bounds, bounds, st.booleans(), st.one_of(st.none(), st.text(min_size=1)))
def test_an_interval_comes_back_from_the_state(
    low: int | None, high: int | None, undated: bool, link: str | None
) -> None:
    interval = Interval(
        None if low is None else at(low), None if high is None else at(high), undated, link
    )
    assert from_state(json.loads(json.dumps(to_state(interval)))) == interval


def test_a_moment_of_long_ago() -> None:
    old = Interval(low=datetime(1753, 1, 1, tzinfo=timezone.utc))
    assert old.condition == "createdon ge 1753-01-01T00:00:00Z"


MOMENTS = st.none() | st.integers(-(10**9), 2 * 10**9)


@given(st.lists(st.lists(MOMENTS, max_size=30), max_size=6), st.integers(1, 9), st.integers(2, 40))
def test_parts_hold_every_row_once_and_are_counted(
    pages: list[list[int | None]], most: int, stretches: int
) -> None:
    counts = CreatedOnCounts()
    with mock.patch("dataverse_source.sync.read.created_on.MOST_STRETCHES", stretches):
        for page in pages:
            counts.add(pa.table({"createdon": pa.array(page, pa.timestamp("s", "UTC"))}))
    seconds = [one for page in pages for one in page]
    assert (counts.rows, counts.undated) == (len(seconds), seconds.count(None))
    parts = counts.parts(most)
    assert 1 <= len(parts) <= most
    assert sum(rows for _, rows in parts) == len(seconds) - seconds.count(None)
    bounds = [(one.low, one.high) for one, _ in parts]
    assert (bounds[0][0], bounds[-1][1]) == (None, None)
    assert all(before[1] == after[0] for before, after in itertools.pairwise(bounds))
    assert all(low < high for low, high in bounds if low and high)


def test_parts_are_of_about_the_same_size() -> None:
    counts = CreatedOnCounts()
    bulk = [1_700_000_000] * 5000  # an import: half of all rows in one second
    others = range(1_500_000_000, 1_800_000_000, 60_000)
    counts.add(pa.table({"createdon": pa.array([*bulk, *others], pa.timestamp("s", "UTC"))}))
    sizes = [rows for _, rows in counts.parts(8)]
    assert max(sizes) < 5000 + 10_000 / 8
    assert sum(size > 2 * 10_000 / 8 for size in sizes) == 1
    assert len(sizes) >= 4
