"""Histories after which a run said other numbers than true ones, as short as they fail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.model.histories import Histories
from tests.model.scenes import Scene


@pytest.fixture
def history() -> Iterator[Histories]:
    found = Histories()
    try:
        yield found
    finally:
        found.teardown()


def begin(history: Histories, *names: str, beyond: frozenset[str] = frozenset()) -> None:
    history.begin(
        scene=Scene(names=names, changing=("account", "contact"), settings={}),
        page_size=5000,
        limit=None,
        deletes="remove",
        sweeps=None,
        labels=False,
        rows=3,
        over_the_wire=False,
        side_by_side=False,
        beyond=beyond,
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [("one_outer", "all"), ("many_outer", "many_inner"), ("many_inner", "all")],
)
def test_a_query_gets_another_key(history: Histories, before: str, after: str) -> None:
    begin(history, "account", beyond=frozenset({"queries"}))
    for kind in (before, after):
        history.change_a_query(kind=kind, name="people")
        history.run()


def test_the_destination_is_restored_to_before_a_history(history: Histories) -> None:
    begin(history, "accounts")
    history.run()
    history.back_up_the_destination()
    history.begin_a_history(at=0)
    history.run()
    history.copy_over_the_environment(seed=40)
    history.restore_the_destination(at=1)
    history.run()
