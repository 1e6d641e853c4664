"""Downloads of file and image columns: whole, by range or in blocks; images put by a test.

Sources: docs pages "Use file column data" and "Use image column data".
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from typing import Any
from urllib.parse import quote

from dataverse_source.sandbox.environment.access_rules import no_access_to_row
from dataverse_source.sandbox.environment.column_security import ColumnSecurity
from dataverse_source.sandbox.environment.environment import Caller, Environment
from dataverse_source.sandbox.environment.row_access import is_visible
from dataverse_source.sandbox.http.messages import DataverseFault, Request, Response
from dataverse_source.sandbox.query.collection.query import JSON, base_url
from dataverse_source.sandbox.query.filter.keys import no_such_row
from dataverse_source.sandbox.query.syntax.odata import bad_query
from dataverse_source.sandbox.query.syntax.options import read_options
from dataverse_source.sandbox.schema.tables import Column, Table
from dataverse_source.sandbox.writes.file_store import (
    OCTETS,
    File,
    file_of,
    keep,
    put_file,
    rule_of,
)

__all__ = ["CHUNK", "put_file", "put_image"]

CHUNK = 4 * 1024 * 1024
"""Bytes of a block: ``x-ms-chunk-size: 4194304`` in the docs' sample."""

BLOCKED = "0x80043e09"
BLOCKED_TEXT = (
    "The attachment is either not a valid type or is too large. It cannot be uploaded or "
    "downloaded."
)
NO_BLOCKS = "0x80090017"
"""Chunked downloads are not supported (docs page "Use file column data")."""

EXPOSED = "Access-Control-Expose-Headers"

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


def put_image(
    environment: Environment,
    logical_name: str,
    key: str,
    column: str,
    thumbnail: bytes,
    full: bytes,
    name: str = "image.png",
) -> str:
    """Puts an image into a row's image column; returns the image's id.

    Args:
        environment: where.
        logical_name: the table.
        key: the row.
        column: the image column.
        thumbnail: what rows carry, 144 x 144 pixels in Dataverse.
        full: what ``$value?size=full`` answers.
        name: the file's name.

    Raises:
        NoSuchRow: there is no such row.
    """
    store, image_id = environment.store, str(uuid.uuid4())
    stamp = int(environment.clock.now().timestamp() * 1000)
    values = {
        column: base64.b64encode(thumbnail).decode(),
        f"{column}id": image_id,
        f"{column}_timestamp": stamp,
        f"{column}_url": f"/Image/download.aspx?Entity={logical_name}&Attribute={column}"
        f"&Id={key}&Timestamp={stamp}",
    }
    with store.transaction():
        store.update(logical_name, key, values)
        keep(store, File(image_id, name, "image/png", full, len(full)))
    return image_id


def answer_download(
    environment: Environment,
    caller: Caller,
    request: Request,
    table: Table,
    key: str,
    column: Column,
) -> Response:
    """``GET <set>(<key>)/<column>/$value``: 200, or 206 with ``Range``; 204 when it is empty.

    Raises:
        DataverseFault: there is no such row (404), nothing in that range (416), or the file is
            blocked.
    """
    row = _row(environment, caller, table, key)
    if _is_hidden(environment, caller, table, column) or row[column.name] is None:
        return Response(204, b"", {"OData-Version": "4.0"})
    refuse_blocked(environment, table, key, column)
    if column.type == "Image" and read_options(request.query).get("size") != "full":
        thumbnail = base64.b64decode(row[column.name])
        return _whole(File("", f"{column.name}.png", "image/png", thumbnail, len(thumbnail)))
    asked, switches = request.headers.get("range"), environment.switches
    size = file_of(environment.store, row, column, 0, 0).size
    if size == 0 and switches.empty_file == "204":
        return Response(204, b"", {"OData-Version": "4.0"})
    if size == 0 and switches.empty_file == "200":
        asked = None
    if asked is not None and _is_whole_only(environment, table, key, column):
        if switches.range_of_whole_file == "refused":
            raise _no_blocks()
        asked = None
    if asked is None:
        return _whole(file_of(environment.store, row, column))
    start, end = _range(asked, size)
    answer = _part(file_of(environment.store, row, column, start, end - start + 1), start)
    if switches.content_range == "absent":
        del answer.headers["Content-Range"]
    return answer


def refuse_blocked(environment: Environment, table: Table, key: str, column: Column) -> None:
    """Refuses a blocked file.

    Raises:
        DataverseFault: it is one (AttachmentBlocked in the error code list).
    """
    if rule_of(environment.store, table.logical_name, key, column.name) == "blocked":
        status = int(environment.switches.blocked_file)
        raise DataverseFault(status, BLOCKED, BLOCKED_TEXT)


def is_download(request: Request, column: Column) -> bool:
    """Whether ``GET <set>(<key>)/<column>`` is for a file, and not for what the row carries."""
    full = "range" in request.headers or read_options(request.query).get("size") == "full"
    return column.type == "File" or (column.type == "Image" and full)


def answer_in_base64(
    environment: Environment,
    caller: Caller,
    request: Request,
    table: Table,
    key: str,
    column: Column,
) -> Response:
    """``GET <set>(<key>)/<column>`` without ``$value``: the same bytes, but in JSON.

    Raises:
        DataverseFault: as ``answer_download``.
    """
    answer = answer_download(environment, caller, request, table, key, column)
    if answer.status == 204:
        return answer
    place = f"{table.entity_set_name}({key})/{column.wire_name}"
    text = base64.b64encode(answer.body).decode()
    body = {"@odata.context": f"{base_url(request)}/$metadata#{place}", "value": text}
    name = answer.headers["x-ms-file-name"]
    headers = {"Content-Type": JSON, "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(answer.status, json.dumps(body).encode(), {**answer.headers, **headers})


def begin_blocks(
    environment: Environment, caller: Caller, table: Table, key: str, name: Any
) -> dict[str, Any]:
    """``InitializeFileBlocksDownload``: what a file is, and the token to ask for its blocks.

    Raises:
        DataverseFault: no such row or file column, or the column is empty.
    """
    column = table.by_name.get(str(name))
    if column is None or column.type not in ("File", "Image"):
        raise bad_query(f"'{name}' is no file column of {table.logical_name}.")
    row = _row(environment, caller, table, key)
    if _is_hidden(environment, caller, table, column) or row[column.name] is None:
        raise DataverseFault(404, "0x80040217", f"No file attachment found for {name}.")
    refuse_blocked(environment, table, key, column)
    file = file_of(environment.store, row, column, 0, 0)
    place = json.dumps([table.logical_name, key, column.name])
    return {
        "FileSizeInBytes": file.size,
        "FileName": file.name,
        "FileContinuationToken": base64.b64encode(place.encode()).decode(),
        "IsChunkingSupported": not _is_whole_only(environment, table, key, column),
    }


def read_block(
    environment: Environment, caller: Caller, token: Any, offset: Any, length: Any
) -> str:
    """``DownloadBlock``: some bytes of a file in base64.

    Raises:
        DataverseFault: the token is none of ``begin_blocks``, or the numbers are wrong.
    """
    if not isinstance(offset, int) or not isinstance(length, int) or offset < 0 or length < 1:
        raise bad_query("DownloadBlock needs an Offset and a BlockLength.")
    try:
        logical_name, key, name = json.loads(base64.b64decode(str(token), validate=True))
        table = environment.store.table(logical_name)
        column = table.by_name[name]
    except (ValueError, KeyError, TypeError):
        raise bad_query("The FileContinuationToken is not valid.") from None
    row = _row(environment, caller, table, key)
    file = file_of(environment.store, row, column, offset, length)
    if _is_whole_only(environment, table, key, column) and (offset or length < file.size):
        raise _no_blocks()
    return base64.b64encode(file.content).decode()


def _is_whole_only(environment: Environment, table: Table, key: str, column: Column) -> bool:
    return rule_of(environment.store, table.logical_name, key, column.name) == "whole_only"


def _no_blocks() -> DataverseFault:
    return DataverseFault(400, NO_BLOCKS, "Chunked downloads are not supported for this file.")


def _row(environment: Environment, caller: Caller, table: Table, key: str) -> dict[str, Any]:
    row = environment.store.row(table.logical_name, key)
    if row is None:
        raise no_such_row(table, key)
    if not is_visible(environment, caller, table, key):
        raise no_access_to_row(environment, caller, table)
    return row


def _is_hidden(environment: Environment, caller: Caller, table: Table, column: Column) -> bool:
    return ColumnSecurity(environment, caller).access(table, column) == "hidden"


def _whole(file: File) -> Response:
    return Response(200, file.content, _headers(file))


def _range(asked: str, size: int) -> tuple[int, int]:
    """First and last byte of a range, of at most a block.

    Raises:
        DataverseFault: there is nothing in that range (416).
    """
    match = _RANGE.fullmatch(asked.replace(" ", ""))
    start = int(match[1]) if match else size
    end = min(int(match[2]) if match and match[2] else size - 1, size - 1, start + CHUNK - 1)
    if start > end:
        raise DataverseFault(416, "0x80060888", f"The range '{asked}' is not satisfiable.")
    return start, end


def _part(file: File, start: int) -> Response:
    headers = {
        **_headers(file),
        "x-ms-chunk-size": str(CHUNK),
        "Content-Range": f"bytes {start}-{start + len(file.content) - 1}/{file.size}",
        EXPOSED: "x-ms-file-size; x-ms-file-name; x-ms-chunk-size; mimetype",
    }
    return Response(206, file.content, headers)


def _headers(file: File) -> dict[str, str]:
    return {
        "Content-Type": OCTETS,
        "OData-Version": "4.0",
        "x-ms-file-size": str(file.size),
        # Headers hold ASCII only.
        "x-ms-file-name": quote(file.name, safe=" ()[]'!,;=+&@$-_.~"),
        "mimetype": file.mime,
        EXPOSED: "x-ms-file-size; x-ms-file-name; mimetype",
    }
