"""Pages of changes: rows and deleted rows in one list, taken apart by both decoders alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataverse_source.arrow.decode import decode_fast, decode_page
from dataverse_source.arrow.decode_exact import decode_exact
from dataverse_source.arrow.page import Page
from dataverse_source.arrow.schema import table_schema
from dataverse_source.errors import ProtocolError
from dataverse_source.metadata.model import Column, Table

COLUMNS = (
    Column("accountid", "UniqueidentifierType", is_primary_id=True),
    Column("id", "StringType"),
    Column("reason", "StringType"),
    Column("versionnumber", "BigIntType"),
)
SCHEMA = table_schema(Table("account", "accounts", "accountid", columns=COLUMNS), COLUMNS)
BARE = table_schema(Table("account", "accounts", "accountid", columns=COLUMNS[:1]), COLUMNS[:1])
DECODERS = pytest.mark.parametrize("decode", [decode_page, decode_fast, decode_exact])

Decoder = Callable[..., Page]


X, Y = (f"0080ccb4-38a8-ee11-a000-000d3a2f391{last}" for last in "ab")


def deleted(key: object, reason: str = "deleted") -> dict[str, Any]:
    context = "https://org.crm.dynamics.com/api/data/v9.2/$metadata#accounts/$deletedEntity"
    return {"@odata.context": context, "id": key, "reason": reason}


def row(key: str, **values: object) -> dict[str, Any]:
    return {"@odata.etag": 'W/"1"', "accountid": key, **values}


def body(*entries: dict[str, Any], **members: object) -> bytes:
    return json.dumps({"value": entries, **members}).encode()


@DECODERS
def test_rows_and_deleted_rows_are_told_apart(decode: Decoder) -> None:
    link = "https://org.crm.dynamics.com/api/data/v9.2/accounts?$deltatoken=1"
    page = decode(
        body(deleted(X), row("a", id="own"), deleted(Y), **{"@odata.deltaLink": link}),
        SCHEMA,
        delta=True,
    )
    assert page.rows["accountid"].to_pylist() == ["a"]
    assert page.rows["id"].to_pylist() == ["own"]
    assert page.deleted.to_pylist() == [X, Y]
    assert (page.delta_link, page.next_link) == (link, None)


@DECODERS
def test_a_page_of_nothing_but_deleted_rows_has_all_columns(decode: Decoder) -> None:
    page = decode(body(deleted(X), deleted(Y)), SCHEMA, delta=True)
    assert page.rows.num_rows == 0
    assert page.rows.schema == SCHEMA.arrow
    assert page.deleted.to_pylist() == [X, Y]


@DECODERS
@pytest.mark.parametrize("schema", [SCHEMA, BARE])
def test_a_page_without_changes(decode: Decoder, schema: Any) -> None:
    page = decode(body(), schema, delta=True)
    assert (page.rows.num_rows, len(page.deleted)) == (0, 0)


@DECODERS
def test_an_ordinary_page_takes_no_entry_for_a_deleted_one(decode: Decoder) -> None:
    page = decode(body(row("a")), SCHEMA)
    assert len(page.deleted) == 0


def test_a_deleted_row_without_a_key_is_refused() -> None:
    with pytest.raises(ProtocolError, match="no key"):
        decode_page(body(deleted(None)), SCHEMA, delta=True)


def test_a_deleted_row_whose_key_is_no_text_is_refused() -> None:
    with pytest.raises(ProtocolError, match="not text"):
        decode_page(body(deleted({"a": 1})), SCHEMA, delta=True)


def test_a_row_without_a_key_is_refused_in_a_delta_too() -> None:
    with pytest.raises(ProtocolError, match="no primary key"):
        decode_page(body(deleted(X), {"versionnumber": 1}), SCHEMA, delta=True)


@given(
    st.lists(
        st.one_of(
            st.uuids().map(lambda key: deleted(str(key))),
            st.builds(
                row,
                st.uuids().map(str),
                id=st.none() | st.text(),
                versionnumber=st.integers(0, 2**63 - 1),
            ),
        ),
        max_size=8,
    )
)
def test_both_decoders_agree_with_a_plain_reading(entries: list[dict[str, Any]]) -> None:
    page = body(*entries)
    gone = [entry["id"] for entry in entries if "reason" in entry]
    there = [entry["accountid"] for entry in entries if "accountid" in entry]
    fast, exact = (decode(page, SCHEMA, delta=True) for decode in (decode_page, decode_exact))
    assert fast.rows.equals(exact.rows)
    assert fast.deleted.equals(exact.deleted)
    assert exact.deleted.to_pylist() == gone
    assert exact.rows["accountid"].to_pylist() == there
