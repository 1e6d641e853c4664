"""Collects all problems of the settings, so that users see them at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dataverse_source.config.setting_names import environment_variable, where_to_set
from dataverse_source.errors import ConfigurationError


def misplaced_secret(setting: str) -> ConfigurationError:
    """The error for a setting that contains a secret; the secret itself is not shown."""
    return ConfigurationError(
        f"Setting {setting} contains a secret",
        where=environment_variable(setting),
        remedy=f"Remove it there, and set {where_to_set('client_secret')}. Create a new secret if "
        "others can read the file or the logs.",
        setting=setting,
    )


@dataclass
class Problems:
    """The problems found so far.

    Attributes:
        found: one error per problem, in the order in which they were found.
    """

    found: list[ConfigurationError] = field(default_factory=list)

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Notes a `ConfigurationError` raised inside, and continues after the block."""
        try:
            yield
        except ConfigurationError as error:
            self.found.extend(error.problems or (error,))

    def about(self, setting: str) -> bool:
        """Whether a problem with this setting was found."""
        return any(problem.setting == setting for problem in self.found)

    def raise_all(
        self, finish: Callable[[ConfigurationError], ConfigurationError] = lambda error: error
    ) -> None:
        """Raises one error for all problems, if there are any.

        Args:
            finish: adds what only the caller knows to the error.

        Raises:
            ConfigurationError: the only problem, or an error that lists all of them.
        """
        if not self.found:
            return
        if len(self.found) == 1:
            raise finish(self.found[0]) from None
        raise finish(
            ConfigurationError(
                f"{len(self.found)} settings are missing or cannot be used",
                problems=tuple(self.found),
            )
        ) from None
