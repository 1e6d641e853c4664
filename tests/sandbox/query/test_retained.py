"""Rows that long-term retention has archived: gone from the live table, read by FetchXML alone."""

from __future__ import annotations

from typing import Any

import pytest

from dataverse_source.sandbox.changes import apply
from dataverse_source.sandbox.environment.callers import Caller
from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.schema.schema_changes import with_column
from dataverse_source.sandbox.schema.tables import Column
from dataverse_source.sandbox.switches import Switches
from tests.support.sandbox.fetchxml import address, entity, pages, refusal, rows
from tests.support.sandbox.reading import USER, Reading, reading, small_schema
from tests.support.sandbox.tracking_clients import TRACK, tracker

ARCHIVED = entity("<order attribute='new_widgetid'/>", head="datasource='retained'")


def archived(side: Reading, inside: str = "") -> list[dict[str, Any]]:
    query = entity(inside, "<all-attributes/>", head="datasource='retained'")
    return rows(side, "new_widgets", query)


def test_an_archived_row_leaves_the_live_table() -> None:
    with reading() as side:
        assert archived(side) == []
        keys = [side.store.create("new_widget", {"new_name": name}) for name in "abc"]
        before = side.store.rows("new_widget")[0]
        side.store.retain("new_widget", keys[0])
        assert side.store.retained_rows("new_widget") == [before]
        assert [row["new_name"] for row in archived(side)] == ["a"]
        assert {row["new_name"] for row in rows(side, "new_widgets", entity())} == {"b", "c"}
        # filters, and a page of each row
        side.store.retain("new_widget", keys[1])
        filtered = "<filter><condition attribute='new_name' operator='eq' value='b'/></filter>"
        assert [row["new_name"] for row in archived(side, filtered)] == ["b"]
        read = pages(side, "new_widgets", ARCHIVED, 1)
        assert [[row["new_name"] for row in page] for page in read] == [["a"], ["b"]]


def test_columns_that_came_later_are_empty_and_those_archived_later_have_them() -> None:
    with reading() as side:
        keys = [side.store.create("new_widget", {"new_name": name}) for name in "ab"]
        side.store.retain("new_widget", keys[0])
        side.store.change_schema(
            with_column(side.store.schema, "new_widget", Column("new_later", "Integer"))
        )
        side.store.update("new_widget", keys[1], {"new_later": 4})
        assert "new_later" not in archived(side)[0]
        side.store.retain("new_widget", keys[1])
        found = {row["new_name"]: row.get("new_later") for row in archived(side)}
        assert found == {"a": None, "b": 4}


def test_rows_that_a_delete_would_delete_are_archived_too() -> None:
    with reading(small_schema("Cascade")) as side:
        maker = side.store.create("new_maker", {"new_name": "m"})
        side.store.create("new_widget", {"new_name": "w", "new_makerid": maker})
        side.store.retain("new_maker", maker)
        assert side.store.rows("new_widget") == []
        assert [row["_new_makerid_value"] for row in archived(side)] == [maker]


def test_rights_hold_for_archived_rows() -> None:
    with reading() as side:
        side.store.retain("new_widget", side.store.create("new_widget", {"new_name": "a"}))
        nobody = Caller(USER, "22222222-2222-2222-2222-222222222222", readable_tables=frozenset())
        assert archived(side)
        with pytest.raises(DataverseFault, match="new_widget"):
            side.ask(address("new_widgets", ARCHIVED), caller=nobody)


def test_the_switch() -> None:
    with reading(switches=Switches(retained_data="refused")) as side:
        status, _, message = refusal(side, "new_widgets", ARCHIVED)
        assert (status, message) == (400, "Only live data is supported in web api")
        assert rows(side, "new_widgets", entity()) == []
    with reading(switches=Switches(retained_data="ignored")) as side:
        side.store.create("new_widget", {"new_name": "live"})
        assert [row["new_name"] for row in archived(side)] == ["live"]


def test_the_delta_tells_a_delete() -> None:
    with tracker() as side:
        key, _ = side.create_many("a", "b")
        link = side.page("new_widgets?$select=new_name", TRACK)["@odata.deltaLink"]
        apply(side.sandbox, [{"retain": "new_widget", "key": key}])
        (deleted,) = side.page(link)["value"]
        assert (deleted["id"], deleted["reason"]) == (key, "deleted")
        side.set(cascade_tombstones="parent_only")
        assert side.page(link)["value"] == []
