"""A sandbox that starts as an earlier one did has the same rows, and rows of its own since."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.environment.clock import Clock

ROWS = {"account": 5, "contact": 3}


def contents(sandbox: Sandbox) -> dict[str, list[Any]]:
    store = sandbox.store
    names = (one.logical_name for one in store.schema.tables if not one.is_logical_entity)
    return {name: store.rows(name) for name in names}


def version_of(sandbox: Sandbox, key: str) -> int:
    row = sandbox.store.row("account", key)
    assert row is not None
    return int(row["versionnumber"])


def test_the_second_start_has_the_rows_of_the_first() -> None:
    early = Clock(datetime(2025, 1, 1, tzinfo=timezone.utc), frozen=True)
    with Sandbox(rows=ROWS, seed=7) as first:
        before = contents(first)
        created = first.store.create("account", {"name": "New"})
        highest = version_of(first, created)
        with Sandbox(rows=ROWS, seed=7, clock=early) as second:
            assert contents(second) == before
            other = second.store.create("account", {"name": "New"})
            assert other not in {row["accountid"] for row in before["account"]}
            assert version_of(second, other) == highest
        assert len(contents(first)["account"]) == 6


def test_other_rows_or_another_seed_are_made_anew() -> None:
    with Sandbox(rows=ROWS, seed=7) as first, Sandbox(rows=ROWS, seed=8) as other:
        assert contents(first)["account"] != contents(other)["account"]
    with Sandbox(rows={"account": 6}, seed=7) as more:
        assert more.store.count("account") == 6
