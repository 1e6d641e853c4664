"""A few random histories, the same in each run; ``python -m tests.model`` searches for new ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

import pytest

from dataverse_source.sandbox.switches import Switches
from dataverse_source.sync.audit_changes import AUDIT_CHANGES, AUDITS
from dataverse_source.sync.write.file_table import FILES
from tests.model.histories import Histories, search
from tests.model.part_histories import PartHistories
from tests.model.scenes import SELECTED, Scene
from tests.model.switchboard import LEFT_OUT, switch_values

PARTS = 4
HISTORIES = int(os.environ.get("DATAVERSE_MODEL_HISTORIES", "25"))
"""In each part."""


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_random_histories(part: int) -> None:
    """What fails here is made shorter by ``python -m tests.model --steps 20 --seed <part>``."""
    search(HISTORIES, steps=20, start=part, shrink=False)


@pytest.mark.slow
def test_random_histories_of_loads_in_parts() -> None:
    """What fails here is made shorter by ``python -m tests.model --parts --steps 8 --seed 0``."""
    search(HISTORIES, steps=8, start=0, shrink=False, kind=PartHistories)


@pytest.fixture
def begun() -> Iterator[Callable[..., Histories]]:
    """Begins a history of accounts, with a few rows."""
    history = Histories()

    def begin(
        settings: dict[str, Any] | None = None, beyond: frozenset[str] = frozenset()
    ) -> Histories:
        history.begin(
            sweeps=None,
            page_size=5,
            scene=Scene(("accounts",), ("account",), {"accounts": settings or {}}),
            rows=4,
            limit=None,
            deletes="remove",
            labels=False,
            over_the_wire=False,
            side_by_side=False,
            beyond=beyond,
        )
        return history

    yield begin
    history.teardown()


def test_a_rollup_column_that_is_not_selected_is_calculated_again(
    begun: Callable[..., Histories],
) -> None:
    """It moves the row's version, which a table by cursor shows after the next comparison."""
    history = begun({"sync": "cursor", "select": list(SELECTED["accounts"])})
    history.wait(hours=2)  # the cursor's lookback reads younger rows again
    history.run()
    history.roll_up(number=1)
    history.run()


def test_an_event_that_is_purged_and_lost_in_the_destination_leaves_its_changes(
    begun: Callable[..., Histories],
) -> None:
    """Nothing can bring it back; that of its changes which is there is all that is left of it."""
    history = begun(beyond=frozenset({"audit"}))
    history.run()
    history.purge_the_audit(share=1)
    events = set(history.destination.tables[AUDITS])
    tables = sorted({*history.destination.counts(), FILES} & history.destination.tables.keys())
    history.rows_vanish_in_the_destination(at=tables.index(AUDITS), number=1)
    (lost,) = events - history.destination.tables[AUDITS].keys()
    assert lost in {key for key, _ in history.destination.tables[AUDIT_CHANGES]}


def test_purged_events_that_a_restored_environment_has_again_arrive(
    begun: Callable[..., Histories],
) -> None:
    history = begun(beyond=frozenset({"audit"}))
    history.back_up_the_environment()
    history.purge_the_audit(share=2)
    history.change(at=0, changes=[("update", 1)])
    history.wait(hours=48)
    history.run()
    history.restore_an_old_environment(at=0)
    history.run()


def test_bytes_of_a_column_that_is_not_wanted_stay_away_until_it_is(
    begun: Callable[..., Histories],
) -> None:
    """Nobody looks after them meanwhile; a run that wants them again downloads them."""
    history = begun(beyond=frozenset({"files"}))
    history.want_other_files(number=0)
    history.run()
    history.want_other_files(number=1)  # those of notes alone
    contract = history.stored("accounts")[0]
    history.bytes_vanish(at=history.stored().index(contract))
    assert not contract.exists()
    history.want_other_files(number=0)
    history.run()
    assert contract.exists()


def test_every_switch_is_turned_or_left_out_for_a_reason() -> None:
    turned = {name for name, _ in switch_values()}
    assert turned | LEFT_OUT.keys() == {one.name for one in fields(Switches)}
    assert not turned & LEFT_OUT.keys()
