"""Reports the progress of each table of a run to an observer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from dataverse_source.client.client import DataverseClient


class Observer(Protocol):
    """Follows a run. Every thread of the run calls it, so it must return quickly."""

    def began(self, table: str, client: DataverseClient) -> None:
        """A table's first rows are being requested; the client's counters tell of waits."""

    def read(self, table: str, rows: int) -> None:
        """That many more rows of a table have been read, deleted ones among them."""

    def ended(self, table: str, error: BaseException | None) -> None:
        """A table, or its part of the load package, has been read or has failed."""


def watched(
    observer: Observer | None, table: str, client: DataverseClient, items: Iterator[Any]
) -> Iterator[Any]:
    """The items of a table, reported to the observer if there is one.

    Args:
        observer: follows the run; None if nobody does.
        table: its name in messages.
        client: reads the table.
        items: for dlt, each with Arrow data.
    """
    return items if observer is None else _reported(observer, table, client, items)


def _reported(
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
