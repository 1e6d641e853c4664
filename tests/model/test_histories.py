"""A short search of random histories; ``python -m tests.model`` is the long one."""

from __future__ import annotations

import os

import pytest

from tests.model.histories import search

HISTORIES = int(os.environ.get("DATAVERSE_MODEL_HISTORIES", "10"))
"""In each part; a machine that has the time may look at more."""


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_random_histories(part: int) -> None:
    search(HISTORIES, steps=20)
