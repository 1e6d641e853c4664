"""Documents of notes and e-mail attachments: base64 in a column of the row, with name and size.

Sources: docs pages "Use file data with Attachment and Note records" and those of the two tables.
"""

from __future__ import annotations

import base64
import hashlib
import sqlite3
from collections.abc import Mapping
from typing import Any

from dataverse_source.sandbox.schema.tables import Table
from dataverse_source.sandbox.store.cells import cells_of
from dataverse_source.sandbox.store.layout import quote, sql_table

BODIES: Mapping[str, str] = {"annotation": "documentbody", "activitymimeattachment": "body"}
"""The column with the document, by table."""

LONGEST_MADE_UP = 8 * 1024
WITHOUT = 4
"""Every so manyth made-up note has only a text."""


def body_of(table: Table) -> str | None:
    """The column of a table that holds documents; None if none does."""
    name = BODIES.get(table.logical_name)
    return name if name in table.by_name else None


def described(table: Table, values: dict[str, Any]) -> None:
    """Adds what Dataverse itself writes when a document is written: its size, and that it is one.

    Raises:
        ValueError: the document is no base64.
    """
    name = body_of(table)
    if name is None or name not in values:
        return
    text = values[name]
    content = None if text is None else base64.b64decode(text, validate=True)
    told = {
        "filesize": None if content is None else len(content),
        "isdocument": content is not None,
    }
    values.update({one: value for one, value in told.items() if one in table.by_name})


def document_values(table: Table, content: bytes, name: str | None, mime: str) -> dict[str, Any]:
    """The column values of a row with a document."""
    values: dict[str, Any] = {
        BODIES[table.logical_name]: base64.b64encode(content).decode(),
        "filename": name,
        "mimetype": mime,
    }
    described(table, values)
    return values


def on_seeded(connection: sqlite3.Connection, table: Table) -> None:
    """Gives made-up rows documents, in place of the texts that other columns of text get."""
    body = body_of(table)
    if body is None:
        return
    name, text = sql_table(table.logical_name), "rowid, " + quote(table.primary_id)
    seeded = connection.execute(f"SELECT {text} FROM {name} ORDER BY rowid").fetchall()  # noqa: S608
    for number, (row, wire) in enumerate(seeded):
        if table.logical_name == "annotation" and number % WITHOUT == WITHOUT - 1:
            values: dict[str, Any] = {body: None, "filename": None, "mimetype": None}
            described(table, values)
        else:
            seed = hashlib.sha256(str(wire).encode()).digest()
            content = hashlib.shake_256(seed).digest(
                int.from_bytes(seed[:4], "big") % LONGEST_MADE_UP + 1
            )
            values = document_values(
                table, content, f"Document {number + 1}.bin", "application/octet-stream"
            )
        cells = cells_of(table, values)
        changes = ", ".join(f"{quote(one)} = ?" for one in cells)
        connection.execute(
            f"UPDATE {name} SET {changes} WHERE rowid = ?",  # noqa: S608
            (*cells.values(), row),
        )
