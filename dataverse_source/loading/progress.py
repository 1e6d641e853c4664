"""Reports the progress of each table of a run to an observer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from dataverse_source.client.client import DataverseClient
from dataverse_source.sync.context import Watch


class Observer(Protocol):
    """Follows a run. Every thread of the run calls it, so it must return quickly."""

    def expects(self, table: str, rows: int) -> None:
        """A table has about so many rows, all of which are to be read; it may not have begun."""

    def began(self, table: str, client: DataverseClient) -> None:
        """A table's first rows are being requested; the client's counters tell of waits."""

    def doing(self, table: str, phase: str) -> None:
        """A phase of the read has begun, such as ``reading rows``."""

    def page(self, table: str, keys: int) -> None:
        """A page of keys has been read, of about so many."""

    def read(self, table: str, rows: int) -> None:
        """That many more rows of a table have been read, deleted ones among them."""

    def ended(self, table: str, error: BaseException | None) -> None:
        """A table, or its part of the load package, has been read or has failed."""


class TableWatch(Watch):
    """Passes on what a table tells to the observer, if there is one, and counts its rows.

    Args:
        table: its name in messages.
        observer: follows the run.
        rows: rows read by table; changed.
    """

    def __init__(self, table: str, observer: Observer | None, rows: dict[str, int]) -> None:
        self._table, self._observer, self._rows = table, observer, rows
        self._phase = ""

    def doing(self, phase: str) -> None:
        """See `Watch`."""
        self._phase = phase
        if self._observer is not None:
            self._observer.doing(self._table, phase)

    @contextmanager
    def meanwhile(self, phase: str) -> Iterator[None]:
        """See `Watch`."""
        if self._observer is None:
            yield
            return
        self._observer.doing(self._table, phase)
        try:
            yield
        finally:
            self._observer.doing(self._table, self._phase)

    def page(self, keys: int) -> None:
        """See `Watch`."""
        if self._observer is not None:
            self._observer.page(self._table, keys)

    def read(self, rows: int) -> None:
        """See `Watch`."""
        self._rows[self._table] = self._rows.get(self._table, 0) + rows
        if self._observer is not None:
            self._observer.read(self._table, rows)


def watched(
    observer: Observer | None, table: str, client: DataverseClient, items: Iterator[Any]
) -> Iterator[Any]:
    """The items of a table; its begin and end are reported to the observer if there is one.

    Args:
        observer: follows the run; None if nobody does.
        table: its name in messages.
        client: reads the table.
        items: for dlt.
    """
    return items if observer is None else _reported(observer, table, client, items)


def _reported(
    observer: Observer, table: str, client: DataverseClient, items: Iterator[Any]
) -> Iterator[Any]:
    observer.began(table, client)
    try:
        yield from items
    except GeneratorExit:
        raise
    except BaseException as error:
        observer.ended(table, error)
        raise
    observer.ended(table, None)
