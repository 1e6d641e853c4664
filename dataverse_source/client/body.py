"""Receives the body of an answer in one piece, and decompresses it in one piece.

requests receives pieces of 10 kB and decompresses each by itself, which for a page of many
megabytes takes nearly twice as long.
"""

from __future__ import annotations

import math
import re
import threading
import zlib
from collections.abc import Callable
from typing import TypeVar

import requests
import urllib3

from dataverse_source.client.processors import available_processors

__all__ = ["LARGE", "gunzipped", "in_turn", "is_gzip", "receive"]

T = TypeVar("T")

LARGE = 2**18
"""Bytes of a compressed body from which on it waits for its turn to be decompressed."""

_turns = threading.Semaphore(math.ceil(available_processors()))

MOST_TIMES = 100
"""How many times its compressed size a body may become for its memory to be reserved at once."""

_GZIP = 16 + zlib.MAX_WBITS

_MEMBER = re.compile(rb"\x1f\x8b\x08[\x00-\x1f]")
"""How a member begins (RFC 1952); compressed data may look like it by chance, too."""


def is_gzip(encoding: str | None) -> bool:
    """Whether a ``Content-Encoding`` is gzip."""
    return (encoding or "").strip().lower() == "gzip"


def receive(answer: requests.Response) -> bytes:
    """The body of an answer that was asked for with ``stream=True``; gzip stays compressed.

    Raises:
        requests.RequestException: the connection broke.
    """
    encoding = answer.headers.get("Content-Encoding")
    if encoding and not is_gzip(encoding):
        return answer.content
    try:
        return answer.raw.read(decode_content=False) or b""
    except urllib3.exceptions.SSLError as error:
        raise requests.exceptions.SSLError(error) from error
    except urllib3.exceptions.ReadTimeoutError as error:
        raise requests.exceptions.ConnectionError(error) from error
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError(error) from error
    finally:
        answer.raw.release_conn()


def in_turn(data: bytes, parse: Callable[[bytes], T]) -> T:
    """What ``parse`` makes of a gzip body.

    A page becomes six times as large when it is decompressed, so only as many large bodies are
    decompressed and parsed at a time as there are processors.

    Args:
        data: compressed.
        parse: must not wait for another answer.

    Raises:
        zlib.error: ``data`` is damaged or cut.
    """
    if len(data) < LARGE:
        return parse(gunzipped(data))
    with _turns:
        return parse(gunzipped(data))


def gunzipped(data: bytes) -> bytes:
    """The decompressed ``data``, of one member or several (RFC 1952).

    Raises:
        zlib.error: ``data`` is damaged or cut.
    """
    # The last 4 bytes are the length of the last member (RFC 1952), nearly always the only one.
    length = int.from_bytes(data[-4:], "little")
    if data and length <= MOST_TIMES * len(data) and not _MEMBER.search(data, 1):
        whole = zlib.decompress(data, _GZIP, bufsize=max(length, 1))
        if len(whole) == length:
            return whole
    parts = []
    while data:
        member = zlib.decompressobj(_GZIP)
        parts.append(member.decompress(data))
        if not member.eof:
            raise zlib.error("the compressed body is cut")
        data = member.unused_data
    return parts[0] if len(parts) == 1 else b"".join(parts)
