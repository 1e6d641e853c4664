"""Feeds the resource of one table: its rows pass the user's steps, marks of deleted rows do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import dlt
import pyarrow as pa
from dlt.extract.hints import TResourceHints
from dlt.extract.incremental import Incremental
from dlt.extract.items import DataItemWithMeta, ResolvablePipeItem, TableNameMeta
from dlt.extract.state import get_current_pipe

from dataverse_source.sync.audit_changes import AUDIT_CHANGES
from dataverse_source.sync.write.destination import DELETIONS
from dataverse_source.sync.write.file_table import FILES
from dataverse_source.sync.write.items import Item


class Reads(Protocol):
    """What reads the tables of a source."""

    def items(self, name: str, incremental: Incremental[Any] | None) -> Iterator[Item | None]:
        """The items of a table; None while there is nothing to give."""

    def hints(self, name: str) -> TResourceHints:
        """Hints of a table, from its metadata."""

    def key(self, name: str) -> str:
        """The key column of a table."""

    def is_selected(self, name: str) -> bool:
        """Whether the rows of a table are loaded; if not, they only feed transformers."""


BESIDE = {"records": DELETIONS, "changes": AUDIT_CHANGES, "files": FILES}
"""Tables that a resource fills beside its own, by the kind of their items."""


class TableFeed:
    """Feeds one table's resource.

    Args:
        tables: reads the table.
        name: of the table, or what the settings call it if Dataverse has no such table.
    """

    def __init__(self, tables: Reads, name: str) -> None:
        self._tables, self._name = tables, name
        self._hints: TResourceHints | None = None
        self._beside: dict[str, TResourceHints] = {}
        self._remove: Callable[[pa.Array], Item] | None = None

    @property
    def key(self) -> str:
        """The key column of the table that is read."""
        return self._tables.key(self._name)

    def hints(self) -> TResourceHints:
        """Hints of the table: those of the rows that are read, or those of its metadata."""
        return self._hints or self._tables.hints(self._name)

    def hints_beside(self, table: str) -> TResourceHints | None:
        """Hints of another table that the resource fills; None if it is none of these."""
        return self._beside.get(table)

    def items(self, incremental: Incremental[Any] | None) -> Iterator[Any]:
        """The rows, and the marks of deleted ones, for dlt."""
        self._hints = self._remove = None
        is_selected = self._tables.is_selected(self._name)
        for item in self._tables.items(self._name, incremental):
            if item is None:
                yield None
                continue
            if item.kind in BESIDE:
                self._beside[BESIDE[item.kind]] = item.hints or {}
            elif item.hints is not None:
                self._hints = item.hints
            if item.remove is not None:
                self._remove = item.remove if is_selected and not item.replaces else None
            if item.file is not None:
                with item.file.local() as path:
                    empty = item.file.schema.empty_table()  # dlt loses a file without an item
                    yield dlt.mark.with_file_import(path, "parquet", item.file.rows, empty)
            elif item.kind == "rows":
                meta = self._meta(item)
                yield item.data if meta is None else DataItemWithMeta(meta, item.data)
            elif is_selected:
                yield self._past_all_steps(item)

    def tombstones(self, keys: pa.Array) -> Any:
        """An item that removes rows by key; None if the table's rows are replaced anyway."""
        return self._past_all_steps(self._remove(keys)) if self._remove else None

    def _meta(self, item: Item) -> TableNameMeta | None:
        """The table of an item, if it is not that of the resource: it was renamed meanwhile."""
        if item.kind in BESIDE:
            return TableNameMeta(BESIDE[item.kind])
        name = str((self._hints or {}).get("table_name", self._name))
        return None if name == self._name else TableNameMeta(name)

    def _past_all_steps(self, item: Item) -> Iterator[ResolvablePipeItem]:
        """The item at the end of dlt's pipe: no function, filter, limit or transformer takes it."""
        pipe = get_current_pipe()
        return iter((ResolvablePipeItem(item.data, len(pipe) - 1, pipe, self._meta(item)),))
