"""Keeps the items of one table in a temporary file until the table has been read completely."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dataverse_source.arrow.spool import Spool
from dataverse_source.sync.write.items import Item


class ItemFile:
    """A table's items in a temporary file; they can be iterated once.

    Args:
        items: for dlt; all are taken now.

    Raises:
        Exception: whatever ``items`` raises.
    """

    def __init__(self, items: Iterator[Item]) -> None:
        self._items: list[Item] = []
        self._spool = Spool()
        try:
            for item in items:
                self._items.append(replace(item, data=item.data.schema.empty_table()))
                self._spool.add(item.data)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[Item]:
        with self._spool:
            for item, table in zip(self._items, self._spool, strict=True):
                yield replace(item, data=table)

    def close(self) -> None:
        """Removes the file, and those of its items."""
        self._items.clear()
        self._spool.close()
