"""Keeps a table that fails from undoing the others that are loaded in the same run.

dlt drops everything that a run has extracted when one resource raises. So while `isolated` is
in force, a table's items are put aside until all of them are there; a failure before that is
noted, and the table gives nothing: its rows and its state in the destination are as before.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field
from typing import Any, ClassVar

import pyarrow as pa
from dlt.common.configuration import configspec
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.base_configuration import ContainerInjectableContext
from dlt.extract.items import DataItemWithMeta

from dataverse_source.errors import DataverseError

logger = logging.getLogger(__name__)


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

    def failed(self, logical_name: str, shown: str, error: DataverseError) -> None:
        """Notes why a table has failed."""
        logger.error("%s is left as it was: %s", shown, error.what)
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


def put_aside(items: Iterator[Any]) -> Iterator[Any]:
    """Takes all items now, and gives them later.

    Raises:
        Exception: whatever ``items`` raises, before anything is given.
    """
    store = tempfile.TemporaryFile()  # noqa: SIM115 (closed when the items have been given)
    metas: list[Any] = []
    try:
        for item in items:
            metas.append(item.meta)
            with pa.ipc.new_stream(store, item.data.schema) as writer:
                writer.write_table(item.data)
        store.seek(0)
    except BaseException:
        store.close()
        raise
    return _given(metas, store)


def _given(metas: list[Any], store: Any) -> Iterator[Any]:
    with store:
        for meta in metas:
            with pa.ipc.open_stream(store) as reader:
                yield DataItemWithMeta(meta, reader.read_all())
