"""Receives the body of an answer in one piece, and decompresses it when its turn comes.

requests takes it in pieces of 10 kB and decompresses each for itself, which for pages of many
megabytes takes nearly as long again as decompressing them at once.
"""

from __future__ import annotations

import os
import re
import threading
import zlib
from collections.abc import Callable, Iterator
from typing import TypeVar

import requests
import urllib3

T = TypeVar("T")

LARGE = 2**18
"""Bytes of a compressed body from which on it waits for its turn."""

_turns = threading.Semaphore(os.cpu_count() or 1)

MOST_TIMES = 100
"""How many times its size a body may become for room to be made for it beforehand."""

_GZIP = 16 + zlib.MAX_WBITS

_MEMBER = re.compile(rb"\x1f\x8b\x08[\x00-\x1f]")
"""How a member begins (RFC 1952); compressed data may by chance look like it, too."""


def receive(answer: requests.Response) -> None:
    """Receives the body of an answer that was asked for with ``stream=True``.

    It stays compressed until somebody wants ``answer.content``, which then raises
    `requests.exceptions.ContentDecodingError` if the body is damaged.

    Raises:
        requests.RequestException: the connection broke.
    """
    encoding = (answer.headers.get("Content-Encoding") or "").strip().lower()
    if encoding not in ("", "gzip"):
        answer.content  # noqa: B018 (requests receives it, and keeps it)
        return
    try:
        body = answer.raw.read(decode_content=False) or b""
    except urllib3.exceptions.SSLError as error:
        raise requests.exceptions.SSLError(error) from error
    except urllib3.exceptions.ReadTimeoutError as error:
        raise requests.exceptions.ConnectionError(error) from error
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError(error) from error
    finally:
        answer.raw.release_conn()
    if encoding:
        answer.raw = _Compressed(body)
    else:
        answer._content = body


def parsed(answer: requests.Response, parse: Callable[[bytes], T]) -> T:
    """What ``parse`` makes of the body of an answer that `receive` has received.

    Pages become six times as large when they are decompressed, so only as many are at a time
    as there are processors.

    Args:
        answer: from `receive`.
        parse: must not wait for another answer.

    Raises:
        requests.RequestException: the body is damaged.
    """
    raw = answer.raw
    if isinstance(raw, _Compressed) and len(raw.data) >= LARGE:
        with _turns:
            return parse(answer.content)
    return parse(answer.content)


class _Compressed:
    """Takes the place of the connection that a compressed body has come from."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        """The body, in one piece; requests asks for it when it is wanted."""
        try:
            yield gunzipped(self.data)
        except zlib.error as error:
            raise urllib3.exceptions.DecodeError(str(error)) from error

    def close(self) -> None:
        """The connection is in use for something else already."""

    release_conn = close


def gunzipped(data: bytes) -> bytes:
    """What was compressed, in one or several members (RFC 1952).

    Raises:
        zlib.error: ``data`` is damaged or cut.
    """
    # The end tells how long the last member is (RFC 1952); nearly always it is the only one.
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
