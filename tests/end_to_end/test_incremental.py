"""Incremental reads of a user's own: `dlt.sources.incremental` on any column."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dlt
import pytest

from dataverse_source import ConfigurationError, load
from dataverse_source.sandbox import Sandbox
from tests.support.few_columns import Make, loaded
from tests.support.loads import NewPipeline
from tests.support.requests_sent import queries

START = datetime(2031, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def dated(shared: Sandbox) -> Iterator[dict[str, str]]:
    """Accounts with a number and a time of creation, by name."""
    made = {
        f"Dated {number}": shared.store.create(
            "account",
            {
                "name": f"Dated {number}",
                "numberofemployees": 1_000_000 + number,
                "overriddencreatedon": START,
                "createdon": START + timedelta(days=number),
            },
        )
        for number in range(6)
    }
    yield made
    for key in made.values():
        shared.store.delete("account", key)


def since(column: str, value: Any, **more: Any) -> Any:
    return dlt.sources.incremental(column, initial_value=value, **more)


@pytest.mark.parametrize(
    ("range_", "expected"),
    [
        (since("createdon", START + timedelta(days=3)), {3, 4, 5}),
        (since("createdon", (START + timedelta(days=3)).isoformat()), {3, 4, 5}),
        (since("createdon", START, end_value=START + timedelta(days=2)), {0, 1}),
        (since("numberofemployees", 1_000_004), {4, 5}),
        (since("numberofemployees", 1_000_004, range_start="open"), {5}),
        (since("name", "Dated 4", end_value="Dated 6"), {4, 5}),
        (since("revenue", 0, last_value_func=min, end_value=-5), set()),
    ],
)
def test_incremental_on_any_column(
    source: Make, dated: dict[str, str], new_pipeline: NewPipeline, range_: Any, expected: set[int]
) -> None:
    for _ in range(2):
        made = source()
        made.accounts.apply_hints(incremental=range_)
        new_pipeline().run(made)
        rows = loaded(new_pipeline()) if expected else {}
        assert {key for name, key in dated.items() if int(name[-1]) in expected} == set(rows)


def test_incremental_goes_on_where_it_ended(
    source: Make, shared: Sandbox, dated: dict[str, str], new_pipeline: NewPipeline
) -> None:
    def run(limit: int | None = None) -> None:
        made = source()
        bound = since("numberofemployees", 1_000_002, row_order="asc")
        made.resources["accounts"] = made.accounts(incremental=bound)
        if limit:
            made.accounts.add_limit(limit)
        new_pipeline().run(made)

    run(1)
    assert len(loaded(new_pipeline())) == 4
    key = shared.store.create("account", {"name": "Later", "numberofemployees": 1_000_009})
    run()
    assert any("numberofemployees ge 1000005" in one for one in queries(shared))
    assert key in loaded(new_pipeline())
    shared.store.delete("account", key)


@pytest.mark.parametrize(
    ("range_", "why"),
    [
        (since("statuscod", 1), "statuscod"),
        (since("accountid", "0"), "UniqueidentifierType"),
        (since("numberofemployees", "many"), "many"),
        (since("name", "A", last_value_func=lambda values: values[0]), "last_value_func"),
    ],
)
def test_an_incremental_that_cannot_be_asked_for_is_refused(
    source: Make, new_pipeline: NewPipeline, range_: Any, why: str
) -> None:
    made = source()
    made.accounts.apply_hints(incremental=range_)
    with pytest.raises(ConfigurationError, match=why):
        load(new_pipeline(), made)


def test_incremental_comes_from_the_settings(
    source: Make,
    dated: dict[str, str],
    new_pipeline: NewPipeline,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    assert tmp_path
    prefix = "SOURCES__DATAVERSE__ACCOUNTS__INCREMENTAL__"
    monkeypatch.setenv(f"{prefix}CURSOR_PATH", "numberofemployees")
    monkeypatch.setenv(f"{prefix}INITIAL_VALUE", "1000004")
    new_pipeline().run(source())
    assert set(loaded(new_pipeline())) == {dated["Dated 4"], dated["Dated 5"]}
