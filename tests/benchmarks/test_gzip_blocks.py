from __future__ import annotations

import gzip
import zlib

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.gzip_blocks import compressed, gzip_body, stored, text_of

TEXTS = st.lists(st.tuples(st.booleans(), st.binary(max_size=2000)), max_size=8)


@given(TEXTS)
def test_blocks_make_one_gzip_member(texts: list[tuple[bool, bytes]]) -> None:
    body = gzip_body([compressed(text) if pack else stored(text) for pack, text in texts])
    whole = b"".join(text for _, text in texts)
    assert gzip.decompress(body) == whole
    alone = zlib.decompressobj(16 + zlib.MAX_WBITS)
    assert alone.decompress(body) == whole
    assert alone.eof
    assert alone.unused_data == b""


@given(st.binary(max_size=2000))
def test_a_block_gives_its_text_back(text: bytes) -> None:
    assert text_of(compressed(text)) == text
