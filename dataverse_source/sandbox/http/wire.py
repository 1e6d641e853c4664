"""HTTP/1.1 on one connection: reads requests, writes answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import BinaryIO, Protocol

from dataverse_source.sandbox.http.messages import Request

LINE_LIMIT = 256 * 1024
BODY_LIMIT = 128 * 1024 * 1024


class BadRequest(Exception):
    """Bytes that are not an HTTP request."""


class Connection(Protocol):
    """What an answer is written to."""

    def sendall(self, data: bytes, /) -> None:
        """Sends all bytes."""


@dataclass
class Answer:
    """An answer as it goes over the wire, with faults of the transport.

    Attributes:
        headers: in order; names may repeat (Set-Cookie).
        content_length: value of the header, when it must differ from the body's length.
        send_bytes: how much of the body is sent, None for all; then the connection ends.
        ending: ``keep`` the connection, ``close`` it, or ``reset`` it (TCP RST).
        stall: seconds that the server goes silent after ``send_bytes``.
        sent: called with the number of body bytes that were sent.
    """

    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    content_length: int | None = None
    send_bytes: int | None = None
    ending: str = "keep"
    stall: float = 0.0
    sent: Callable[[int], None] | None = None


def read_request(stream: BinaryIO, connection: Connection, scheme: str) -> Request | None:
    """The next request of a connection, None when the client has closed it.

    Raises:
        BadRequest: what came is not HTTP/1.x, or a line or the body is too long.
    """
    line = _line(stream)
    while line == b"\r\n":
        line = _line(stream)
    if not line:
        return None
    parts = line.decode("latin-1").split()
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise BadRequest("not an HTTP/1.x request line")
    method, target, version = parts
    headers = _read_headers(stream)
    if version == "HTTP/1.0":
        headers.setdefault("connection", "close")
    if headers.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = _read_body(stream, headers)
    base_url = f"{scheme}://{headers.get('host', 'localhost')}"
    if target.startswith(("http://", "https://")):
        target = "/" + target.split("/", 3)[-1]
    path, _, query = target.partition("?")
    return Request(method.upper(), path, query, headers, body, base_url)


def write_answer(connection: Connection, answer: Answer, method: str) -> int:
    """Sends the head of an answer and as much of its body as ``send_bytes`` says.

    Returns:
        How many bytes of the body were sent.
    """
    length = len(answer.body) if answer.content_length is None else answer.content_length
    try:
        reason = HTTPStatus(answer.status).phrase
    except ValueError:
        reason = "Unknown"
    lines = [f"HTTP/1.1 {answer.status} {reason}"]
    if not any(name == "Date" for name, _ in answer.headers):
        lines.append(f"Date: {formatdate(usegmt=True)}")
    lines += [f"{name}: {text}" for name, text in answer.headers]
    if answer.status not in (204, 304):
        lines.append(f"Content-Length: {length}")
    if answer.ending != "keep":
        lines.append("Connection: close")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
    body = b"" if method == "HEAD" or answer.status in (204, 304) else answer.body
    if answer.send_bytes is not None:
        body = body[: answer.send_bytes]
    if len(body) < 65536:
        connection.sendall(head + body)
    else:
        connection.sendall(head)
        connection.sendall(body)
    return len(body)


def _line(stream: BinaryIO) -> bytes:
    line = stream.readline(LINE_LIMIT + 1)
    if len(line) > LINE_LIMIT:
        raise BadRequest("line too long")
    return line


def _read_headers(stream: BinaryIO) -> dict[str, str]:
    headers: dict[str, str] = {}
    while (line := _line(stream)) not in (b"\r\n", b"\n"):
        if not line:
            raise BadRequest("connection ended within the headers")
        name, colon, text = line.decode("latin-1").partition(":")
        if not colon:
            raise BadRequest("header without a colon")
        name, text = name.strip().lower(), text.strip()
        headers[name] = f"{headers[name]}, {text}" if name in headers else text
    return headers


def _read_body(stream: BinaryIO, headers: dict[str, str]) -> bytes:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return _read_chunks(stream)
    text = headers.get("content-length", "0")
    if not text.isdigit() or int(text) > BODY_LIMIT:
        raise BadRequest("bad Content-Length")
    body = stream.read(int(text)) if text != "0" else b""
    if len(body) != int(text):
        raise BadRequest("connection ended within the body")
    return body


def _read_chunks(stream: BinaryIO) -> bytes:
    parts: list[bytes] = []
    total = 0
    while True:
        try:
            size = int(_line(stream).split(b";")[0], 16)
        except ValueError:
            raise BadRequest("bad chunk size") from None
        total += size
        if total > BODY_LIMIT:
            raise BadRequest("body too long")
        if size == 0:
            while _line(stream) not in (b"\r\n", b"\n", b""):
                pass
            return b"".join(parts)
        parts.append(stream.read(size))
        _line(stream)
