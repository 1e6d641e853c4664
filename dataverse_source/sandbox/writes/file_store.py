"""Stores the contents of file and image columns, and their rows in fileattachment."""

from __future__ import annotations

import base64
import hashlib
import sqlite3
import uuid
from dataclasses import dataclass
from typing import Any, Literal

from dataverse_source.sandbox.environment.environment import Environment
from dataverse_source.sandbox.schema.tables import Column, Table
from dataverse_source.sandbox.store.documents import document_values
from dataverse_source.sandbox.store.store import Store

OCTETS = "application/octet-stream"
LONGEST_MADE_UP = 64 * 1024
ATTACHMENTS = "fileattachment"
Rule = Literal["blocked", "whole_only"]
_RULES = (
    "CREATE TABLE IF NOT EXISTS file_rules (logical_name TEXT NOT NULL, key TEXT NOT NULL, "
    "column_name TEXT NOT NULL, rule TEXT NOT NULL, PRIMARY KEY (logical_name, key, column_name))"
)
_TABLE = (
    "CREATE TABLE IF NOT EXISTS file_contents "
    "(id TEXT PRIMARY KEY, name TEXT NOT NULL, mime TEXT NOT NULL, content BLOB NOT NULL)"
)


@dataclass(frozen=True)
class File:
    """A file and what is known of it; ``content`` may be a part of ``size`` bytes."""

    file_id: str
    name: str
    mime: str
    content: bytes
    size: int


def put_file(
    environment: Environment,
    logical_name: str,
    key: str,
    column: str,
    content: bytes,
    name: str,
    mime: str = OCTETS,
    user_id: str | None = None,
) -> str:
    """Puts a file into a row's file column, in the place of one that is there.

    Args:
        environment: where.
        logical_name: the table.
        key: the row.
        column: the file column.
        content: the file's bytes.
        name: the file's name.
        mime: its MIME type.
        user_id: who does it; None leaves modifiedby as it is.

    Returns:
        The file's id.

    Raises:
        NoSuchRow: there is no such row.
    """
    store, file_id = environment.store, str(uuid.uuid4())
    values = {column: file_id, f"{column}_name": name}
    file = File(file_id, name, mime, content, len(content))
    with store.transaction():
        remove_file(environment, logical_name, key, column)
        store.update(logical_name, key, _known(store, logical_name, values, user_id))
        keep(store, file)
        _attach(store, logical_name, key, column, file)
    return file_id


def put_document(
    environment: Environment,
    logical_name: str,
    content: bytes,
    name: str | None,
    mime: str = OCTETS,
    key: str | None = None,
    **values: Any,
) -> str:
    """Puts a document into a note or an e-mail attachment; returns the row's key.

    Args:
        environment: where.
        logical_name: annotation or activitymimeattachment.
        content: the document's bytes.
        name: its file name.
        mime: its MIME type.
        key: the row; None for a new one.
        **values: of further columns.

    Raises:
        NoSuchRow: there is no such row.
    """
    store = environment.store
    written = {**document_values(store.table(logical_name), content, name, mime), **values}
    if key is None:
        return store.create(logical_name, written)
    store.update(logical_name, key, written)
    return key


def set_rule(
    environment: Environment, logical_name: str, key: str, column: str, rule: Rule | None
) -> None:
    """Has a file be refused, or given only as a whole; a new file in its place has no rule.

    Args:
        environment: where.
        logical_name: the table.
        key: the row.
        column: of the file, the image or the document.
        rule: ``blocked``: a scan or a rule has blocked it. ``whole_only``: it cannot be fetched
            in blocks, as in environments with a key of their own (IsChunkingSupported is false).
            None: neither.
    """
    place = (logical_name, key.lower(), column)
    with environment.store.transaction() as connection:
        connection.execute(_RULES)
        connection.execute(
            "DELETE FROM file_rules WHERE (logical_name, key, column_name) = (?, ?, ?)", place
        )
        if rule is not None:
            connection.execute("INSERT INTO file_rules VALUES (?, ?, ?, ?)", (*place, rule))


def rule_of(store: Store, logical_name: str, key: str, column: str) -> str | None:
    """The rule of `set_rule` for a file, if there is one."""
    with store.reading() as connection:
        if not _has_table(connection, "file_rules"):
            return None
        found = connection.execute(
            "SELECT rule FROM file_rules WHERE (logical_name, key, column_name) = (?, ?, ?)",
            (logical_name, key.lower(), column),
        ).fetchone()
    return None if found is None else str(found[0])


def clear_file(
    environment: Environment, logical_name: str, key: str, column: str, user_id: str
) -> None:
    """Empties a row's file column.

    Raises:
        NoSuchRow: there is no such row.
    """
    store = environment.store
    with store.transaction():
        remove_file(environment, logical_name, key, column)
        values = {column: None, f"{column}_name": None}
        store.update(logical_name, key, _known(store, logical_name, values, user_id))


def remove_file(environment: Environment, logical_name: str, key: str, column: str) -> None:
    """Removes the file of a row's column; the row itself stays unchanged."""
    store = environment.store
    set_rule(environment, logical_name, key, column, None)
    row = store.row(logical_name, key)
    file_id = None if row is None else row[column]
    if file_id is None:
        return
    with store.transaction() as connection:
        connection.execute(_TABLE)
        connection.execute("DELETE FROM file_contents WHERE id = ?", (file_id,))
        if ATTACHMENTS in store.schema.by_logical_name and store.row(ATTACHMENTS, file_id):
            store.delete(ATTACHMENTS, file_id)


def keep(store: Store, file: File) -> None:
    """Keeps a file's content under its id."""
    with store.transaction() as connection:
        connection.execute(_TABLE)
        connection.execute(
            "INSERT INTO file_contents VALUES (?, ?, ?, ?)",
            (file.file_id, file.name, file.mime, file.content),
        )


def file_of(
    store: Store, row: dict[str, Any], column: Column, start: int = 0, length: int | None = None
) -> File:
    """The file of a row's column: what was put there, else what is made up for a seeded row.

    Args:
        store: where it is.
        row: with the column.
        column: of a file or an image.
        start: of the part that is wanted.
        length: of that part; None: all the rest.
    """
    is_image = column.type == "Image"
    file_id = str(row.get(f"{column.name}id") if is_image else row[column.name])
    with store.reading() as connection:
        found = (
            _has_table(connection, "file_contents")
            and connection.execute(
                "SELECT name, mime, coalesce(substr(content, ?, ?), x''), length(content) "
                "FROM file_contents WHERE id = ?",
                (start + 1, 2**31 - 1 if length is None else length, file_id),
            ).fetchone()
        )
    if found:
        return File(file_id, *found)
    if is_image:
        # A made-up image has only its thumbnail.
        name, mime, content = "image.png", "image/png", base64.b64decode(row[column.name])
    else:
        name, mime = str(row.get(f"{column.name}_name") or "file.bin"), OCTETS
        content = _made_up(file_id)
    end = None if length is None else start + length
    return File(file_id, name, mime, content[start:end], len(content))


def place_of(store: Store, file_id: str) -> tuple[Table, str, str] | None:
    """Table, key and column of a file; None when no row of fileattachment tells of it."""
    if ATTACHMENTS not in store.schema.by_logical_name:
        return None
    row = store.row(ATTACHMENTS, file_id)
    if row is None:
        return None
    table = store.table(str(row["objecttypecode"]))
    return table, str(row["objectid"]), str(row["regardingfieldname"])


def _has_table(connection: sqlite3.Connection, name: str) -> bool:
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    return known is not None


def _known(
    store: Store, logical_name: str, values: dict[str, Any], user_id: str | None
) -> dict[str, Any]:
    """The values with who does it, where the table has columns for them."""
    if user_id is not None:
        values = {**values, "modifiedby": user_id}
    return {
        name: value for name, value in values.items() if name in store.table(logical_name).by_name
    }


def _attach(store: Store, logical_name: str, key: str, column: str, file: File) -> None:
    """Tells of a file in the table fileattachment, where there is one for the row's table."""
    attachments = store.schema.by_logical_name.get(ATTACHMENTS)
    if attachments is None or logical_name not in attachments.by_name["objectid"].targets:
        return
    values = {
        "fileattachmentid": file.file_id,
        "filename": file.name,
        "mimetype": file.mime,
        "filesizeinbytes": file.size,
        "regardingfieldname": column,
        "objectid": key,
        "objectid@table": logical_name,
        "objecttypecode": logical_name,
    }
    store.create(ATTACHMENTS, values)


def _made_up(file_id: str) -> bytes:
    """The same bytes for the same id, up to 64 KiB of them."""
    seed = hashlib.sha256(file_id.encode()).digest()
    length = 1 + int.from_bytes(seed[:4], "big") % LONGEST_MADE_UP
    return hashlib.shake_256(seed).digest(length)
