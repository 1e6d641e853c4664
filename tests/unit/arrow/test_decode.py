from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from dataverse_source.arrow.decode import decode_fast, decode_page
from dataverse_source.arrow.decode_exact import decode_exact
from dataverse_source.arrow.page import Page
from dataverse_source.arrow.schema import TableSchema, table_schema
from dataverse_source.errors import DataError, MalformedBodyError, ProtocolError
from dataverse_source.metadata.model import Column, Table

KEY = Column("id", "UniqueidentifierType", is_primary_id=True)
COLUMNS = (
    KEY,
    Column("text", "StringType"),
    Column("whole", "BigIntType"),
    Column("flag", "BooleanType"),
    Column("decimal", "DecimalType", precision=10),
    Column("double", "DoubleType"),
    Column("day", "DateTimeType", date_behavior="DateOnly"),
    Column("moment", "DateTimeType", date_behavior="UserLocal"),
    Column("clock", "DateTimeType", date_behavior="TimeZoneIndependent"),
    Column("image", "ImageType"),
    Column("owner", "OwnerType"),
    Column("rule", "ManagedPropertyType"),
)
SCHEMA = table_schema(Table("new_thing", "new_things", "id", columns=COLUMNS), COLUMNS)

OWNER = "_owner_value"
OWNER_TABLE = "_owner_value@Microsoft.Dynamics.CRM.lookuplogicalname"

DESTINATION = {field.wire_name: field.name for field in SCHEMA.fields}

Decoder = Callable[[bytes, TableSchema], Page]
DECODERS = pytest.mark.parametrize("decode", [decode_page, decode_fast, decode_exact])


def body(*rows: dict[str, Any], **members: object) -> bytes:
    return json.dumps({"value": rows} | members).encode()


def raw(**literals: str) -> bytes:
    """A page of one row whose values are the given pieces of JSON."""
    members = {"id": '"a"'} | literals
    row = ",".join(f'"{name}":{literal}' for name, literal in members.items())
    return f'{{"value":[{{{row}}}]}}'.encode()


def only_row(page: Page) -> dict[str, Any]:
    (row,) = page.rows.to_pylist()
    assert isinstance(row, dict)
    return row


FULL = {
    "id": "a",
    "text": "d\u00e9j\u00e0 \U0001f600\0\n",
    "whole": 638751549947120004,
    "flag": True,
    "decimal": 0.1234567891,
    "double": 47.63,
    "day": "2024-02-29",
    "moment": "2024-02-29T10:20:30Z",
    "clock": "2024-02-29T10:20:30Z",
    "image": "aGk=",
    OWNER: "b",
    OWNER_TABLE: "team",
    "rule": None,
    "@odata.etag": 'W/"5"',
    "unknown": {"deep": [1, None, {"x": "y"}]},
}


@DECODERS
def test_every_type(decode: Decoder) -> None:
    page = decode(body(FULL, {"id": "b"}), SCHEMA)
    assert page.rows.schema == SCHEMA.arrow
    first, second = page.rows.to_pylist()
    assert first == {
        "id": "a",
        "text": "d\u00e9j\u00e0 \U0001f600\0\n",
        "whole": 638751549947120004,
        "flag": True,
        "decimal": Decimal("0.1234567891"),
        "double": 47.63,
        "day": date(2024, 2, 29),
        "moment": datetime(2024, 2, 29, 10, 20, 30, tzinfo=timezone.utc),
        "clock": datetime(2024, 2, 29, 10, 20, 30),
        "image": b"hi",
        "owner": "b",
        "ownertype": "team",
        "rule": None,
    }
    assert set(second.values()) == {"b", None}


@DECODERS
def test_an_empty_page_has_the_full_schema(decode: Decoder) -> None:
    page = decode(b'{"value":[]}', SCHEMA)
    assert page.rows.schema == SCHEMA.arrow
    assert page == Page(page.rows, None, None)
    assert page.rows.num_rows == 0


@DECODERS
def test_links(decode: Decoder) -> None:
    links = {"@odata.nextLink": "https://c/?a=%253c", "@odata.deltaLink": "https://c/?b"}
    page = decode(body(**links), SCHEMA)
    assert (page.next_link, page.delta_link) == tuple(links.values())


@DECODERS
@pytest.mark.parametrize(
    "layout",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: b"\r\n " + text + b"\r\n\r\n",
        lambda text: json.dumps(json.loads(text), indent=4).encode(),
        lambda text: json.dumps(json.loads(text), indent=4, ensure_ascii=False).encode(),
    ],
)
def test_layout_does_not_matter(decode: Decoder, layout: Callable[[bytes], bytes]) -> None:
    text = body(FULL, FULL)
    assert decode(layout(text), SCHEMA) == decode_page(text, SCHEMA)


@pytest.mark.parametrize(
    ("column", "literal", "expected"),
    [
        ("whole", "1.0", 1),
        ("whole", "1e3", 1000),
        ("whole", '"638751549947120004"', 638751549947120004),
        ("decimal", '"20000.0000"', Decimal("20000.0000")),
        ("decimal", "5000000.0000000000", Decimal(5000000)),
        ("decimal", "9999999999999.999999999900000000000000", Decimal("9999999999999.9999999999")),
        ("decimal", "0." + "0" * 60, Decimal(0)),
        ("double", "1", 1.0),
        ("double", '"47.63"', 47.63),
        ("flag", '"true"', True),
        ("text", "12.50", "12.50"),
        ("text", '"half \\ud83d"', "half \ufffd"),
        ("day", '"2024-02-29T00:00:00Z"', date(2024, 2, 29)),
        ("moment", '"2024-02-29T10:20:30.1234560Z"', datetime(2024, 2, 29, 10, 20, 30, 123456)),
        ("moment", '"2024-02-29T10:20:30+02:00"', datetime(2024, 2, 29, 8, 20, 30)),
        ("clock", '"2024-02-29T10:20:30.1234560Z"', datetime(2024, 2, 29, 10, 20, 30, 123456)),
        ("rule", '{"Value":true,"CanBeChanged":false}', '{"Value":true,"CanBeChanged":false}'),
    ],
)
def test_unusual_forms_with_one_meaning(column: str, literal: str, expected: Any) -> None:
    for decode in (decode_page, decode_exact):
        value = only_row(decode(raw(**{column: literal}), SCHEMA))[column]
        if isinstance(value, datetime):
            value = value.replace(tzinfo=None)
        assert value == expected


@pytest.mark.parametrize(
    ("column", "literal"),
    [
        ("whole", "9223372036854775808"),
        ("whole", "1.5"),
        ("whole", "true"),
        ("decimal", "0.12345678901"),
        ("decimal", "10000000000000"),
        ("double", "1e400"),
        ("double", "1.7976931348623159e308"),
        ("flag", "1"),
        ("day", '"2024-02-29T10:00:00Z"'),
        ("day", '""'),
        ("moment", '"2024-02-30T10:20:30Z"'),
        ("moment", "5"),
        ("clock", '"soon"'),
        ("image", '"****"'),
        ("image", "[1]"),
    ],
)
def test_a_value_that_cannot_be_held_is_named(column: str, literal: str) -> None:
    page = raw(**{column: literal}).replace(b'"value":[', b'"value":[{"id":"other"},')
    with pytest.raises(DataError) as caught:
        decode_page(page, SCHEMA)
    assert caught.value.where == f"new_thing.{column}, row a"
    assert caught.value.why
    assert caught.value.remedy


def test_a_long_value_is_shown_shortened() -> None:
    with pytest.raises(DataError) as caught:
        decode_page(raw(image=json.dumps("*" * 10_000)), SCHEMA)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("decode", [decode_page, decode_exact])
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"\xef\xbb\xbf",
        b"<html>Service Unavailable</html>",
        b'{"value":[{"id":"a"}]',
        b'{"value":[{"id":"a"}]}]',
        b'{"value":[{"id":"a"}]}{"value":[]}',
        b'{"value":[{"id":"a"}]}\n{"value":[]}',
        b'{"value":[{"id":"a"},]}',
        b'{"value":[{"id":"a","id":"b"}]}',
        b'{"value":[],"value":[]}',
        b'{"value":[{"id":"a","text":"\xff"}]}',
        b'{"value":[{"id":"a","te\xfft":"b"}]}',
        b'{"value":[{"id":"a","text":"\xed\xa0\x80"}]}',
        b'{"value":[{"id":"a","text":"line\nbreak"}]}',
        b'{"value":[{"id":"a","double":NaN}]}',
        b'{"value":[{"id":"a","double":-Infinity}]}',
        b'{"value":[{"id":"a","whole":01}]}',
        b'{"value":[{"id":"a","decimal":1e99999999999999999999}]}',
        '{"value":[{"id":"a"}]}'.encode("utf-16"),
    ],
)
def test_what_is_not_complete_json(decode: Decoder, text: bytes) -> None:
    with pytest.raises(MalformedBodyError):
        decode(text, SCHEMA)


def test_a_page_cut_off_anywhere_is_malformed() -> None:
    text = body(FULL, {"id": "b"}, **{"@odata.nextLink": "https://c/"})
    decode_page(text, SCHEMA)
    for end in range(len(text)):
        with pytest.raises(MalformedBodyError):
            decode_page(text[:end], SCHEMA)


@pytest.mark.parametrize("decode", [decode_page, decode_exact])
@pytest.mark.parametrize(
    "text",
    [
        b"null",
        b" null ",
        b"true",
        b"[]",
        b'"text"',
        b"{}",
        b'{"value":null}',
        b'{"value":{}}',
        b'{"value":"a"}',
        b'{"value":[null]}',
        b'{"value":[{"id":"a"},null]}',
        b'{"value":[["a"]]}',
        b'{"@odata.nextLink":"https://c/"}',
        b'{"value":[],"@odata.nextLink":5}',
    ],
)
def test_json_that_is_no_page(decode: Decoder, text: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(text, SCHEMA)
    assert not isinstance(caught.value, MalformedBodyError)
    assert caught.value.where == "new_thing"


def test_an_error_in_place_of_rows_is_told() -> None:
    error = {"code": "0x80040216", "message": "An unexpected error occurred."}
    with pytest.raises(ProtocolError, match="0x80040216: An unexpected error occurred"):
        decode_page(json.dumps({"error": error}).encode(), SCHEMA)


@pytest.mark.parametrize("rows", [[{}], [{"id": None}], [{"id": "a"}, {"text": "x"}]])
def test_a_row_without_key_is_refused(rows: list[dict[str, Any]]) -> None:
    for unusual in ({}, {"whole": 1.0}):
        with pytest.raises(ProtocolError, match=r"no primary key(?s:.*)new_thing\.id"):
            decode_page(body(*rows, {"id": "z"} | unusual), SCHEMA)


def test_a_page_longer_than_pyarrows_own_block() -> None:
    rows = [{"id": str(number), "text": "x" * 1000} for number in range(3000)]
    page = decode_fast(json.dumps({"value": rows}, indent=1).encode(), SCHEMA)
    assert page.rows.num_rows == 3000
    assert page.rows["id"].to_pylist() == [row["id"] for row in rows]


def test_rows_are_one_chunk() -> None:
    page = decode_page(body(FULL, FULL), SCHEMA)
    assert {column.num_chunks for column in page.rows.columns} == {1}
    assert isinstance(page.rows, pa.Table)


def test_a_time_finer_than_a_microsecond_is_cut_off_with_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    page = raw(moment='"9999-12-31T23:59:59.9999999Z"', clock='"2024-02-29T10:20:30.1234560Z"')
    schema = table_schema(Table("cut_thing", "cut_things", "id", columns=COLUMNS), COLUMNS)
    for _ in range(2):
        row = only_row(decode_page(page, schema))
        assert row["moment"] == datetime(9999, 12, 31, 23, 59, 59, 999999, timezone.utc)
    warnings = [one.message for one in caplog.records if one.levelname == "WARNING"]
    assert warnings == [
        "cut_thing.moment: times are cut off to microseconds; the rest cannot be loaded"
    ]
