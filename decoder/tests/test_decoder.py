"""The package by itself: what it reads, and what it refuses."""

from __future__ import annotations

import gzip
import json
import random
import threading
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import dataverse_decoder
import pyarrow as pa
import pytest
from dataverse_decoder import Decoder, RefusedError, gunzip

FORMATS = {
    "id": "u",
    "text": "u",
    "whole": "l",
    "flag": "b",
    "decimal": "d:23,10",
    "wide": "d:38,38",
    "double": "g",
    "day": "tdD",
    "moment": "tsu:UTC",
    "clock": "tsu:",
}
DECODER = Decoder(FORMATS.items())
NONE = dict.fromkeys(FORMATS)


def rows(body: bytes) -> list[dict[str, Any]]:
    array = pa.array(DECODER.decode(body))
    array.validate(full=True)
    found: list[dict[str, Any]] = array.to_pylist()
    return found


def page(**literals: str) -> bytes:
    """A page of one row whose values are the given pieces of JSON."""
    members = ",".join(f'"{name}":{literal}' for name, literal in literals.items())
    return f'{{"value":[{{{members}}}]}}'.encode("utf-8", "surrogatepass")


def refusal(body: bytes) -> str:
    with pytest.raises(RefusedError) as caught:
        DECODER.decode(body)
    return str(caught.value)


def test_types() -> None:
    assert pa.array(DECODER.decode(b'{"value":[]}')).type == pa.struct(
        {
            "id": pa.string(),
            "text": pa.string(),
            "whole": pa.int64(),
            "flag": pa.bool_(),
            "decimal": pa.decimal128(23, 10),
            "wide": pa.decimal128(38, 38),
            "double": pa.float64(),
            "day": pa.date32(),
            "moment": pa.timestamp("us", "UTC"),
            "clock": pa.timestamp("us"),
        }
    )


@pytest.mark.parametrize(
    ("column", "literal", "expected"),
    [
        ("text", '""', ""),
        ("text", '"a\\"b\\\\c\\/d\\b\\f\\n\\r\\t"', 'a"b\\c/d\b\f\n\r\t'),
        ("text", '"\\u0000\\u00e9\\u20AC\\ud83d\\uDE00"', "\0\u00e9\u20ac\U0001f600"),
        ("text", '"\x7f\u0080\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff"', None),
        ("text", '"' + "x" * 1000 + "\u00e9" * 1000 + '"', "x" * 1000 + "\u00e9" * 1000),
        ("text", "null", None),
        ("whole", "-9223372036854775808", -(2**63)),
        ("whole", "9223372036854775807", 2**63 - 1),
        ("whole", "-0", 0),
        ("flag", "true", True),
        ("flag", "false", False),
        ("decimal", "9999999999999.9999999999", Decimal("9999999999999.9999999999")),
        ("decimal", "-5000000.0000000000", Decimal(-5000000)),
        ("decimal", "-0.0", Decimal(0)),
        ("decimal", "7", Decimal(7)),
        ("wide", "0." + "9" * 38, Decimal("0." + "9" * 38)),
        ("wide", "-0." + "0" * 37 + "1", Decimal("-1E-38")),
        ("double", "47.63", 47.63),
        ("double", "0.30000000000000004", 0.30000000000000004),
        ("double", "9007199254740993", 9007199254740992.0),
        ("double", "-1.7976931348623157E+308", -1.7976931348623157e308),
        ("double", "4.9e-324", 5e-324),
        ("double", "5", 5.0),
        ("day", '"0001-01-01"', date(1, 1, 1)),
        ("day", '"9999-12-31"', date(9999, 12, 31)),
        ("day", '"2000-02-29"', date(2000, 2, 29)),
        (
            "moment",
            '"1969-12-31T23:59:59.999999Z"',
            datetime(1969, 12, 31, 23, 59, 59, 999999, timezone.utc),
        ),
        ("clock", '"0001-01-01T00:00:00Z"', datetime(1, 1, 1)),
        ("clock", '"9999-12-31T23:59:59.1Z"', datetime(9999, 12, 31, 23, 59, 59, 100000)),
    ],
)
def test_values(column: str, literal: str, expected: Any) -> None:
    if expected is None:
        expected = json.loads(literal)
    assert rows(page(**{column: literal})) == [{**NONE, column: expected}]


@pytest.mark.parametrize(
    ("column", "literal", "why"),
    [
        ("text", "5", "not a text"),
        ("text", "{}", "not a text"),
        ("text", '"\\ud83d"', "surrogate"),
        ("text", '"\\ud83d\\ud83d"', "surrogate"),
        ("text", '"\\ude00"', "surrogate"),
        ("text", '"\\u12g4"', "escape"),
        ("text", '"\\x"', "escape"),
        ("text", '"a\nb"', "control"),
        ("text", '"a\0b"', "control"),
        ("text", '"\ud800"', "UTF-8"),
        ("text", "nul", "word"),
        ("whole", "1.0", "whole"),
        ("whole", "1e3", "whole"),
        ("whole", '"1"', "number"),
        ("whole", "9223372036854775808", "64 bits"),
        ("whole", "-9223372036854775809", "64 bits"),
        ("whole", "99999999999999999999", "64 bits"),
        ("whole", "01", "0"),
        ("whole", "-", "number"),
        ("whole", "+1", "number"),
        ("flag", "1", "boolean"),
        ("flag", '"true"', "boolean"),
        ("flag", "truE", "boolean"),
        ("decimal", "0.12345678901", "places"),
        ("decimal", "10000000000000", "digits"),
        ("decimal", "1e2", "exponent"),
        ("decimal", "1.", "digits"),
        ("decimal", ".5", "number"),
        ("double", "1e400", "range"),
        ("double", "1e-400", "range"),
        ("double", "NaN", "number"),
        ("double", "1.e5", "digits"),
        ("double", "1e", "digits"),
        ("day", '"2023-02-29"', "no such date"),
        ("day", '"1900-02-29"', "no such date"),
        ("day", '"0000-01-01"', "no such date"),
        ("day", '"2024-13-01"', "no such date"),
        ("day", '"2024-01-01T00:00:00Z"', "unusual"),
        ("moment", '"2024-01-01"', "unusual"),
        ("moment", '"2024-01-01T10:20:30"', "unusual"),
        ("moment", '"2024-01-01T10:20:30+00:00"', "unusual"),
        ("moment", '"2024-01-01T10:20:30.1234567Z"', "microsecond"),
        ("moment", '"2024-01-01T10:20:30.Z"', "unusual"),
        ("moment", '"2024-01-01T24:00:00Z"', "no such"),
        ("moment", '"2024-01-01T10:20:60Z"', "no such"),
        ("clock", "0", "unusual"),
        ("unknown", "-", "number"),
        ("unknown", "1.", "digits"),
        ("unknown", "01", "0"),
        ("unknown", '"\\s"', "escape"),
        ("unknown", '"\\ud83d"', "surrogate"),
        ("unknown", '"\ud800"', "UTF-8"),
        ("unknown", '"\t"', "control"),
        ("unknown", "[1,]", "number"),
        ("unknown", "[1 2]", "end"),
        ("unknown", '{"a":1,}', "text"),
        ("unknown", '{"a" 1}', "colon"),
        ("unknown", "truth", "word"),
        ("unknown", "[" * 65 + "]" * 65, "deep"),
        ("te\ud800xt", "1", "UTF-8"),
        ("te\\u0078t", '"a"', "name"),
    ],
)
def test_what_is_refused(column: str, literal: str, why: str) -> None:
    assert why in refusal(page(**{column: literal}))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b"{}",
        b'{"@Microsoft.Dynamics.CRM.morerecords":true,"value":[]}',
        b'{"value":[],"@Microsoft.Dynamics.CRM.morerecords":false}',
        b'\xef\xbb\xbf{"value":[]}',
        b'{"value":[{\x00 5}]}',  # a NUL in place of a name
        b'{"value":[{"id":"a",\x00 5}]}',
        b'{"value":[{"id":"a"},{"id":"b",\x00 5}]}',
        b'{"value":[{"unknown":1,\x00 5},{"unknown":1,\x00"id":"a"}]}',
        b'{"value":null}',
        b'{"value":{}}',
        b'{"value":[null]}',
        b'{"value":[{}]',
        b'{"value":[{}]}]',
        b'{"value":[{}]}{"value":[]}',
        b'{"value":[{}]}\0',
        b'{"value":[{},]}',
        b'{"value":[{}{}]}',
        b'{"value":[],"value":[]}',
        b'{"value":[],}',
        b'{"value":[],"@odata.nextLink":5}',
        b'{"value":[],"@odata.nextLink":"a","@odata.nextLink":"a"}',
        b'{"value":[],"error":{"code":"0x80040216"}}',
        b'{"value":[{"id":"a","id":"b"}]}',
        b'{"value":[{"id":null,"id":null}]}',
        b'{"\\u0076alue":[],"value":[]}',
        b'{"value":[],"a":}',
    ],
)
def test_pages_that_are_refused(body: bytes) -> None:
    assert refusal(body)


def test_a_page_cut_off_anywhere_is_refused() -> None:
    body = json.dumps(
        {
            "@odata.context": "c",
            "value": [{"id": "a", "text": "d\u00e9", "whole": 5, "unknown": [1, {"a": None}]}] * 2,
            "@odata.nextLink": "https://c/",
        },
        ensure_ascii=False,
    ).encode()
    assert len(rows(body)) == 2
    for end in range(len(body)):
        assert refusal(body[:end])


def test_links_and_what_is_ignored() -> None:
    body = json.dumps({"@odata.context": "c", "value": [], "@odata.nextLink": "a\u00e9/\n"})
    found = DECODER.decode(body.encode())
    assert (found.next_link, found.delta_link) == ("a\u00e9/\n", None)
    found = DECODER.decode(b'{"@odata.deltaLink":"","x":[{}],"value":[],"@odata.nextLink":null}')
    assert (found.next_link, found.delta_link) == (None, "")


def test_any_order_of_properties_and_any_space() -> None:
    texts = ['{"id":"a","whole":1}', ' { "whole" : 2 ,\r\n\t"x": [ ] , "id" : "b" } ', "{ }"]
    expected = [{"id": "a", "whole": 1}, {"id": "b", "whole": 2}, {}]
    body = ("{\n" + f'"value" : [ {",".join(texts * 50)} ]' + "}\n").encode()
    assert rows(body) == [{**NONE, **row} for row in expected] * 50


def test_more_unknown_names_than_are_kept() -> None:
    many = [{f"n{row}_{name}": name for name in range(30)} | {"whole": row} for row in range(100)]
    assert [row["whole"] for row in rows(json.dumps({"value": many}).encode())] == [*range(100)]


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 128, 1000])
def test_columns_grow(count: int) -> None:
    given = [
        {"id": str(row), "text": "t" * (row % 300), "whole": row, "flag": row % 3 == 0}
        for row in range(count)
    ]
    given[: count // 2] = [{"id": str(row)} for row in range(count // 2)]
    assert rows(json.dumps({"value": given}).encode()) == [{**NONE, **row} for row in given]


@pytest.mark.parametrize("level", range(10))
@pytest.mark.parametrize("content", [b"", b"a", b"abc" * 30, bytes(range(256)) * 5000])
def test_gunzip(level: int, content: bytes) -> None:
    if level and len(content) > 10**6:
        content = content + random.Random(level).randbytes(10**5)
    assert gunzip(gzip.compress(content, level)) == content


def test_what_gunzip_refuses() -> None:
    packed = gzip.compress(b"abc" * 100)
    damaged = bytearray(packed)
    damaged[-6] ^= 1  # the checksum
    too_long = gzip.compress(b"a" * 10**6)
    cut = (packed[:end] for end in range(len(packed)))
    several = gzip.compress(b"a") + packed
    for data in (bytes(damaged), too_long, several, packed + b"x", b"{}" * 20, *cut):
        with pytest.raises(RefusedError):
            gunzip(data)


def test_rows_are_handed_over_once() -> None:
    found = DECODER.decode(page(id='"a"'))
    assert len(pa.array(found)) == 1
    with pytest.raises(ValueError, match="before"):
        pa.array(found)


def test_rows_that_nobody_takes_are_freed() -> None:
    body = page(text='"' + "x" * 10**6 + '"')
    for _ in range(2000):
        DECODER.decode(body).__arrow_c_array__()


def test_rows_outlive_their_decoder() -> None:
    array = pa.array(Decoder([("id", "u")]).decode(page(id='"a"')))
    assert array.field("id").to_pylist() == ["a"]


def test_many_threads_share_one_decoder() -> None:
    bodies = [page(whole=str(number), text=f'"{number}"') for number in range(8)]
    failed: list[int] = []

    def work(number: int) -> None:
        for _ in range(300):
            if rows(bodies[number]) != [{**NONE, "whole": number, "text": str(number)}]:
                failed.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(bodies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


@pytest.mark.parametrize(
    "kind", ["", "i", "d:39,2", "d:5", "d:5,6", "d:0,0", "d:a,b", "d:5,2,256", "tss:", "z"]
)
def test_a_type_that_is_unknown(kind: str) -> None:
    with pytest.raises(ValueError, match="no type"):
        Decoder([("id", kind)])


def test_wrong_arguments() -> None:
    with pytest.raises(TypeError):
        Decoder([("id",)])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        DECODER.decode("text")  # type: ignore[arg-type]
    with pytest.raises(UnicodeEncodeError):
        Decoder([("\ud800", "u")])


def test_what_it_was_built_with() -> None:
    assert dataverse_decoder.GUNZIP in ("libdeflate", "zlib")
    assert dataverse_decoder.INTERFACE == 2
