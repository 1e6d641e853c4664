"""What a page says about itself besides its rows and links."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dataverse_source.arrow.decode import decode_page
from dataverse_source.arrow.page import MORE_RECORDS
from dataverse_source.arrow.schema import table_schema
from dataverse_source.errors import ProtocolError
from dataverse_source.metadata.model import Column, Table
from dataverse_source.metadata.parse import items

COLUMNS = (
    Column("accountid", "UniqueidentifierType", is_primary_id=True),
    Column("name", "StringType"),
)
SCHEMA = table_schema(Table("account", "accounts", "accountid", columns=COLUMNS), COLUMNS)
ROWS = [{"accountid": "a", "name": "Contoso"}]


def page(rows: Any = ROWS, **members: Any) -> bytes:
    return json.dumps({"value": rows, **members}).encode()


@pytest.mark.parametrize(
    ("said", "more"),
    [(True, True), (False, False), (None, None), ("true", True), ("True", True), ("false", False)],
)
@pytest.mark.parametrize("first", [False, True])
def test_whether_more_rows_follow(said: object, more: bool | None, first: bool) -> None:
    body = page(**{MORE_RECORDS: said})
    if first:
        body = json.dumps({MORE_RECORDS: said, "value": ROWS}).encode()
    found = decode_page(body, SCHEMA)
    assert found.more is more
    assert found.rows.to_pylist() == ROWS


def test_a_page_that_says_nothing() -> None:
    assert decode_page(page(), SCHEMA).more is None


def test_a_delta_link_without_a_next_link_proves_the_end() -> None:
    link, following = "https://a/b?$deltatoken=1", "https://a/b?$skiptoken=2"
    last = page(**{"@odata.deltaLink": link})
    middle = page(**{"@odata.deltaLink": link, "@odata.nextLink": following})
    cut = page(**{"@odata.deltaLink": link, MORE_RECORDS: True})
    found = [decode_page(body, SCHEMA, delta=True).more for body in (last, middle, cut)]
    assert found == [False, None, True]


def test_a_text_in_a_row_is_no_member_of_the_page() -> None:
    rows = [{"accountid": "a", "name": f'"{MORE_RECORDS}": true', MORE_RECORDS: True, "error": 1}]
    found = decode_page(page(rows), SCHEMA)
    assert found.more is None
    assert found.rows.to_pylist() == [{"accountid": "a", "name": rows[0]["name"]}]


def test_what_is_neither_true_nor_false_is_an_error() -> None:
    with pytest.raises(ProtocolError, match="neither true nor false"):
        decode_page(page(**{MORE_RECORDS: 1}), SCHEMA)


@pytest.mark.parametrize("error", [{"code": "0x1", "message": "broke off"}, "broke off"])
def test_an_error_behind_the_rows_is_an_error(error: object) -> None:
    with pytest.raises(ProtocolError, match="broke off"):
        decode_page(page(error=error), SCHEMA)
    with pytest.raises(ProtocolError, match="broke off"):
        decode_page(json.dumps({"error": error, "value": ROWS}).encode(), SCHEMA)


def test_a_list_of_metadata_is_whole() -> None:
    assert items({"value": [{}], MORE_RECORDS: False}, "value", "EntityDefinitions") == [{}]
    for more in (True, "true"):
        with pytest.raises(ProtocolError, match="not complete"):
            items({"value": [{}], MORE_RECORDS: more}, "value", "EntityDefinitions")
