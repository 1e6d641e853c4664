"""Decompresses gzip with the fastest library that is installed; Python's zlib does what they leave.

zlib takes two to three times as long as libdeflate, in the compiled decoder, and as isal. Both are
options.
"""

from __future__ import annotations

import contextlib
import functools
import zlib
from types import ModuleType

from dataverse_source.config.compiled import compiled_decoder

__all__ = ["GZIP", "gunzipped"]

GZIP = 16 + zlib.MAX_WBITS
"""Window bits that stand for gzip."""


def gunzipped(data: bytes, most: int) -> bytes | None:
    """The decompressed ``data``; None where it is damaged or unusual, or no library is installed.

    Args:
        data: of one member, compressed with gzip (RFC 1952).
        most: bytes that it may become.
    """
    length = int.from_bytes(data[-4:], "little")  # modulo 2**32; it may be wrong
    if length > most:
        return None
    decoder, isal = compiled_decoder(), find_isal()
    if decoder is not None and (isal is None or decoder.GUNZIP != "zlib"):
        with contextlib.suppress(decoder.RefusedError):
            made: bytes = decoder.gunzip(data)
            return made
    elif isal is not None:
        with contextlib.suppress(isal.error):
            member = isal.decompressobj(GZIP)
            made = member.decompress(data, length + 1)
            if member.eof and not member.unused_data:
                return made
    return None


@functools.cache
def find_isal() -> ModuleType | None:
    """The module ``isal.isal_zlib``, if it is installed."""
    try:
        from isal import isal_zlib
    except ImportError:
        return None
    return isal_zlib
