"""Collects what is wrong with the settings, so that users learn of all of it at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dataverse_source.errors import ConfigurationError


@dataclass
class Problems:
    """What has been found so far.

    Attributes:
        found: an error for each problem, in the order in which they were found.
    """

    found: list[ConfigurationError] = field(default_factory=list)

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Notes a `ConfigurationError` that is raised inside, and goes on after the block."""
        try:
            yield
        except ConfigurationError as error:
            self.found.extend(error.problems or (error,))

    def about(self, setting: str) -> bool:
        """Whether something was found to be wrong with this setting."""
        return any(problem.setting == setting for problem in self.found)

    def raise_all(
        self, finish: Callable[[ConfigurationError], ConfigurationError] = lambda error: error
    ) -> None:
        """Raises one error for all that was found; nothing if there was nothing.

        Args:
            finish: adds to the error what only the caller knows.

        Raises:
            ConfigurationError: the only problem, or one whose ``problems`` are all of them.
        """
        if not self.found:
            return
        if len(self.found) == 1:
            raise finish(self.found[0]) from None
        raise finish(
            ConfigurationError(
                f"{len(self.found)} settings are missing or can't be used",
                problems=tuple(self.found),
            )
        ) from None
