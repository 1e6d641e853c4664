"""Receives the body of an answer in one piece, and decompresses it in one piece; both are bounded.

requests receives pieces of 10 kB and decompresses each by itself, which for a page of many
megabytes takes nearly twice as long.
"""

from __future__ import annotations

import contextlib
import math
import threading
import zlib
from collections.abc import Callable, Iterator
from typing import TypeVar

import requests
import urllib3

from dataverse_source.client.gunzip import GZIP, gunzipped
from dataverse_source.client.processors import available_processors
from dataverse_source.errors import ProtocolError

__all__ = [
    "LARGE",
    "MOST_BYTES",
    "TooLargeError",
    "decompressed",
    "in_turn",
    "is_compressed",
    "pieces",
    "receive",
]

T = TypeVar("T")

LARGE = 2**18
"""Bytes of a compressed body from which on it waits for its turn to be decompressed."""

MOST_BYTES = 2**28
"""Bytes that a body may have, as received and decompressed. Pages are some tens of megabytes
large; a larger page is asked for once more with fewer rows."""

PIECE = 2**17
"""Bytes that are read at a time of a body that is not kept whole."""

MOST_TIMES = 100
"""How many times its compressed size a body may become, beyond `FREE_BYTES`. gzip makes rows 5 to
30 times smaller; 1,000 times smaller is a body that is meant to fill the memory."""

FREE_BYTES = 2**26
"""Bytes that a body may always become when it is decompressed."""

_turns = threading.Semaphore(math.ceil(available_processors()))

_WINDOW_BITS = {"gzip": GZIP, "x-gzip": GZIP, "deflate": zlib.MAX_WBITS}


class TooLargeError(ProtocolError):
    """A body is larger than any answer needs to be; fewer rows a page may help."""


def is_compressed(encoding: str | None) -> bool:
    """Whether a body with this ``Content-Encoding`` has to be decompressed.

    Raises:
        ProtocolError: the encoding is none that a request asks for.
    """
    name = _name(encoding)
    if name and name not in _WINDOW_BITS:
        raise ProtocolError(
            "The answer has a Content-Encoding that was not asked for",
            why=repr(name[:50]),
            remedy="Check proxies and gateways between this machine and Dataverse.",
        )
    return bool(name)


def receive(answer: requests.Response, most: int) -> bytes:
    """The body of an answer that was asked for with ``stream=True``, as it comes.

    Raises:
        requests.RequestException: the connection broke.
        TooLargeError: more than ``most`` bytes came, or are announced.
    """
    announced = answer.headers.get("Content-Length") or ""
    if announced.isascii() and announced.isdigit() and int(announced[:19]) > most:
        answer.close()
        raise _too_large(most)
    with _network_errors():
        received = answer.raw.read(most + 1, decode_content=False) or b""
        # Only a read that brings nothing says whether the body is shorter than announced.
        received += answer.raw.read(1, decode_content=False) or b""
    if len(received) > most:
        answer.close()
        raise _too_large(most)
    answer.raw.release_conn()
    return received


def pieces(answer: requests.Response) -> Iterator[bytes]:
    """The body of an answer that was asked for with ``stream=True``, piece by piece.

    Raises:
        requests.RequestException: the connection broke, or the body is shorter than announced.
    """
    while True:
        with _network_errors():
            piece = answer.raw.read(PIECE, decode_content=False)
        if not piece:
            answer.raw.release_conn()
            return
        yield piece


@contextlib.contextmanager
def _network_errors() -> Iterator[None]:
    """Errors of urllib3 become those of requests."""
    try:
        yield
    except urllib3.exceptions.SSLError as error:
        raise requests.exceptions.SSLError(error) from error
    except urllib3.exceptions.ReadTimeoutError as error:
        raise requests.exceptions.ReadTimeout(error) from error
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError(error) from error


def in_turn(data: bytes, encoding: str | None, parse: Callable[[bytes], T]) -> T:
    """What ``parse`` makes of a compressed body.

    A page becomes six times as large when it is decompressed, so only as many large bodies are
    decompressed and parsed at a time as there are processors.

    Args:
        data: compressed.
        encoding: its ``Content-Encoding``.
        parse: must not wait for another answer.

    Raises:
        zlib.error: ``data`` is damaged or cut.
        TooLargeError: it becomes too large.
    """
    if len(data) < LARGE:
        return parse(decompressed(data, encoding))
    with _turns:
        return parse(decompressed(data, encoding))


def decompressed(data: bytes, encoding: str | None = "gzip", most: int = MOST_BYTES) -> bytes:
    """The decompressed ``data``, of one member or several (RFC 1952).

    Raises:
        zlib.error: ``data`` is damaged or cut.
        TooLargeError: it becomes larger than ``most`` bytes, or beyond measure.
    """
    most = min(max(FREE_BYTES, MOST_TIMES * len(data)), most)
    if _WINDOW_BITS[_name(encoding)] == GZIP:
        faster = gunzipped(data, most)
        if faster is not None:  # else zlib says what is wrong with it
            return faster
    parts: list[bytes] = []
    room = most + 1
    while data:
        member = zlib.decompressobj(_WINDOW_BITS[_name(encoding)])
        # gzip ends with the length of its last member, nearly always the only one: with it, zlib
        # takes memory once. It may be wrong.
        length = int.from_bytes(data[-4:], "little") + 1
        parts.append(member.decompress(data, min(length, room)))
        if not member.eof and len(parts[-1]) < room:
            parts.append(member.decompress(member.unconsumed_tail, room - len(parts[-1])))
        room = most + 1 - sum(map(len, parts))
        if room <= 0:
            raise _too_large(most)
        if not member.eof:
            raise zlib.error("the compressed body is cut")
        data = member.unused_data
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _name(encoding: str | None) -> str:
    name = (encoding or "").strip().lower()
    return "" if name == "identity" else name


def _too_large(most: int) -> TooLargeError:
    return TooLargeError(
        "The answer is larger than any page needs to be",
        why=f"more than {most:,} bytes",
        remedy="Read fewer columns (select) or smaller pages (page_size).",
    )
