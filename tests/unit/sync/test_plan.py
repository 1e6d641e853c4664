"""Which way is chosen for a table, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from dataverse_source import ConfigurationError
from dataverse_source.config.settings import TableSettings
from dataverse_source.metadata.model import Column, Table
from dataverse_source.sync.plan import make_plan
from dataverse_source.sync.state import (
    Checkpoint,
    TableState,
    TrackingRefusal,
    Watermark,
    read_state,
    write_state,
)

NOW = datetime(2026, 5, 4, tzinfo=timezone.utc)
KEY = Column("accountid", "UniqueidentifierType", is_primary_id=True)
MODIFIED = Column("modifiedon", "DateTimeType")
VERSION = Column("versionnumber", "BigIntType")
TRACKED = Table(
    "account", "accounts", "accountid", change_tracking=True, columns=(KEY, MODIFIED, VERSION)
)
UNTRACKED = replace(TRACKED, change_tracking=False)
PAIRS = replace(UNTRACKED, is_intersect=True, columns=(KEY, VERSION))
BARE = replace(UNTRACKED, columns=(KEY,))
VIRTUAL = replace(UNTRACKED, table_type="Virtual")
ELASTIC = replace(
    TRACKED, table_type="Elastic", columns=(*TRACKED.columns, Column("partitionid", "StringType"))
)


@pytest.mark.parametrize(
    ("table", "given", "mode", "column"),
    [
        (TRACKED, {}, "changes", None),
        (TRACKED, {"sync": "changes"}, "changes", None),
        (TRACKED, {"sync": "cursor"}, "cursor", "modifiedon"),
        (TRACKED, {"filter": "a eq 1"}, "cursor", "modifiedon"),
        (TRACKED, {"sync": "full"}, "full", None),
        (UNTRACKED, {}, "cursor", "modifiedon"),
        (PAIRS, {}, "cursor", "versionnumber"),
        (BARE, {}, "full", None),
        (VIRTUAL, {}, "full", None),
        (ELASTIC, {}, "full", None),
    ],
)
def test_what_is_chosen(table: Table, given: dict[str, str], mode: str, column: str | None) -> None:
    plan = make_plan(table, TableSettings(**given), TableState(), NOW, explicit=True)  # type: ignore[arg-type]
    assert (plan.mode, plan.column) == (mode, column)
    assert plan.reason in str(plan)


@pytest.mark.parametrize(
    ("table", "given", "words"),
    [
        (UNTRACKED, {"sync": "changes"}, "change tracking is off"),
        (TRACKED, {"sync": "changes", "filter": "a eq 1"}, "filter"),
        (BARE, {"sync": "cursor"}, "no column modifiedon"),
        (VIRTUAL, {"sync": "cursor"}, "virtual"),
        (ELASTIC, {"sync": "changes"}, "elastic"),
        (ELASTIC, {"deletes": "keep"}, "elastic"),
    ],
)
def test_what_is_refused(table: Table, given: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        make_plan(table, TableSettings(**given), TableState(), NOW, explicit=True)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("table", "given", "mode"),
    [
        (UNTRACKED, {"sync": "changes"}, "cursor"),
        (TRACKED, {"sync": "changes", "filter": "a eq 1"}, "cursor"),
        (BARE, {"sync": "cursor"}, "full"),
        (VIRTUAL, {"sync": "cursor"}, "full"),
        (ELASTIC, {"sync": "changes"}, "full"),
    ],
)
def test_what_is_set_for_all_tables_is_a_wish(
    table: Table, given: dict[str, str], mode: str
) -> None:
    settings = TableSettings(**given)  # type: ignore[arg-type]
    plan = make_plan(table, settings, TableState(), NOW, explicit=False)
    assert (plan.mode, plan.fell_back) == (mode, True)
    assert f"sync = '{given['sync']}' is not possible" in plan.reason


@pytest.mark.parametrize(("hours", "mode"), [(1, "cursor"), (25, "changes")])
def test_a_refusal_is_believed_for_a_day(hours: int, mode: str) -> None:
    refusal = TrackingRefusal(NOW - timedelta(hours=hours), "it may not")
    state = TableState(tracking_refusal=refusal)
    assert make_plan(TRACKED, TableSettings(), state, NOW, explicit=False).mode == mode


def test_a_state_comes_back_as_it_was() -> None:
    watermark = Watermark(checkpoints=(Checkpoint(NOW, 7),))
    state = TableState("cursor", "abc", complete=True, watermark=watermark, more=True)
    stored = {"left": "over"}
    write_state(state, stored)
    assert read_state(stored) == state
    assert set(stored) == {"mode", "columns", "complete", "versions", "more"}
    assert read_state({**stored, "of a later version": 1}) == state
