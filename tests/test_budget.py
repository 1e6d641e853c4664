"""The ledger of what was spent: never less than was, hardly more; rates that never exceed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataverse_source.budget import (
    FULL,
    PARTS,
    Budgets,
    Ledger,
    Left,
    ServiceLimits,
    UnderWay,
    even_rate,
    read_left,
    seconds_until,
)

WINDOW = 300.0
PART = WINDOW / PARTS
COST = 1.5
NOTHING = UnderWay()

gaps = st.floats(0.0, 2 * WINDOW, allow_subnormal=False)
amounts = st.floats(0.001, 100.0)
spending = st.lists(st.tuples(gaps, amounts), min_size=1, max_size=40)


def booked(spent: list[tuple[float, float]]) -> tuple[Ledger, list[tuple[float, float]], float]:
    """A ledger, what is in it with its times, and the time of the last entry."""
    ledger, entries, now = Ledger(WINDOW), [], 0.0
    for gap, amount in spent:
        now += gap
        ledger.add(now, amount)
        entries.append((now, amount))
    return ledger, entries, now


def exact(entries: list[tuple[float, float]], now: float, window: float = WINDOW) -> float:
    return sum(amount for moment, amount in entries if moment > now - window)


@given(spending, gaps)
def test_a_ledger_tells_never_less_and_forgets_within_a_part(
    spent: list[tuple[float, float]], later: float
) -> None:
    ledger, entries, now = booked(spent)
    now += later
    told = ledger.spent(now)
    assert told >= exact(entries, now) - 1e-6
    assert told <= exact(entries, now, WINDOW + PART + 1e-6) + 1e-6


@given(spending, st.floats(0.0, 500.0))
def test_after_the_wait_no_more_counts_than_wanted(
    spent: list[tuple[float, float]], most: float
) -> None:
    ledger, _, now = booked(spent)
    wait = seconds_until(ledger, now, most)
    assert 0.0 <= wait <= WINDOW + PART + 1e-6
    assert ledger.spent(now + wait + 1e-6) <= most + 1e-6


@given(spending, st.floats(0.0, 2000.0), st.floats(0.0, 500.0))
def test_a_correction_makes_the_ledger_say_what_the_server_says(
    spent: list[tuple[float, float]], told: float, late: float
) -> None:
    ledger, _, now = booked(spent)
    ledger.correct(now, told, late=late)
    assert ledger.spent(now) == pytest.approx(told, abs=1e-6)


@given(spending, st.floats(1.0, 5000.0), st.floats(0.0, WINDOW))
def test_the_even_rate_never_exceeds_the_limit(
    spent: list[tuple[float, float]], limit: float, soonest: float
) -> None:
    ledger, _, now = booked(spent)
    returning = ledger.returning(now)
    rate = even_rate(returning, limit, WINDOW, soonest)
    assert 0.0 <= rate <= limit / WINDOW + 1e-9
    if rate == 0.0:
        return
    for moment, _ in returning:  # just before an amount ceases to count, most of all counts
        counted = sum(amount for ends, amount in returning if ends >= moment)
        assert moment < soonest or counted + rate * moment <= limit * (1 + 1e-9)


def test_nothing_spent_may_be_spent_evenly() -> None:
    assert even_rate([], 1200.0, WINDOW) == 4.0


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(0, 3), st.floats(0.01, 30.0)), max_size=300),
)
def test_no_server_is_asked_for_more_than_it_grants(
    servers: int, asked: list[tuple[int, float]]
) -> None:
    """One request after the other, wherever chance sends it, and headers that tell the truth."""
    limits = ServiceLimits(requests=20, execution_seconds=120)
    budgets, now = Budgets(limits), 0.0
    spent: dict[int, list[tuple[float, float]]] = {server: [] for server in range(servers)}
    for chance, seconds in asked:
        cost = 30.0  # the dearest that comes
        now += budgets.pace(now, cost, NOTHING).wait
        server = chance % servers
        if spent[server]:  # a server that never answered is not known of
            assert len([1 for moment, _ in spent[server] if moment > now - WINDOW]) < 20
            assert exact(spent[server], now) < 120
        now += seconds
        spent[server].append((now, seconds))
        left = Left(
            str(server),
            max(20 - sum(moment > now - WINDOW for moment, _ in spent[server]), 0),
            max(120 - exact(spent[server], now), 0.0),
        )
        budgets.answered(now, seconds, left, 0.0)


def test_a_budget_is_spent_fast_then_evenly_then_not_at_all() -> None:
    budgets, now = Budgets(ServiceLimits()), 0.0
    assert budgets.pace(now, COST, NOTHING).execution_rate is None
    for _ in range(599):
        budgets.answered(now, COST, Left("a"), 0.0)
    assert budgets.pace(now, COST, NOTHING).execution_rate is None
    for _ in range(60):
        budgets.answered(now, COST, Left("a"), 0.0)
    paced = budgets.pace(now, COST, NOTHING)
    assert paced.wait == 0.0
    assert paced.execution_rate == pytest.approx((0.96 * 1200 - 659 * COST) / 302.5, rel=0.02)
    for _ in range(130):
        budgets.answered(now, COST, Left("a"), 0.0)
    assert budgets.pace(now, COST, NOTHING).wait == pytest.approx(WINDOW, abs=2 * PART)
    assert budgets.pace(now + WINDOW + PART, COST, NOTHING).wait == 0.0


def test_requests_under_way_count_too() -> None:
    budgets = Budgets(ServiceLimits())
    budgets.answered(0.0, COST, Left("a"), 0.0)
    assert budgets.pace(0.0, COST, UnderWay(50, 100.0)).execution_rate is None
    assert budgets.pace(0.0, COST, UnderWay(50, 950.0)).execution_rate is not None
    assert budgets.pace(0.0, COST, UnderWay(50, FULL * 1200)).wait == 0
    assert budgets.pace(0.0, COST, UnderWay(50, FULL * 1200, FULL * 1200)).wait > 0
    assert budgets.pace(0.0, COST, UnderWay(6000)).wait > 0


def test_what_is_gone_at_first_is_not_spent_but_asked_for_now_and_then() -> None:
    """Somebody else has spent it, or the limit is lower than documented: nobody knows."""
    budgets = Budgets(ServiceLimits())
    budgets.answered(0.0, COST, Left("a", 5999, 0.0), 0.0)
    assert budgets.pace(0.0, COST, NOTHING).wait == pytest.approx(5.0)
    budgets.answered(10.0, COST, Left("a", 5998, 1198.5 - COST), 0.0)
    assert budgets.pace(10.0, COST, NOTHING).wait == 0.0
    assert budgets.pace(10.0, COST, NOTHING).execution_rate is None


def test_what_others_spend_meanwhile_counts_too() -> None:
    budgets = Budgets(ServiceLimits())
    budgets.answered(0.0, COST, Left("a", 5999, 1198.5), 0.0)
    assert budgets.pace(0.0, COST, NOTHING).wait == 0.0
    budgets.answered(9.0, COST, Left("a", 5998, 1.0), 0.0)
    assert budgets.pace(9.0, COST, NOTHING).wait > 0.0
    assert budgets.pace(9.0 + WINDOW / 10, COST, NOTHING).wait == 0.0


def test_higher_limits_are_learnt_from_what_is_left() -> None:
    budgets = Budgets(ServiceLimits())
    for left in range(7999, 3999, -1):
        budgets.answered(0.0, 0.01, Left("a", left, 1200.0), 0.0)
    assert budgets.pace(0.0, 0.01, NOTHING).request_rate is None
    assert budgets.pace(0.0, 0.01, NOTHING).wait == 0.0


def test_servers_are_told_apart_by_their_cookies() -> None:
    budgets = Budgets(ServiceLimits())
    assert budgets.servers == 1
    for server in ("", "a", "b", "a", "c"):
        budgets.answered(0.0, COST, Left(server), 0.0)
    assert budgets.servers == 3
    budgets.answered(700.0, COST, Left("a"), 0.0)
    assert budgets.servers == 1


def test_servers_without_cookies_are_guessed_by_what_they_were_asked() -> None:
    budgets = Budgets(ServiceLimits())
    for number in range(300):
        budgets.answered(0.0, COST, Left("", 5999 - number // 3, 1200 - COST * number // 3), 0.0)
    assert budgets.servers == 3


def test_a_gateway_is_no_server() -> None:
    budgets = Budgets(ServiceLimits())
    for server in ("a", "", "b", ""):
        budgets.answered(0.0, COST, Left(server), 0.0)
    assert budgets.servers == 2


@pytest.mark.parametrize(
    ("headers", "left"),
    [
        ({}, Left()),
        (
            {
                "Set-Cookie": "ReqClientId=1; path=/, ARRAffinity=ab12; path=/; HttpOnly",
                "x-ms-ratelimit-burst-remaining-xrm-requests": "7999",
                "x-ms-ratelimit-time-remaining-xrm-requests": "1,200.00",
            },
            Left("ab12", 7999.0, 1200.0),
        ),
        (
            {
                "Set-Cookie": "ARRAffinitySameSite=cd34; path=/",
                "x-ms-ratelimit-burst-remaining-xrm-requests": "many",
                "x-ms-ratelimit-time-remaining-xrm-requests": "-3.5",
            },
            Left("", None, 0.0),
        ),
        ({"x-ms-ratelimit-time-remaining-xrm-requests": "1.200,00"}, Left()),
        ({"x-ms-ratelimit-time-remaining-xrm-requests": "1,234,567.5"}, Left("", None, 1234567.5)),
    ],
)
def test_headers(headers: dict[str, str], left: Left) -> None:
    assert read_left(headers) == left
