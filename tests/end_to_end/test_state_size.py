"""What is remembered of a table stays small, whatever its size and however often it is read."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataverse_source.sync.cursor import MOST_CHECKPOINTS, next_checkpoints, start_version
from dataverse_source.sync.read.created_on import Interval
from dataverse_source.sync.read.resume_point import ResumePoint
from dataverse_source.sync.read.stored_links import shorten
from dataverse_source.sync.read.whole_table import LEFT_AT_MOST
from dataverse_source.sync.state import (
    Checkpoint,
    DeltaLink,
    TableState,
    TrackingRefusal,
    Watermark,
    read_state,
    write_state,
)

MOST_BYTES = 10_000
START = datetime(2026, 1, 1, tzinfo=timezone.utc)

LONG_LINK = (
    "https://contoso.crm4.dynamics.com/api/data/v9.2/accounts?$select="
    + ",".join(f"contoso_a_column_with_a_long_name{number}" for number in range(400))
    + "&$skiptoken="
    + "%253ccookie%2520pagenumber%253d%25222%2522%2520" * 40
)


def restored(state: TableState) -> tuple[Interval, ...]:
    """The intervals after the state was stored and read again."""
    stored: dict[str, Any] = {}
    write_state(state, stored)
    resume = read_state(json.loads(json.dumps(stored))).resume
    assert resume is not None
    return resume.intervals


def size(state: TableState) -> int:
    stored: dict[str, Any] = {}
    write_state(state, stored)
    return len(json.dumps(stored))


@given(
    minutes=st.lists(st.integers(1, 90), min_size=60, max_size=120),
    lookback=st.sampled_from([0, 300, 86_400, 30 * 86_400]),
    step=st.integers(0, 5),
)
def test_marks_are_few_and_start_no_read_too_late(
    minutes: list[int], lookback: int, step: int
) -> None:
    back = timedelta(seconds=lookback)
    now, number = START, 100
    checkpoints: tuple[Checkpoint, ...] = (Checkpoint(now - back, 0), Checkpoint(now, 100))
    history = list(checkpoints)
    for minute in minutes:
        now, number = now + timedelta(minutes=minute), number + (minute * step) % 7
        checkpoints = next_checkpoints(checkpoints, now, number, back)
        history.append(Checkpoint(now, number))
        assert len(checkpoints) <= MOST_CHECKPOINTS
        last = checkpoints[-1].time - back
        known = [one.version for one in history if one.time <= last]
        assert start_version(checkpoints, back) <= max(known, default=0)
        assert checkpoints[-1].version == number


REFUSAL = TrackingRefusal(
    START,
    "the application user may not follow changes, which takes read access to all rows",
)


def test_all_that_is_remembered_is_small() -> None:
    checkpoints = tuple(
        Checkpoint(START + timedelta(minutes=number), 10**12 + number)
        for number in range(MOST_CHECKPOINTS)
    )
    state = TableState(
        "cursor",
        "0123456789abcdef",
        watermark=Watermark(START, checkpoints),
        compared=START,
        tracking_refusal=REFUSAL,
        more=True,
    )
    assert size(state) < MOST_BYTES
    link = shorten(LONG_LINK)
    for state in (
        TableState("changes", "0123456789abcdef", delta=DeltaLink(link)),
        TableState("changes", "0123456789abcdef", resume=ResumePoint(link)),
    ):
        assert size(state) < MOST_BYTES


KEY = f"contoso_{'k' * 48}id"
"""About as long as a name may be (docs "Create tables": a schema name has up to 50 characters
beside the publisher's prefix)."""


def next_link(interval: Interval, filter_length: int) -> str:
    """One of the form that the docs print ("Page results"), for a read by createdon and key."""
    moment, key = "2026-01-01T00:00:00-05:00", "{D5026A4D-D01C-ED11-B83E-000D3A572421}"
    inner = "".join(
        f'<{name} last="{value}" first="{value}" />'
        for name, value in (("createdon", moment), (KEY, key))
    )
    encoded = quote(quote(f'<cookie page="12345">{inner}</cookie>', safe=""), safe="")
    cookie = f'<cookie pagenumber="12346" pagingcookie="{encoded}" istracking="False" />'
    condition = quote(f"{interval.condition} and ({'f' * filter_length})")
    return (
        f"https://contoso.crm4.dynamics.com/api/data/v9.2/{KEY}s?$select={'c' * 9000}"
        f"&$filter={condition}&$orderby=createdon,{KEY}&$skiptoken={quote(cookie)}"
    )


@pytest.mark.parametrize("filter_length", [0, 300, 3000, 7500])
def test_intervals_are_small_however_long_their_links_are(filter_length: int) -> None:
    bounds = [START + timedelta(days=day) for day in range(LEFT_AT_MOST)]
    dated = [Interval(low, high) for low, high in zip(bounds, [*bounds[1:], None], strict=True)][
        : LEFT_AT_MOST - 1
    ]
    intervals = tuple(
        Interval(one.low, one.high, one.undated, shorten(next_link(one, filter_length)))
        for one in (*dated, Interval(undated=True))
    )
    state = TableState(
        "changes",
        "0123456789abcdef",
        delta=DeltaLink(
            shorten(f"https://contoso/api/data/v9.2/{KEY}s?$deltatoken={'t' * 300}"),
            given=START,
            settle_from=START,
        ),
        resume=ResumePoint(intervals=intervals),
        tracking_refusal=REFUSAL,
        more=True,
    )
    assert size(state) < MOST_BYTES
    kept = restored(state)
    assert {(one.low, one.high, one.undated) for one in kept} == {
        (one.low, one.high, one.undated) for one in intervals
    }
    links = [one.link is not None for one in kept]
    assert links == sorted(links, reverse=True)
    assert kept[0].undated
    assert links[0]


def test_usual_links_all_stay() -> None:
    intervals = tuple(
        Interval(START + timedelta(days=day), link="l" * 800) for day in range(LEFT_AT_MOST)
    )
    state = TableState("changes", resume=ResumePoint(intervals=intervals))
    assert restored(state) == intervals
