"""Iterates over a generator and keeps the value that it returns."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Drain(Generic[Item, Result]):
    """A generator in a ``for`` loop that keeps its return value.

    Attributes:
        result: what the generator returned; set when the loop ends.
    """

    result: Result

    def __init__(self, steps: Generator[Item, None, Result]) -> None:
        self._steps = steps

    def __iter__(self) -> Iterator[Item]:
        self.result = yield from self._steps
