"""Keeps a table that fails from undoing the others that are loaded in the same run.

dlt drops everything that a run has extracted when one resource raises. So while `isolated` is
in force, a table's items are put aside until all of them are there; a failure before that is
noted, and the table gives nothing: its rows and its state in the destination are as before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field
from typing import Any, ClassVar

from dlt.common.configuration import configspec
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.base_configuration import ContainerInjectableContext
from dlt.extract.items import DataItemWithMeta

from dataverse_source.arrow.spool import Spool
from dataverse_source.config.log import logger
from dataverse_source.errors import DataverseError


@configspec
class Isolation(ContainerInjectableContext):
    """What holds for one run of several tables; dlt's container gives it to all its threads.

    Attributes:
        only: logical names of the tables that are to be read; None for all.
        failures: by logical name, what the table is called and why it has failed.
    """

    can_create_default: ClassVar[bool] = False
    only: frozenset[str] | None = None
    failures: dict[str, tuple[str, DataverseError]] = field(default_factory=dict)

    def takes(self, logical_name: str) -> bool:
        """Whether a table is to be read."""
        return self.only is None or logical_name in self.only

    def failed(self, logical_name: str, shown: str, error: DataverseError) -> None:
        """Notes why a table has failed."""
        logger.error("%s is left as it was: %s", shown, error)
        self.failures[logical_name] = shown, error


@contextmanager
def isolated(isolation: Isolation) -> Iterator[None]:
    """While it lasts, tables fail each for itself."""
    with Container().injectable_context(isolation):
        yield


def current_isolation() -> Isolation | None:
    """What is in force; None: a failure is raised at once."""
    container = Container()
    return container[Isolation] if Isolation in container else None  # noqa: SIM401 (no dict)


class Aside:
    """A table's items in a temporary file, to be taken once.

    Args:
        items: for dlt; all are taken now.

    Raises:
        Exception: whatever ``items`` raises.
    """

    def __init__(self, items: Iterator[Any]) -> None:
        self._metas: list[Any] = []
        self._spool = Spool()
        try:
            for item in items:
                self._metas.append(item.meta)
                self._spool.add(item.data)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[Any]:
        with self._spool:
            for meta, table in zip(self._metas, self._spool, strict=True):
                yield DataItemWithMeta(meta, table)

    def close(self) -> None:
        """Removes the file."""
        self._spool.close()
