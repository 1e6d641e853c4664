"""``$expand``, paths below a row, keys and conditional reads, in the shapes of the docs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from dataverse_source.sandbox.schema.tables import AlternateKey, Schema
from tests.support.sandbox.reading import HOST, ROOT, Reading, reading, small_schema

MAKER = "78914942-34cb-ed11-b596-0022481d68cd"
OTHER = "7a914942-34cb-ed11-b596-0022481d68cd"
SYNTAX = "0x80060888"


def with_key(schema: Schema) -> Schema:
    widget, maker = schema.tables
    keyed = replace(maker, keys=(AlternateKey("named", ("new_name", "new_size")),))
    return replace(schema, tables=(widget, keyed))


@pytest.fixture(scope="module")
def side() -> Iterator[Reading]:
    with reading(with_key(small_schema())) as made:
        store = made.store
        store.create("new_maker", {"new_makerid": MAKER, "new_name": "Litware", "new_size": 3})
        store.create("new_maker", {"new_makerid": OTHER, "new_name": "Adatum"})
        for number in range(3):
            store.create(
                "new_widget",
                {"new_name": f"Widget {number}", "new_makerid": MAKER, "new_count": number},
            )
        store.create("new_widget", {"new_name": "Stray"})
        yield made


def widgets(side: Reading) -> list[dict[str, Any]]:
    return [row for row in side.store.rows("new_widget") if row["new_makerid"]]


def test_a_lookup_has_no_etag_in_a_collection_and_may_be_null(side: Reading) -> None:
    page = side.json("new_widgets?$select=new_name&$expand=new_MakerId($select=new_name)")
    assert page["@odata.context"] == (
        f"{ROOT}$metadata#new_widgets(new_name,new_MakerId(new_name))"
    )
    related = {row["new_name"]: row["new_MakerId"] for row in page["value"]}
    assert related["Widget 0"] == {"new_name": "Litware", "new_makerid": MAKER}
    assert related["Stray"] is None


def test_a_collection_is_whole_has_a_way_back_and_a_link_to_itself(side: Reading) -> None:
    page = side.json(
        "new_makers?$select=new_name&$expand=new_maker_widgets($select=new_name)",
        "odata.maxpagesize=1",
    )
    (maker,) = page["value"]
    first = widgets(side)[0]
    assert maker["new_maker_widgets"][0] == {
        "@odata.etag": f'W/"{first["versionnumber"]}"',
        "new_name": "Widget 0",
        "_new_makerid_value": MAKER,
        "new_widgetid": first["new_widgetid"],
    }
    assert len(maker["new_maker_widgets"]) == 3
    link = maker["new_maker_widgets@odata.nextLink"]
    assert link == f"{ROOT}new_makers({MAKER})/new_maker_widgets?$select=new_name"
    again = side.json(link[len(ROOT) :])
    assert [row["new_name"] for row in again["value"]] == ["Widget 0", "Widget 1", "Widget 2"]


def test_options_within_a_collection(side: Reading) -> None:
    page = side.json(
        "new_makers?$select=new_name&$expand=new_maker_widgets("
        "$select=new_name;$filter=new_count gt 0;$orderby=new_count desc;$top=1)"
    )
    by_name = {row["new_name"]: row for row in page["value"]}
    assert [row["new_name"] for row in by_name["Litware"]["new_maker_widgets"]] == ["Widget 2"]
    assert by_name["Adatum"]["new_maker_widgets"] == []
    assert " " not in by_name["Adatum"]["new_maker_widgets@odata.nextLink"]


def test_in_nested_form_collections_are_paged_and_rows_bare(side: Reading) -> None:
    page = side.json(
        "new_makers?$select=new_name&$expand=new_maker_widgets("
        "$select=new_name;$expand=new_MakerId($select=new_name))",
        "odata.maxpagesize=2",
    )
    maker = next(row for row in page["value"] if row["new_makerid"] == MAKER)
    rows = maker["new_maker_widgets"]
    assert rows[0] == {
        "new_name": "Widget 0",
        "new_widgetid": widgets(side)[0]["new_widgetid"],
        "new_MakerId": {"new_name": "Litware", "new_makerid": MAKER},
    }
    assert len(rows) == 2
    first, last = (row["new_widgetid"] for row in rows)
    link = maker["new_maker_widgets@odata.nextLink"]
    assert link == (
        f"{ROOT}new_makers({MAKER})/new_maker_widgets?$select=new_name&"
        "$expand=new_MakerId($select=new_name)&$skiptoken=%3Ccookie%20pagenumber=%222%22%20"
        "pagingcookie=%22%253ccookie%2520page%253d%25221%2522%2520countOfRecords%253d%25222%2522"
        f"%253e%253cnew_widgetid%2520last%253d%2522%257b{last}%257d%2522%2520first%253d%2522"
        f"%257b{first}%257d%2522%2520%252f%253e%253c%252fcookie%253e%22%20"
        "istracking=%22False%22%20/%3E"
    )
    rest = side.json(link[len(ROOT) :], "odata.maxpagesize=2")
    assert [row["new_name"] for row in rest["value"]] == ["Widget 2"]
    assert "@odata.nextLink" not in rest


def test_references(side: Reading) -> None:
    page = side.json(
        "new_widgets?$select=new_name&$expand=new_MakerId/$ref&$top=1&$orderby=new_name desc"
    )
    assert page["@odata.context"] == (
        f"{ROOT}$metadata#new_widgets(new_name,new_MakerId,new_MakerId/$ref())"
    )
    (row,) = page["value"]
    assert list(row) == [
        "@odata.etag",
        "new_name",
        "_new_makerid_value",
        "new_widgetid",
        "new_MakerId",
    ]
    assert row["new_MakerId"] == {"@odata.id": f"{ROOT}new_makers({MAKER})"}


def test_one_row_with_related_rows_has_etags_and_no_links(side: Reading) -> None:
    row = side.json(
        f"new_makers({MAKER})?$select=new_name&$expand=new_maker_widgets($select=new_name)"
    )
    assert row["@odata.context"].endswith(
        "#new_makers(new_name,new_maker_widgets(new_name))/$entity"
    )
    assert list(row["new_maker_widgets"][0]) == ["@odata.etag", "new_name", "new_widgetid"]
    assert not [name for name in row if name.endswith("nextLink")]
    key = widgets(side)[0]["new_widgetid"]
    row = side.json(f"new_widgets({key})?$select=new_name&$expand=new_MakerId($select=new_name)")
    assert list(row["new_MakerId"]) == ["@odata.etag", "new_name", "new_makerid"]


@pytest.mark.parametrize(
    ("expand", "message"),
    [
        ("new_maker_widgets/$ref",
         "Expand with $ref is only supported on lookup type navigation property."),
        ("nope", "Could not find a property named 'nope' on type"),
        ("new_maker_widgets()", "Missing expand option on navigation property"),
        ("new_maker_widgets($top=1;$expand=new_MakerId($select=new_name))",
         "Only $select and $filter clause can be provided while doing $expand on many-to-one "
         "relationship or nested one-to-many relationship."),
        ("new_maker_widgets($count=true)", "Found an unsupported query option '$count'"),
        (",".join(["new_maker_widgets($select=new_name)"] * 16), "exceeds the limit of 15"),
    ],
)  # fmt: skip
def test_refused_expansions(side: Reading, expand: str, message: str) -> None:
    status, code, text = side.fault(f"new_makers?$expand={expand}")
    assert (status, code) == (400, SYNTAX)
    assert message in text


def test_paths_below_a_row(side: Reading) -> None:
    key = widgets(side)[1]["new_widgetid"]
    assert side.json(f"new_widgets({key})/new_name") == {
        "@odata.context": f"{ROOT}$metadata#new_widgets({key})/new_name",
        "value": "Widget 1",
    }
    assert side.ask(f"new_widgets({key})/new_name/$value").body == b"Widget 1"
    assert side.ask(f"new_widgets({key})/new_notes").status == 204
    assert side.ask(f"new_widgets({key})/new_buyerid_new_maker").status == 204
    maker = side.json(f"new_widgets({key})/new_MakerId?$select=new_name")
    assert maker["@odata.context"] == f"{ROOT}$metadata#new_makers(new_name)/$entity"
    assert maker["new_name"] == "Litware"
    assert side.json(f"new_widgets({key})/new_MakerId/$ref") == {
        "@odata.context": f"{ROOT}$metadata#$ref",
        "@odata.id": f"{ROOT}new_makers({MAKER})",
    }
    assert side.json(f"new_makers({MAKER})/new_maker_widgets/$ref") == {
        "@odata.context": f"{ROOT}$metadata#Collection($ref)",
        "value": [
            {"@odata.id": f"{ROOT}new_widgets({row['new_widgetid']})"} for row in widgets(side)
        ],
    }
    assert side.ask(f"new_makers({MAKER})/new_maker_widgets/$count").body == b"\xef\xbb\xbf3"
    assert side.fault(f"new_makers({MAKER})/nope")[0] == 404
    assert side.fault(f"new_makers({key})/new_maker_widgets")[0] == 404


def test_alternate_keys(side: Reading) -> None:
    row = side.json("new_makers(new_name='LITWARE',new_size=3)?$select=new_size")
    assert row["new_makerid"] == MAKER
    assert side.fault("new_makers(new_name='x',new_size=3)") == (
        404,
        "0x80060891",
        "A record with the specified key values does not exist in new_maker entity",
    )
    assert side.fault("new_makers(new_name='x')")[:2] == (400, SYNTAX)
    assert (
        side.json("new_makers(new_name=@n,new_size=@s)?@n='Litware'&@s=3")["new_makerid"] == MAKER
    )


def test_conditional_reads(side: Reading) -> None:
    rest = f"new_makers({MAKER})?$select=new_name"
    etag = side.json(rest)["@odata.etag"]
    assert side.ask(rest, If_None_Match=etag).status == 304
    assert side.ask(rest, If_None_Match='W/"1"').status == 200
    assert side.ask(rest, If_None_Match="null").status == 200
    annotated = 'odata.include-annotations="*"'
    assert side.ask(rest, annotated, If_None_Match=etag).status == 200
    expanded = f"{rest}&$expand=new_maker_widgets($select=new_name)"
    assert side.ask(expanded, If_None_Match=etag).status == 200


def test_links_echo_the_host_that_was_called(side: Reading) -> None:
    assert json.loads(side.ask("new_makers").body)["@odata.context"].startswith(HOST)
