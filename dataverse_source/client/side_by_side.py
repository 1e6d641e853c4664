"""Two independent questions at once: each takes a round trip, which may last a second."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["side_by_side"]

S = TypeVar("S")
T = TypeVar("T")


def side_by_side(here: Callable[[], S], there: Callable[[], T]) -> tuple[S, T]:
    """The results of both; returns, or raises, only when both have ended.

    Args:
        here: called on this thread; its error comes first.
        there: called on another thread, where neither a pipeline nor a run is active.
    """
    with ThreadPoolExecutor(1, "dataverse-question") as pool:
        other = pool.submit(there)
        result = here()
    return result, other.result()
