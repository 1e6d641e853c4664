"""Pages with the decoder and without: the same rows, the same errors in the same words."""

from __future__ import annotations

import gzip
import json
import os
import random
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataverse_source.arrow.decode import decode_page
from dataverse_source.arrow.decode_compiled import read_compiled
from dataverse_source.arrow.schema import TableSchema
from dataverse_source.client.body import decompressed
from dataverse_source.config.compiled import SWITCH
from dataverse_source.errors import DataverseError
from tests.conformance.test_corpus_rows import guessed_schema, pages_of_examples
from tests.unit.arrow import test_decode_delta, test_decode_laws
from tests.unit.arrow.test_decode import FULL, SCHEMA, body

MUTATED_PAGES = int(os.environ.get("DECODER_MUTATED_PAGES", "4000"))


@contextmanager
def without_decoder() -> Iterator[None]:
    os.environ[SWITCH] = "off"
    try:
        yield
    finally:
        del os.environ[SWITCH]


def outcome(page: bytes, schema: TableSchema, *, delta: bool) -> object:
    try:
        found = decode_page(page, schema, delta=delta)
    except DataverseError as error:
        return type(error), str(error), error.where, error.why, error.remedy
    found.rows.validate(full=True)
    found.deleted.validate(full=True)
    return found


def check(page: bytes, schema: TableSchema = SCHEMA, *, delta: bool = False) -> object:
    """What a page is decoded to, the same with the decoder and without."""
    with_decoder = outcome(page, schema, delta=delta)
    with without_decoder():
        assert outcome(page, schema, delta=delta) == with_decoder, page
    return with_decoder


def is_read(page: bytes, schema: TableSchema = SCHEMA) -> bool:
    """Whether the decoder reads the page by itself."""
    types = {field.wire_name: field.arrow_type for field in schema.fields}
    return read_compiled(page, types) is not None


def test_the_decoder_is_there_and_can_be_switched_off() -> None:
    assert is_read(body(FULL))
    with without_decoder():
        assert not is_read(body(FULL))


def test_every_type() -> None:
    check(body(FULL, {"id": "b"}, FULL))


def one_value(name: str, form: int) -> st.SearchStrategy[str]:
    strategy, forms = test_decode_laws.FORMS[name]
    return strategy.map(forms[form])


@pytest.mark.parametrize("name", test_decode_laws.FORMS)
@settings(max_examples=100)
@given(data=st.data())
def test_dataverses_own_way_to_write_is_read(name: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(one_value(name, 0) | st.just("null"), max_size=5))
    rows = ",".join(f'{{"id":"a","{name}":{value}}}' for value in values)
    page = f'{{"value":[{rows}]}}'.encode()
    assert is_read(page) or "e-3" in rows  # a double that is smaller than the normal ones
    check(page)


@settings(max_examples=150)
@given(rows=test_decode_laws.ROWS)
def test_every_way_to_write(rows: list[dict[str, tuple[str | None, Any]]]) -> None:
    texts = [
        ",".join(f'"{name}":{text}' for name, (text, _) in row.items() if text is not None)
        for row in rows
    ]
    entries = ",".join(f'{{"id":"a"{"," if text else ""}{text}}}' for text in texts)
    check(f'{{"value":[{entries}]}}'.encode("utf-8", "surrogatepass"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
NAMES = st.sampled_from([*FULL, "@odata.context", "reason", "error"]) | st.text(max_size=5)


@settings(max_examples=300)
@given(
    entries=st.lists(st.dictionaries(NAMES, JSON, max_size=6), max_size=4),
    members=st.dictionaries(
        st.sampled_from(["@odata.nextLink", "@odata.deltaLink", "error", "x"]), JSON, max_size=2
    ),
    delta=st.booleans(),
    ascii=st.booleans(),
)
def test_any_json(entries: list[Any], members: dict[str, Any], delta: bool, ascii: bool) -> None:
    page = json.dumps({"value": entries, **members}, ensure_ascii=ascii)
    check(page.encode("utf-8", "surrogatepass"), delta=delta)


@settings(max_examples=100)
@given(
    entries=st.lists(
        st.one_of(
            st.uuids().map(lambda key: test_decode_delta.deleted(str(key))),
            st.none().map(test_decode_delta.deleted),
            st.builds(test_decode_delta.row, st.uuids().map(str), id=st.none() | st.text()),
        ),
        max_size=8,
    )
)
def test_deltas(entries: list[dict[str, Any]]) -> None:
    page = test_decode_delta.body(*entries)
    for schema in (test_decode_delta.SCHEMA, test_decode_delta.BARE):
        check(page, schema, delta=True)


PIECES = (
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b":", b",", b"-", b".", b"0", b"9", b"e", b"E+", b" "),
    *(b"null", b"true", b"NaN", b"\x00", b"\n", b"\x7f", b"\x80", b"\xc3\xa9", b"\xed\xa0\x80"),
    *(b"\\ud83d", b"\\ude00", b"\\u0069", b"\\/", b"1.0", b"00", b"99999999999999999999"),
    *(b"T", b"Z", b"+00:00", b".1234567", b'"id":', b'"text":"x",', b'"value":[', b"},{", b"[[1]]"),
)


def mutated(page: bytes, chance: random.Random) -> bytes:
    """``page`` with one to three pieces of it written over, put in, left out or moved."""
    text = bytearray(page)
    for _ in range(chance.randint(1, 3)):
        start = chance.randrange(len(text))
        end = start + chance.choice([0, 1, 1, 2, 5, 30])
        piece = chance.choice([*PIECES, b"", bytes(text[start : start + 20])])
        text[start:end] = piece
        if not text:
            break
    return bytes(text)


@pytest.mark.parametrize("seed", range(4))
def test_mutated_pages(seed: int) -> None:
    chance = random.Random(seed)
    plain = {name: value for name, value in FULL.items() if value is not None}
    pages = [
        body(FULL, {"id": "b"} | plain, {"id": "c"}, **{"@odata.nextLink": "https://c/?a"}),
        json.dumps({"value": [FULL, FULL]}, ensure_ascii=False, indent=1).encode(),
        body(test_decode_delta.deleted("x"), FULL, **{"@odata.deltaLink": "https://c/?b"}),
    ]
    read = 0
    for number in range(MUTATED_PAGES // 4):
        page = mutated(pages[number % 3], chance)
        read += is_read(page)
        check(page, delta=number % 3 == 2)
    assert read > MUTATED_PAGES // 4 // 20


def test_documented_pages() -> None:
    read = 0
    for text in pages_of_examples():
        try:
            rows = json.loads(text)["value"]
        except ValueError:
            continue  # printed with something else around it
        schema = guessed_schema(rows) if all(isinstance(row, dict) for row in rows) else None
        if schema is not None:
            check(text.encode(), schema)
            read += is_read(text.encode(), schema)
    assert read > 30


@settings(max_examples=200)
@given(data=st.data())
def test_compressed_bodies(data: st.DataObject) -> None:
    content = data.draw(st.binary(max_size=2000))
    packed = bytearray(gzip.compress(content, data.draw(st.integers(0, 9))))
    for _ in range(data.draw(st.integers(0, 2))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    packed += data.draw(st.sampled_from([b"", b"", b"x", gzip.compress(b"more")]))
    whole = bytes(packed[: data.draw(st.integers(0, len(packed)) | st.just(len(packed)))])

    def unpacked() -> bytes | str:
        try:
            return decompressed(whole)
        except zlib.error as error:
            return str(error)

    with_decoder = unpacked()
    with without_decoder():
        assert unpacked() == with_decoder
