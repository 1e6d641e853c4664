"""What is spent on several servers, and how fast it may be spent on."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataverse_source.client.throttle.budget import (
    USABLE_SHARE,
    Budgets,
    InFlight,
    RemainingBudget,
    ServiceLimits,
    read_remaining_budget,
)
from dataverse_source.client.throttle.sliding_window import PARTS

WINDOW = 300.0
PART = WINDOW / PARTS
COST = 1.5
NOTHING = InFlight()


def exactly(entries: list[tuple[float, float]], now: float) -> float:
    return sum(amount for moment, amount in entries if moment > now - WINDOW)


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
        now += budgets.send_rate(now, cost, NOTHING).wait
        server = chance % servers
        if spent[server]:  # a server that never answered is not known of
            assert len([1 for moment, _ in spent[server] if moment > now - WINDOW]) < 20
            assert exactly(spent[server], now) < 120
        now += seconds
        spent[server].append((now, seconds))
        left = RemainingBudget(
            str(server),
            max(20 - sum(moment > now - WINDOW for moment, _ in spent[server]), 0),
            max(120 - exactly(spent[server], now), 0.0),
        )
        budgets.answered(now, seconds, left, 0.0)


def test_a_budget_is_spent_fast_then_evenly_then_not_at_all() -> None:
    budgets, now = Budgets(ServiceLimits()), 0.0
    assert budgets.send_rate(now, COST, NOTHING).execution_rate is None
    for _ in range(599):
        budgets.answered(now, COST, RemainingBudget("a"), 0.0)
    assert budgets.send_rate(now, COST, NOTHING).execution_rate is None
    for _ in range(60):
        budgets.answered(now, COST, RemainingBudget("a"), 0.0)
    paced = budgets.send_rate(now, COST, NOTHING)
    assert paced.wait == 0.0
    assert paced.execution_rate == pytest.approx((0.96 * 1200 - 659 * COST) / 302.5, rel=0.02)
    for _ in range(130):
        budgets.answered(now, COST, RemainingBudget("a"), 0.0)
    assert budgets.send_rate(now, COST, NOTHING).wait == pytest.approx(WINDOW, abs=2 * PART)
    assert budgets.send_rate(now + WINDOW + PART, COST, NOTHING).wait == 0.0


def test_what_comes_back_at_once_may_be_spent_again_as_fast() -> None:
    budgets, now = Budgets(ServiceLimits()), 0.0
    for _ in range(600):  # within 60 s
        now += 0.1
        budgets.answered(now, COST, RemainingBudget("a"), 0.0)
    for _ in range(100):
        now += 1.5
        budgets.answered(now, COST, RemainingBudget("a"), 0.0)
    evenly = budgets.send_rate(now, COST, NOTHING).execution_rate
    assert evenly is not None
    assert evenly < 1.2  # little is left, and little comes back soon
    back = budgets.send_rate(WINDOW + 5.0, COST, NOTHING).execution_rate
    assert back == pytest.approx(COST / 0.1, rel=0.2)  # as fast as it was spent


def test_requests_under_way_count_too() -> None:
    budgets = Budgets(ServiceLimits())
    budgets.answered(0.0, COST, RemainingBudget("a"), 0.0)
    assert budgets.send_rate(0.0, COST, InFlight(50, 100.0)).execution_rate is None
    assert budgets.send_rate(0.0, COST, InFlight(50, 950.0)).execution_rate is not None
    assert budgets.send_rate(0.0, COST, InFlight(50, USABLE_SHARE * 1200)).wait == 0
    assert (
        budgets.send_rate(0.0, COST, InFlight(50, USABLE_SHARE * 1200, USABLE_SHARE * 1200)).wait
        > 0
    )
    assert budgets.send_rate(0.0, COST, InFlight(6000)).wait > 0


def test_what_is_gone_at_first_is_not_spent_but_asked_for_now_and_then() -> None:
    """Somebody else has spent it, or the limit is lower than documented: nobody knows."""
    budgets = Budgets(ServiceLimits())
    budgets.answered(0.0, COST, RemainingBudget("a", 5999, 0.0), 0.0)
    assert budgets.send_rate(0.0, COST, NOTHING).wait == pytest.approx(5.0)
    budgets.answered(10.0, COST, RemainingBudget("a", 5998, 1198.5 - COST), 0.0)
    assert budgets.send_rate(10.0, COST, NOTHING).wait == 0.0
    assert budgets.send_rate(10.0, COST, NOTHING).execution_rate is None


def test_what_others_spend_meanwhile_counts_too() -> None:
    budgets = Budgets(ServiceLimits())
    budgets.answered(0.0, COST, RemainingBudget("a", 5999, 1198.5), 0.0)
    assert budgets.send_rate(0.0, COST, NOTHING).wait == 0.0
    budgets.answered(9.0, COST, RemainingBudget("a", 5998, 1.0), 0.0)
    assert budgets.send_rate(9.0, COST, NOTHING).wait > 0.0
    assert budgets.send_rate(9.0 + WINDOW / 10, COST, NOTHING).wait == 0.0


def test_higher_limits_are_learnt_from_what_is_left() -> None:
    budgets = Budgets(ServiceLimits())
    for left in range(7999, 3999, -1):
        budgets.answered(0.0, 0.01, RemainingBudget("a", left, 1200.0), 0.0)
    assert budgets.send_rate(0.0, 0.01, NOTHING).request_rate is None
    assert budgets.send_rate(0.0, 0.01, NOTHING).wait == 0.0


def test_servers_are_told_apart_by_their_cookies() -> None:
    budgets = Budgets(ServiceLimits())
    assert budgets.servers == 1
    for server in ("", "a", "b", "a", "c"):
        budgets.answered(0.0, COST, RemainingBudget(server), 0.0)
    assert budgets.servers == 3
    budgets.answered(700.0, COST, RemainingBudget("a"), 0.0)
    assert budgets.servers == 1


def test_names_that_never_repeat_are_no_servers() -> None:
    """One budget behind a host that gives every answer a cookie of its own."""
    budgets, most = Budgets(ServiceLimits()), 0
    for number in range(1, 4000):
        left = RemainingBudget(f"name {number}", 6000.0 - number, 1200.0 - 0.01 * number)
        budgets.answered(0.01 * number, 0.01, left, 0.0)
        most = max(most, budgets.servers)
    assert most <= 4
    assert budgets.servers == 1
    assert budgets.send_rate(40.0, 0.01, NOTHING).wait == 0.0
    for number in range(4000, 5900):
        left = RemainingBudget(f"name {number}", 6000.0 - number, 1200.0 - 0.01 * number)
        budgets.answered(0.01 * number, 0.01, left, 0.0)
    assert budgets.send_rate(59.0, 0.01, NOTHING).wait > 0.0


def test_many_servers_whose_names_come_again_are_counted() -> None:
    budgets, chance = Budgets(ServiceLimits()), Random(1)
    for number in range(300):
        name = str(chance.randrange(30))
        budgets.answered(0.1 * number, COST, RemainingBudget(name, 5000.0, 900.0), 0.0)
    assert budgets.servers == 30


def test_servers_without_cookies_are_guessed_by_what_they_were_asked() -> None:
    budgets = Budgets(ServiceLimits())
    for number in range(300):
        budgets.answered(
            0.0, COST, RemainingBudget("", 5999 - number // 3, 1200 - COST * number // 3), 0.0
        )
    assert budgets.servers == 3


def test_a_gateway_is_no_server() -> None:
    budgets = Budgets(ServiceLimits())
    for server in ("a", "", "b", ""):
        budgets.answered(0.0, COST, RemainingBudget(server), 0.0)
    assert budgets.servers == 2


@pytest.mark.parametrize(
    ("headers", "left"),
    [
        ({}, RemainingBudget()),
        (
            {
                "Set-Cookie": "ReqClientId=1; path=/, ARRAffinity=ab12; path=/; HttpOnly",
                "x-ms-ratelimit-burst-remaining-xrm-requests": "7999",
                "x-ms-ratelimit-time-remaining-xrm-requests": "1,200.00",
            },
            RemainingBudget("ab12", 7999.0, 1200.0),
        ),
        (
            {
                "Set-Cookie": "ARRAffinitySameSite=cd34; path=/",
                "x-ms-ratelimit-burst-remaining-xrm-requests": "many",
                "x-ms-ratelimit-time-remaining-xrm-requests": "-3.5",
            },
            RemainingBudget("", None, 0.0),
        ),
        ({"x-ms-ratelimit-time-remaining-xrm-requests": "1.200,00"}, RemainingBudget()),
        (
            {"x-ms-ratelimit-time-remaining-xrm-requests": "1,234,567.5"},
            RemainingBudget("", None, 1234567.5),
        ),
    ],
)
def test_headers(headers: dict[str, str], left: RemainingBudget) -> None:
    assert read_remaining_budget(headers) == left
