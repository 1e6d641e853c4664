"""One gzip body out of blocks that were compressed before, without compressing anything again.

A deflate stream may be cut at byte boundaries (RFC 1951): blocks of compressed text and
uncompressed pieces between them, one after the other, are a stream again. The checksum of the
whole follows from the checksums of its parts.
"""

from __future__ import annotations

import functools
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

LEVEL = 1
"""zlib's level, that of the sandbox; which one Dataverse's servers use is not published."""

HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""A gzip header without name and time (RFC 1952)."""
LAST_BLOCK = b"\x03\x00"
"""An empty deflate block that is marked as the last one."""
STORED_LIMIT = 0xFFFF
"""Bytes of the longest uncompressed block."""

_POLYNOMIAL = 0xEDB88320
_ONE = 1 << 31


@dataclass(frozen=True)
class Block:
    """Text as a piece of a deflate stream.

    Attributes:
        data: whole bytes of deflate, not marked as the last.
        length: bytes of the text.
        checksum: CRC-32 of the text.
    """

    data: bytes
    length: int
    checksum: int


def compressed(text: bytes) -> Block:
    """The text as a block of its own; it refers to no text before it."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = packer.compress(text) + packer.flush(zlib.Z_FULL_FLUSH)
    return Block(data, len(text), zlib.crc32(text))


def stored(text: bytes) -> Block:
    """A short text as it is.

    Raises:
        ValueError: it is too long.
    """
    if len(text) > STORED_LIMIT:
        raise ValueError("too long for one uncompressed block")
    head = struct.pack("<BHH", 0, len(text), len(text) ^ STORED_LIMIT)
    return Block(head + text, len(text), zlib.crc32(text))


def text_of(block: Block) -> bytes:
    """The text of one block."""
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(block.data)


def gzip_body(blocks: Iterable[Block]) -> bytes:
    """The texts of all blocks, one after the other, as one gzip member."""
    parts, checksum, length = [HEAD], 0, 0
    for block in blocks:
        parts.append(block.data)
        checksum = _product(_shift(block.length), checksum) ^ block.checksum
        length += block.length
    parts += [LAST_BLOCK, struct.pack("<II", checksum, length & 0xFFFFFFFF)]
    return b"".join(parts)


def _product(a: int, b: int) -> int:
    """The product of two polynomials modulo that of CRC-32, bits reflected."""
    result, bit = 0, _ONE
    while bit:
        if a & bit:
            result ^= b
        b = (b >> 1) ^ _POLYNOMIAL if b & 1 else b >> 1
        bit >>= 1
    return result


@functools.lru_cache(maxsize=1 << 16)
def _shift(length: int) -> int:
    """What a checksum has to be multiplied with when ``length`` bytes follow."""
    result, square, exponent = _ONE, 1 << 30, 8 * length
    while exponent:
        if exponent & 1:
            result = _product(square, result)
        square = _product(square, square)
        exponent >>= 1
    return result
