"""The columns that hold files, and the files that rows of a table have.

Sources: docs pages "Use file column data", "Use image column data", "Use file data with Attachment
and Note records".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import pyarrow as pa

from dataverse_source.errors import ConfigurationError, did_you_mean
from dataverse_source.metadata.column_selection import HEAVY_COLUMNS
from dataverse_source.metadata.literals import is_guid
from dataverse_source.metadata.model import Column, Table

Kind = Literal["file", "image", "document"]

_KINDS: Mapping[str, Kind] = {"FileType": "file", "ImageType": "image"}
_DOCUMENTS = dict(HEAVY_COLUMNS)
_TOLD = ("filename", "mimetype", "filesize", "isdocument", "modifiedon", "versionnumber")
"""Columns beside a document that tell of it."""

_OF_DOCUMENT = ("versionnumber", "modifiedon", "filesize")
"""Those that change with it. E-mail attachments have no modifiedon; a version number tells apart
what changes twice within a second."""


@dataclass(frozen=True)
class WantedFile:
    """A file that a row has.

    Attributes:
        key: of the row.
        column: the column that holds it.
        version: changes when the file does, and perhaps more often.
        name: that users have given it, if the row tells.
        mime_type: likewise.
        size: in bytes, if the row tells.
    """

    key: str
    column: FileColumn
    version: str
    name: str | None = None
    mime_type: str | None = None
    size: int | None = None

    @property
    def path(self) -> str:
        """Where it is, below the Web API's root."""
        return f"{self.row}/{self.column.name}/$value"

    @property
    def row(self) -> str:
        """Its row, below the Web API's root."""
        return f"{self.column.table}({self.key})"


@dataclass(frozen=True)
class FileColumn:
    """A column that holds a file in each row.

    Attributes:
        table: entity set name.
        key: name of the table's key column.
        name: of the column.
        kind: of a file column, an image column, or of the base64 of notes and e-mail attachments.
        versions: columns that together change when the file does.
        told: further columns that tell of the file.
    """

    table: str
    key: str
    name: str
    kind: Kind
    versions: tuple[str, ...]
    told: tuple[str, ...] = ()

    @property
    def needed(self) -> tuple[str, ...]:
        """The columns that have to be read of each row."""
        return tuple(dict.fromkeys((*self.versions, *self.told)))

    @property
    def query(self) -> dict[str, str]:
        """Options of the download: images come as thumbnails else."""
        return {"size": "full"} if self.kind == "image" else {}

    def wanted(self, rows: pa.Table) -> Iterator[WantedFile]:
        """The files of rows, which have the columns `needed` and the key."""
        names = [one for one in (self.key, *self.needed) if one in rows.column_names]
        for row in rows.select(list(dict.fromkeys(names))).to_pylist():
            if self.has_file(row):
                told = (
                    [row.get(one) for one in ("filename", "mimetype", "filesize")]
                    if self.kind == "document"
                    else []
                )
                yield WantedFile(str(row[self.key]), self, self.version(row), *told)

    def version(self, row: Mapping[str, Any]) -> str:
        """The version of a row's file."""
        return "/".join(_text(row.get(name)) for name in self.versions)

    def has_file(self, row: Mapping[str, Any]) -> bool:
        """Whether a row, with the columns `needed`, has a file in this column."""
        key = str(row[self.key])
        if not is_guid(key) or key != key.lower():  # it becomes a part of a path
            return False
        if self.kind == "document":
            return bool(row.get("isdocument", True))  # e-mail attachments always are
        return any(row.get(name) is not None for name in self.versions)


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return "" if value is None else str(value)


def parsed(entry: str) -> tuple[str, str | None]:
    """Table and column of an entry of the setting ``files``; no column for notes and attachments.

    Raises:
        ValueError: it is neither ``table`` nor ``table.column``.
    """
    table, dot, column = entry.partition(".")
    if not table or (dot and not column) or "." in column:
        raise ValueError(entry)
    return table, column or None


def file_columns(table: Table, entries: Sequence[str]) -> tuple[FileColumn, ...]:
    """The file columns of a table that entries of the setting ``files`` name.

    Args:
        table: with its columns.
        entries: those of this table.

    Raises:
        ConfigurationError: an entry names no column that holds files.
    """
    found = [_file_column(table, entry, parsed(entry)[1]) for entry in entries]
    return tuple(dict.fromkeys(found))


def _file_column(table: Table, entry: str, name: str | None) -> FileColumn:
    shown, document = str(table.entity_set_name), _DOCUMENTS.get(table.logical_name)
    known = sorted(column.name for column in table.columns if column.type in _KINDS)
    known += [document] if document else []
    if len(table.key_columns) > 1:
        raise _wrong(entry, f"{shown} is an elastic table, which has no files", "Take it out.")
    if name is None and document is None:
        raise _wrong(
            entry,
            f"{shown} holds files in columns of its own, and none is named",
            f"Name it: {' or '.join(f'{shown}.{one}' for one in known)}."
            if known
            else "It has none: take it out.",
        )
    column = name or str(document)
    if column not in known:
        is_there = table.has(column)
        what = f"{shown}.{column} is no file column" if is_there else f"{shown} has no {column}"
        listed = f"Columns of {shown} that hold files: {', '.join(known) or 'none'}."
        raise _wrong(entry, what, " ".join(filter(None, (did_you_mean(column, known), listed))))
    if column == document:
        told = tuple(one for one in _TOLD if _in_rows(table, one))
        versions: tuple[str, ...] = tuple(one for one in _OF_DOCUMENT if one in told)
        return FileColumn(shown, table.primary_id, column, "document", versions, told)
    kind = _KINDS[table.column(column).type]
    versions = (column,)  # a file's id: each upload has another
    if kind == "image":
        companions = (f"{column}_timestamp", f"{column}id")
        versions = tuple(one for one in companions if _in_rows(table, one))
        if not versions:
            raise _wrong(entry, f"{shown} does not tell when {column} changes", "Take it out.")
    return FileColumn(shown, table.primary_id, column, kind, versions)


def _in_rows(table: Table, name: str) -> bool:
    return table.has(name) and table.column(name).in_rows


def with_needed(
    table: Table, chosen: Sequence[Column], files: Sequence[FileColumn]
) -> tuple[Column, ...]:
    """The columns to read, with those that tell of files: they are always read."""
    names = {one.name for one in chosen}
    missing = {name for one in files for name in one.needed} - names
    return (*chosen, *(table.column(name) for name in sorted(missing)))


def _wrong(entry: str, what: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(
        f"files names {entry!r}: {what}",
        where="[sources.dataverse] files",
        remedy=remedy,
        setting="files",
    )
