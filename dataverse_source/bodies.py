"""Receives the body of an answer in one piece.

requests takes it in pieces of 10 kB and decompresses each for itself, which for pages of many
megabytes takes nearly as long again as decompressing them at once.
"""

from __future__ import annotations

import re
import zlib

import requests
import urllib3

MOST_TIMES = 100
"""How many times its size a body may become for room to be made for it beforehand."""

_GZIP = 16 + zlib.MAX_WBITS

_MEMBER = re.compile(rb"\x1f\x8b\x08[\x00-\x1f]")
"""How a member begins (RFC 1952); compressed data may by chance look like it, too."""


def receive(answer: requests.Response) -> None:
    """Receives the body of an answer that was asked for with ``stream=True``.

    Raises:
        requests.RequestException: the connection broke, or the body is damaged.
    """
    encoding = (answer.headers.get("Content-Encoding") or "").strip().lower()
    if encoding not in ("", "gzip"):
        answer.content  # noqa: B018 (requests receives it, and keeps it)
        return
    try:
        body = answer.raw.read(decode_content=False) or b""
        answer._content = gunzipped(body) if encoding else body
    except urllib3.exceptions.SSLError as error:
        raise requests.exceptions.SSLError(error) from error
    except urllib3.exceptions.ReadTimeoutError as error:
        raise requests.exceptions.ConnectionError(error) from error
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError(error) from error
    except zlib.error as error:
        raise requests.exceptions.ContentDecodingError(error) from error
    finally:
        answer.raw.release_conn()


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
