"""Uploads of files: in one request, in chunks of one session, or in blocks by three actions.

Source: docs page "Use file column data". Uploads that have begun are kept in the store until
they are complete.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from typing import Any
from urllib.parse import quote, unquote

from dataverse_source.sandbox.environment.access_rules import require_write
from dataverse_source.sandbox.environment.environment import Caller, Environment
from dataverse_source.sandbox.http.messages import DataverseFault, Request, Response
from dataverse_source.sandbox.query.collection.query import base_url
from dataverse_source.sandbox.query.filter.keys import no_such_row
from dataverse_source.sandbox.query.syntax.odata import bad_query
from dataverse_source.sandbox.query.syntax.options import read_options
from dataverse_source.sandbox.schema.tables import Column, Table
from dataverse_source.sandbox.writes.file_store import (
    ATTACHMENTS,
    OCTETS,
    clear_file,
    place_of,
    put_file,
)
from dataverse_source.sandbox.writes.files import CHUNK

TOO_BIG = "0x80044a02"
TOO_BIG_TEXT = "Attachment file size is too big."
"""unManagedidsattachmentinvalidfilesize (docs page "Use file column data")."""

NAME_HEADER = "x-ms-file-name"
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_TABLES = (
    "CREATE TABLE IF NOT EXISTS uploads (token TEXT PRIMARY KEY, logical_name TEXT NOT NULL, "
    "key TEXT NOT NULL, column_name TEXT NOT NULL, name TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS upload_blocks (token TEXT NOT NULL, block TEXT NOT NULL, "
    "content BLOB NOT NULL, PRIMARY KEY (token, block))",
)
Upload = tuple[str, str, str, str]
"""Logical name, key and column that a file is uploaded to, and the file's name."""


def answer_upload(
    environment: Environment, caller: Caller, request: Request, table: Table, key: str,
    column: Column,
) -> Response:  # fmt: skip
    """``PATCH <set>(<key>)/<column>``: a whole file, the start of a chunked upload, or a chunk.

    Raises:
        DataverseFault: there is no such row, the file has no name or is too big, or the chunk
            does not fit its session.
    """
    _refuse(environment, caller, table, key, column)
    options = read_options(request.query)
    token = options.get("sessiontoken")
    if token is not None:
        return _chunk(environment, caller, request, token)
    given = request.headers.get(NAME_HEADER)
    name = options.get(NAME_HEADER) if given is None else unquote(given)
    if not name:
        raise bad_query(f"The name of the file is missing: {NAME_HEADER}.")
    if request.headers.get("x-ms-transfer-mode", "").lower() == "chunked":
        return _begin_chunks(environment, request, (table.logical_name, key, column.name, name))
    _refuse_size(column, len(request.body))
    mime = request.headers.get("content-type") or OCTETS
    put_file(
        environment, table.logical_name, key, column.name, request.body, name, mime, caller.user_id
    )
    return Response(204, b"", {"OData-Version": "4.0"})


def begin_upload(
    environment: Environment, caller: Caller, table: Table, key: str, parameters: dict[str, Any]
) -> dict[str, Any]:
    """``InitializeFileBlocksUpload``: the token that the file's blocks are sent with."""
    asked = str(parameters.get("FileAttributeName"))
    column = table.by_name.get(asked)
    if column is None or column.type not in ("File", "Image"):
        raise bad_query(f"'{asked}' is no file column of {table.logical_name}.")
    _refuse(environment, caller, table, key, column)
    name = str(parameters.get("FileName") or "")
    if not name:
        raise bad_query("Required parameter 'FileName' is missing.")
    token = _begin(environment, (table.logical_name, key, column.name, name))
    return {"FileContinuationToken": token}


def upload_block(environment: Environment, parameters: dict[str, Any]) -> None:
    """``UploadBlock``: keeps a block of a file, of at most 4 MiB.

    Raises:
        DataverseFault: the token is none of ``begin_upload``, or the block is no base64 or too
            big.
    """
    token, block = str(parameters.get("FileContinuationToken")), parameters.get("BlockId")
    _upload(environment, token)
    if not block:
        raise bad_query("Required parameter 'BlockId' is missing.")
    try:
        content = base64.b64decode(str(parameters.get("BlockData")), validate=True)
    except binascii.Error:
        raise bad_query("The parameter 'BlockData' is no base64.") from None
    if len(content) > CHUNK:
        raise bad_query(f"A block can't have more than {CHUNK} bytes.")
    _keep_block(environment, token, str(block), content)


def commit_upload(
    environment: Environment, caller: Caller, parameters: dict[str, Any]
) -> dict[str, Any]:
    """``CommitFileBlocksUpload``: puts the blocks together, in the order of ``BlockList``.

    Raises:
        DataverseFault: a block was not sent, or the file is too big.
    """
    token, listed = str(parameters.get("FileContinuationToken")), parameters.get("BlockList")
    logical_name, key, column_name, name = _upload(environment, token)
    if not isinstance(listed, list) or not listed:
        raise bad_query("Required parameter 'BlockList' is missing.")
    blocks = _blocks(environment, token)
    missing = [block for block in listed if block not in blocks]
    if missing:
        raise bad_query(f"The block '{missing[0]}' was not uploaded.")
    content = b"".join(blocks[block] for block in listed)
    _refuse_size(environment.store.table(logical_name).by_name[column_name], len(content))
    name = str(parameters.get("FileName") or name)
    mime = str(parameters.get("MimeType") or OCTETS)
    with environment.store.transaction():
        file_id = put_file(
            environment, logical_name, key, column_name, content, name, mime, caller.user_id
        )
        _forget(environment, token)
    return {"FileId": file_id, "FileSizeInBytes": len(content)}


def delete_file(environment: Environment, caller: Caller, parameters: dict[str, Any]) -> None:
    """``DeleteFile``: empties the column that holds a file.

    Raises:
        DataverseFault: there is no such file.
    """
    if ATTACHMENTS not in environment.schema.by_logical_name:
        raise DataverseFault(501, "0x8006088a", f"The sandbox's schema has no {ATTACHMENTS}.")
    file_id = str(parameters.get("FileId") or "").lower()
    found = place_of(environment.store, file_id)
    if found is None:
        raise DataverseFault(
            404, "0x80040217", f"fileattachment With Id = {file_id} Does Not Exist"
        )
    table, key, column = found
    require_write(environment, caller, table, "Write")
    clear_file(environment, table.logical_name, key, column, caller.user_id)


def _refuse(
    environment: Environment, caller: Caller, table: Table, key: str, column: Column
) -> None:
    require_write(environment, caller, table, "Write")
    if column.type == "Image":
        message = "The sandbox makes no thumbnails, so it takes no uploads of images yet."
        raise DataverseFault(501, "0x8006088a", message)
    if environment.store.row(table.logical_name, key) is None:
        raise no_such_row(table, key)


def _refuse_size(column: Column, size: int) -> None:
    if column.max_size_kb is not None and size > column.max_size_kb * 1024:
        raise DataverseFault(400, TOO_BIG, TOO_BIG_TEXT)


def _begin_chunks(environment: Environment, request: Request, upload: Upload) -> Response:
    token = quote(_begin(environment, upload), safe="")
    path = request.path.partition("/api/data/")[2].partition("/")[2]
    headers = {
        "Accept-Ranges": "bytes",
        "Location": f"{base_url(request)}/{path}?sessiontoken={token}",
        "OData-Version": "4.0",
        "x-ms-chunk-size": str(CHUNK),
        "Access-Control-Expose-Headers": "x-ms-chunk-size",
    }
    return Response(200, b"", headers)


def _chunk(environment: Environment, caller: Caller, request: Request, token: str) -> Response:
    """206 for a chunk, 204 for the one that completes the file."""
    logical_name, key, column_name, name = _upload(environment, token)
    match = _RANGE.fullmatch(request.headers.get("content-range", "").strip())
    start, end, size = map(int, match.groups()) if match else (0, -1, 0)
    if match is None or end - start + 1 != len(request.body) or end >= size:
        raise bad_query("The header Content-Range does not fit the body.")
    column = environment.store.table(logical_name).by_name[column_name]
    _refuse_size(column, size)
    with environment.store.transaction():
        _keep_block(environment, token, f"{start:020d}", request.body)
        chunks = _blocks(environment, token)
        content = b"".join(chunks[block] for block in sorted(chunks))
        if len(content) < size:
            return Response(206, b"", {"OData-Version": "4.0"})
        put_file(environment, logical_name, key, column_name, content, name, OCTETS, caller.user_id)
        _forget(environment, token)
    return Response(204, b"", {"OData-Version": "4.0"})


def _begin(environment: Environment, upload: Upload) -> str:
    token = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()
    with environment.store.transaction() as connection:
        for statement in _TABLES:
            connection.execute(statement)
        connection.execute("INSERT INTO uploads VALUES (?, ?, ?, ?, ?)", (token, *upload))
    return token


def _upload(environment: Environment, token: str) -> Upload:
    """What a token stands for.

    Raises:
        DataverseFault: it was not given out, or its upload is complete.
    """
    with environment.store.transaction() as connection:
        for statement in _TABLES:
            connection.execute(statement)
        found: Upload | None = connection.execute(
            "SELECT logical_name, key, column_name, name FROM uploads WHERE token = ?", (token,)
        ).fetchone()
    if found is None:
        raise bad_query("The token of the upload is not valid.")
    return found


def _keep_block(environment: Environment, token: str, block: str, content: bytes) -> None:
    with environment.store.transaction() as connection:
        connection.execute(
            "INSERT OR REPLACE INTO upload_blocks VALUES (?, ?, ?)", (token, block, content)
        )


def _blocks(environment: Environment, token: str) -> dict[str, bytes]:
    with environment.store.reading() as connection:
        found = connection.execute(
            "SELECT block, content FROM upload_blocks WHERE token = ?", (token,)
        ).fetchall()
    return dict(found)


def _forget(environment: Environment, token: str) -> None:
    with environment.store.transaction() as connection:
        connection.execute("DELETE FROM uploads WHERE token = ?", (token,))
        connection.execute("DELETE FROM upload_blocks WHERE token = ?", (token,))
