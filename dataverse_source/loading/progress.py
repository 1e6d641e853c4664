"""Tells somebody who wants to know how far the tables of a run are, while it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Protocol

from dlt.common.configuration import configspec
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.base_configuration import ContainerInjectableContext

from dataverse_source.client.client import DataverseClient


class Observer(Protocol):
    """Who wants to know; called by all threads of a run, so it must be quick."""

    def began(self, table: str, client: DataverseClient) -> None:
        """The first rows of a table are being asked for; the client's counters tell of waits."""

    def read(self, table: str, rows: int) -> None:
        """So many more rows of a table have come, deleted ones among them."""

    def ended(self, table: str, error: BaseException | None) -> None:
        """A table is read to its end, or to the end of its load package, or has failed."""


@configspec
class Observation(ContainerInjectableContext):
    """Who is told of one run; dlt's container gives it to all its threads."""

    can_create_default: ClassVar[bool] = False
    observer: Any = None


@contextmanager
def observing(observer: Observer | None) -> Iterator[None]:
    """The same on a thread that reads for another one; None: nobody is told."""
    if observer is None:
        yield
    else:
        with observed(observer):
            yield


@contextmanager
def observed(observer: Observer) -> Iterator[None]:
    """While it lasts, ``observer`` is told of every table that is read."""
    with Container().injectable_context(Observation(observer)):
        yield


def current_observer() -> Observer | None:
    """Who is told of the run that goes on, if anybody; asked on dlt's own thread."""
    container = Container()
    if Observation not in container:
        return None
    observer: Observer = container[Observation].observer
    return observer


def watched(table: str, client: DataverseClient, items: Iterator[Any]) -> Iterator[Any]:
    """The items of a table, whose rows are counted for the observer, if there is one.

    Args:
        table: what the table is called.
        client: that reads it.
        items: for dlt, each with Arrow data.
    """
    container = Container()
    if Observation not in container:
        return items
    return _told(container[Observation].observer, table, client, items)


def _told(
    observer: Observer, table: str, client: DataverseClient, items: Iterator[Any]
) -> Iterator[Any]:
    observer.began(table, client)
    try:
        for item in items:
            observer.read(table, item.data.num_rows)
            yield item
    except GeneratorExit:
        raise
    except BaseException as error:
        observer.ended(table, error)
        raise
    observer.ended(table, None)
