"""A few random histories, the same in each run; ``python -m tests.model`` searches for new ones."""

from __future__ import annotations

import os
from dataclasses import fields

import pytest

from dataverse_source.sandbox.switches import Switches
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


def test_a_rollup_column_that_is_not_selected_is_calculated_again() -> None:
    """It moves the row's version, which a table by cursor shows after the next comparison."""
    history = Histories()
    scene = Scene(
        names=("accounts",),
        changing=("account",),
        settings={
            "accounts": {
                "sync": "cursor",
                "select": list(SELECTED["accounts"]),
            }
        },
    )
    try:
        history.begin(
            sweeps=None,
            page_size=5,
            scene=scene,
            rows=4,
            limit=None,
            deletes="remove",
            labels=False,
            over_the_wire=False,
            side_by_side=False,
        )
        history.wait(hours=2)  # the cursor's lookback reads younger rows again
        history.run()
        history.roll_up(number=1)
        history.run()
    finally:
        history.teardown()


def test_every_switch_is_turned_or_left_out_for_a_reason() -> None:
    turned = {name for name, _ in switch_values()}
    assert turned | LEFT_OUT.keys() == {one.name for one in fields(Switches)}
    assert not turned & LEFT_OUT.keys()
