"""gzip for answers, when the client asks for it."""

from __future__ import annotations

import zlib

LEVEL = 1
SMALLEST = 512
"""Bytes below which compression is not worth its head and tail."""

_GZIP_WINDOW = 16 + zlib.MAX_WBITS


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header names gzip without forbidding it (``q=0``)."""
    for part in accept_encoding.lower().split(","):
        name, _, weight = part.strip().partition(";")
        if name.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def gzip(body: bytes) -> bytes:
    """The body as one gzip member."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    return packer.compress(body) + packer.flush()
