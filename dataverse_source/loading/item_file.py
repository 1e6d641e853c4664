"""Keeps the items of one table in a temporary file until the table has been read completely."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dlt.extract.items import DataItemWithMeta

from dataverse_source.arrow.spool import Spool


class ItemFile:
    """A table's items in a temporary file; they can be iterated once.

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
