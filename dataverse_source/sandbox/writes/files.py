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
from dataverse_source.sandbox.writes.file_store import OCTETS, File, file_of, keep, put_file

__all__ = ["CHUNK", "put_file", "put_image"]

CHUNK = 4 * 1024 * 1024
"""Bytes of a block: ``x-ms-chunk-size: 4194304`` in the docs' sample."""

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
        keep(store, File(image_id, name, "image/png", full))
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
        DataverseFault: there is no such row (404), or nothing in that range (416).
    """
    row = _row(environment, caller, table, key)
    if _is_hidden(environment, caller, table, column) or row[column.name] is None:
        return Response(204, b"", {"OData-Version": "4.0"})
    if column.type == "Image" and read_options(request.query).get("size") != "full":
        thumbnail = base64.b64decode(row[column.name])
        return _whole(File("", f"{column.name}.png", "image/png", thumbnail))
    file = file_of(environment.store, row, column)
    asked = request.headers.get("range")
    return _whole(file) if asked is None else _part(file, asked)


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
    file = file_of(environment.store, row, column)
    place = json.dumps([table.logical_name, key, column.name])
    return {
        "FileSizeInBytes": len(file.content),
        "FileName": file.name,
        "FileContinuationToken": base64.b64encode(place.encode()).decode(),
        "IsChunkingSupported": True,
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
    file = file_of(environment.store, _row(environment, caller, table, key), column)
    return base64.b64encode(file.content[offset : offset + length]).decode()


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


def _part(file: File, asked: str) -> Response:
    match, size = _RANGE.fullmatch(asked.replace(" ", "")), len(file.content)
    start = int(match[1]) if match else size
    end = min(int(match[2]) if match and match[2] else size - 1, size - 1, start + CHUNK - 1)
    if start > end:
        raise DataverseFault(416, "0x80060888", f"The range '{asked}' is not satisfiable.")
    headers = {
        **_headers(file),
        "x-ms-chunk-size": str(CHUNK),
        "Content-Range": f"bytes {start}-{end}/{size}",
        EXPOSED: "x-ms-file-size; x-ms-file-name; x-ms-chunk-size; mimetype",
    }
    return Response(206, file.content[start : end + 1], headers)


def _headers(file: File) -> dict[str, str]:
    return {
        "Content-Type": OCTETS,
        "OData-Version": "4.0",
        "x-ms-file-size": str(len(file.content)),
        # Headers hold ASCII only.
        "x-ms-file-name": quote(file.name, safe=" ()[]'!,;=+&@$-_.~"),
        "mimetype": file.mime,
        EXPOSED: "x-ms-file-size; x-ms-file-name; mimetype",
    }
