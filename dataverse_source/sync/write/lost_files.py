"""Finds files of loaded rows whose row in the table of files, or whose bytes, are gone."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

from dlt.common.schema.typing import TColumnSchema

from dataverse_source.sync.files.columns import FileColumn
from dataverse_source.sync.files.place import path_of
from dataverse_source.sync.write.file_table import STORED

_TOLD = ("key", "column", "status", "sha256")


class Loaded(Protocol):
    """A table in the destination."""

    def rows(
        self, columns: Sequence[str | None], keys: Sequence[str] | None = None
    ) -> Iterator[Sequence[Sequence[Any]]] | None:
        """Rows with these keys, or all, in chunks; None if it cannot be asked."""

    def matching(
        self, columns: Sequence[str | None], column: str, value: str
    ) -> Iterator[Sequence[Sequence[Any]]] | None:
        """Rows with this value in a column, in chunks; None if it cannot be asked."""

    def columns(self) -> Mapping[str, TColumnSchema]:
        """The columns that dlt knows of the table; none before its first load."""


def keys_of_lost_files(
    columns: Sequence[FileColumn],
    table: Loaded,
    files: Loaded,
    listed: Collection[str],
    *,
    seen: Collection[str] = (),
    tried: Collection[tuple[str, str]] = (),
) -> list[str]:
    """Keys of rows with a file that has no row, or no bytes although its row says so.

    Args:
        columns: of one table, that hold files.
        table: the loaded table.
        files: the loaded table of files.
        listed: paths of the files that are in the place.
        seen: keys of rows that the run has read: only bytes of theirs can be lost.
        tried: key and column of files that the run has stored, or tried to.
    """
    name, key = columns[0].table, columns[0].key
    stored = {
        (str(key), str(column)): status != STORED
        or path_of(name, str(key), str(column), str(digest)) in listed
        for rows in files.matching(_TOLD, "table", name) or ()
        for key, column, status, digest in rows
    }
    known = table.columns()
    names = list(dict.fromkeys([key, *(name for one in columns for name in one.needed)]))
    lost = []
    for chunk in table.rows([name if name in known else None for name in names]) or ():
        for cells in chunk:
            row = dict(zip(names, cells, strict=True))
            own = str(row[key])
            places = [(own, one.name) for one in columns if one.has_file(row)]
            if any(not stored.get(one, own in seen) for one in places if one not in tried):
                lost.append(own)
    return lost
