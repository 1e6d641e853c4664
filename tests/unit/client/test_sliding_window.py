"""The ledger of what was spent: never less than was, hardly more; rates that never exceed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataverse_source.client.throttle.sliding_window import (
    PARTS,
    SlidingWindow,
    even_rate,
    rate_of_return,
    seconds_until,
)

WINDOW = 300.0
PART = WINDOW / PARTS

gaps = st.floats(0.0, 2 * WINDOW, allow_subnormal=False)
amounts = st.floats(0.001, 100.0)
spending = st.lists(st.tuples(gaps, amounts), min_size=1, max_size=40)


def booked(
    spent: list[tuple[float, float]],
) -> tuple[SlidingWindow, list[tuple[float, float]], float]:
    """A ledger, what is in it with its times, and the time of the last entry."""
    window, entries, now = SlidingWindow(WINDOW), [], 0.0
    for gap, amount in spent:
        now += gap
        window.add(now, amount)
        entries.append((now, amount))
    return window, entries, now


def exact(entries: list[tuple[float, float]], now: float, window: float = WINDOW) -> float:
    return sum(amount for moment, amount in entries if moment > now - window)


@given(spending, gaps)
def test_a_ledger_tells_never_less_and_forgets_within_a_part(
    spent: list[tuple[float, float]], later: float
) -> None:
    window, entries, now = booked(spent)
    now += later
    told = window.spent(now)
    assert told >= exact(entries, now) - 1e-6
    assert told <= exact(entries, now, WINDOW + PART + 1e-6) + 1e-6


@given(spending, st.floats(0.0, 500.0))
def test_after_the_wait_no_more_counts_than_wanted(
    spent: list[tuple[float, float]], most: float
) -> None:
    window, _, now = booked(spent)
    wait = seconds_until(window, now, most)
    assert 0.0 <= wait <= WINDOW + PART + 1e-6
    assert window.spent(now + wait + 1e-6) <= most + 1e-6


@given(spending, st.floats(0.0, 2000.0), st.floats(0.0, 500.0))
def test_a_correction_makes_the_ledger_say_what_the_server_says(
    spent: list[tuple[float, float]], told: float, late: float
) -> None:
    window, _, now = booked(spent)
    window.correct(now, told, late=late)
    assert window.spent(now) == pytest.approx(told, abs=1e-6)


@given(spending, st.floats(1.0, 5000.0), st.floats(0.0, WINDOW))
def test_the_even_rate_never_exceeds_the_limit(
    spent: list[tuple[float, float]], limit: float, soonest: float
) -> None:
    window, _, now = booked(spent)
    returning = window.returning(now)
    rate = even_rate(returning, limit, WINDOW, soonest)
    assert 0.0 <= rate <= limit / WINDOW + 1e-9
    if rate == 0.0:
        return
    for moment, _ in returning:  # just before an amount ceases to count, most of all counts
        counted = sum(amount for ends, amount in returning if ends >= moment)
        assert moment < soonest or counted + rate * moment <= limit * (1 + 1e-9)


@given(spending, st.floats(1.0, 2000.0), st.floats(0.0, 300.0), st.floats(1.0, WINDOW))
def test_what_is_spent_again_never_adds_to_what_counts(
    spent: list[tuple[float, float]], limit: float, under_way: float, soon: float
) -> None:
    window, _, now = booked(spent)
    returning = window.returning(now)
    before = sum(amount for _, amount in returning) + under_way
    back = sum(amount for seconds, amount in returning if seconds <= soon)
    rate = rate_of_return(returning, limit, under_way, soon)
    assert rate >= 0.0
    assert before - back + rate * soon <= max(min(before, limit), before - back) + 1e-6


def test_nothing_spent_may_be_spent_evenly() -> None:
    assert even_rate([], 1200.0, WINDOW) == 4.0
