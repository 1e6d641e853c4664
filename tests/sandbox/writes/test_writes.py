"""Creates, updates, upserts, deletes and associations over HTTP, as the docs print them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from dataverse_source.sandbox.environment.environment import Caller
from dataverse_source.sandbox.http.messages import Response
from dataverse_source.sandbox.schema.catalog import default_schema
from dataverse_source.sandbox.schema.tables import AlternateKey, Column, ManyToMany, Schema, Table
from tests.support.sandbox.reading import ROOT, USER, Reading, reading, small_schema

NEW = "00000000-0000-0000-0000-000000000001"
MISSING = "00000000-0000-0000-0000-000000000099"


def schema() -> Schema:
    """Widgets and makers, which also have an N:N relationship (dealers)."""
    base = small_schema("Restrict")
    widget, maker = base.tables
    intersect = Table(
        "new_dealers",
        "new_dealers",
        "new_dealerset",
        "new_dealersid",
        None,
        10_003,
        (
            Column("new_dealersid", "Uniqueidentifier", is_primary_id=True),
            Column("new_widgetid", "Uniqueidentifier"),
            Column("new_makerid", "Uniqueidentifier"),
            Column("versionnumber", "BigInt"),
        ),
        is_intersect=True,
    )
    dealers = ManyToMany(
        "new_dealers", "new_widget", "new_maker", "new_dealers", "new_widgetid", "new_makerid",
        "new_widget_dealers", "new_maker_dealers",
    )  # fmt: skip
    keyed = replace(maker, keys=(AlternateKey("named", ("new_name",)),))
    return replace(base, tables=(widget, keyed, intersect), many_to_many=(dealers,))


@pytest.fixture
def side() -> Iterator[Reading]:
    with reading(schema()) as made:
        yield made


def made(answer: Response) -> str:
    """The key of the row that an answer says was made."""
    assert answer.status == 204
    url = answer.headers["OData-EntityId"]
    assert url.startswith(ROOT)
    return url.rpartition("(")[2].rstrip(")")


def post(side: Reading, name: str, body: Any, prefer: str = "") -> Response:
    return side.ask(name, prefer, method="POST", body=body)


def test_create(side: Reading) -> None:
    maker = made(post(side, "new_makers", {"new_name": "Adatum"}))
    body = {
        "new_name": "One",
        "new_price": 12.5,
        "new_big": 2**62,
        "new_MakerId@odata.bind": f"/new_makers({maker})",
        "new_buyerid_new_maker@odata.bind": f"{ROOT}new_makers(new_name='ADATUM')",
    }
    row = side.store.row("new_widget", made(post(side, "new_widgets", body)))
    assert row is not None
    assert row["new_price"] == Decimal("12.5")
    assert row["new_price_base"] == Decimal("12.5")
    assert row["new_big"] == 2**62
    assert (row["new_makerid"], row["new_buyerid"]) == (maker, maker)
    assert row["new_buyerid@table"] == "new_maker"
    assert row["new_ready"] is False


def test_create_with_its_row_returned(side: Reading) -> None:
    answer = post(side, "new_makers?$select=new_name", {"new_name": "A"}, "return=representation")
    assert answer.status == 201
    assert answer.headers["Preference-Applied"] == "return=representation"
    row = json.loads(answer.body)
    assert list(row) == ["@odata.context", "@odata.etag", "new_name", "new_makerid"]
    assert row["@odata.context"] == f"{ROOT}$metadata#new_makers(new_name)/$entity"


def test_create_with_related_rows(side: Reading) -> None:
    maker = made(
        post(
            side,
            "new_makers",
            {"new_name": "A", "new_maker_widgets": [{"new_name": "x"}, {"new_name": "y"}]},
        )
    )
    children = side.store.rows("new_widget")
    assert {(row["new_name"], row["new_makerid"]) for row in children} == {
        ("x", maker),
        ("y", maker),
    }
    widget = made(post(side, "new_widgets", {"new_name": "z", "new_MakerId": {"new_name": "B"}}))
    row = side.store.row("new_widget", widget)
    assert row is not None
    parent = side.store.row("new_maker", row["new_makerid"])
    assert parent is not None
    assert parent["new_name"] == "B"


def test_a_create_that_fails_leaves_nothing(side: Reading) -> None:
    body = {"new_name": "z", "new_MakerId": {"new_name": "B"}, "new_color": 9}
    status, code, text = side.fault("new_widgets", method="POST", body=body)
    assert (status, code) == (400, "0x8004431A")
    assert "Accepted Values: 1,2" in text
    bad = {"new_name": "A", "new_maker_widgets": [{"new_name": "x" * 101}]}
    status, code, text = side.fault("new_makers", method="POST", body=bad)
    assert (status, code) == (400, "0x80044331")
    assert text == (
        "A validation error occurred.  The length of the 'new_name' attribute of the "
        "'new_widget' entity exceeded the maximum allowed length of '100'."
    )
    assert side.store.count("new_maker") == side.store.count("new_widget") == 0


@pytest.mark.parametrize(
    "body",
    [
        {"nope": 1},
        {"new_count": "many"},
        {"_new_makerid_value": NEW},
        {"new_MakerId@odata.bind": "/new_widgets(1)"},
        {"new_MakerId@odata.bind": f"/nope({NEW})"},
    ],
)
def test_bodies_that_do_not_fit(side: Reading, body: dict[str, Any]) -> None:
    assert side.fault("new_widgets", method="POST", body=body)[0] == 400


def test_update_moves_version_and_modifiedon(side: Reading) -> None:
    key = side.store.create("new_widget", {"new_name": "One", "new_price": 5})
    before = side.store.row("new_widget", key)
    side.clock.advance(5)
    answer = side.ask(f"new_widgets({key})", method="PATCH", body={"new_price": 7})
    after = side.store.row("new_widget", key)
    assert before is not None
    assert after is not None
    assert answer.status == 204
    assert (after["new_price"], after["new_price_base"]) == (7, 7)
    assert after["new_name"] == "One"
    assert after["modifiedon"] > before["modifiedon"]
    assert after["versionnumber"] > before["versionnumber"]


def test_upsert_and_its_headers(side: Reading) -> None:
    rest = f"new_makers({NEW})"
    none: dict[str, Any] = {"method": "PATCH", "body": {"new_name": "A"}}
    assert side.fault(rest, **none, If_Match="*") == (
        404,
        "0x80040217",
        f"new_maker With Id = {NEW} Does Not Exist",
    )
    answer = side.ask(rest, **none)
    assert made(answer) == NEW
    assert "Location" in answer.headers
    assert side.fault(rest, **none, If_None_Match="*")[0] == 412
    row = side.json(rest)
    changed = side.ask(rest, **none, If_Match=row["@odata.etag"])
    assert changed.status == 204
    assert "Location" not in changed.headers
    assert side.fault(rest, **none, If_Match=row["@odata.etag"]) == (
        412,
        "0x80060882",
        "The version of the existing record doesn't match the RowVersion property provided.",
    )
    assert side.fault(rest, method="DELETE", If_Match=row["@odata.etag"])[0] == 412
    by_name = side.ask("new_makers(new_name='B')", method="PATCH", body={"new_size": 4})
    made_row = side.store.row("new_maker", made(by_name))
    assert made_row is not None
    assert (made_row["new_name"], made_row["new_size"]) == ("B", 4)
    again = side.ask("new_makers(new_name='b')", method="PATCH", body={"new_size": 5})
    assert made(again) == made(by_name)


def test_keys_that_are_taken(side: Reading) -> None:
    post(side, "new_makers", {"new_makerid": NEW, "new_name": "A"})
    assert side.fault("new_makers", method="POST", body={"new_makerid": NEW}) == (
        412,
        "0x80040237",
        "Cannot insert duplicate key.",
    )
    taken = side.fault("new_makers", method="POST", body={"new_name": "a"})
    assert taken[:2] == (412, "0x80060892")


def test_delete(side: Reading) -> None:
    key = side.store.create("new_maker", {})
    child = side.store.create("new_widget", {"new_makerid": key})
    status, code, _ = side.fault(f"new_makers({key})", method="DELETE")
    assert (status, code) == (405, "0x80040227")
    assert side.ask(f"new_widgets({child})", method="DELETE").status == 204
    assert side.ask(f"new_makers({key})", method="DELETE").status == 204
    assert side.fault(f"new_makers({key})", method="DELETE")[:2] == (404, "0x80040217")


def test_one_property(side: Reading) -> None:
    key = side.store.create("new_maker", {"new_name": "A", "new_size": 1})
    assert side.ask(f"new_makers({key})/new_size", method="PUT", body={"value": 7}).status == 204
    assert side.json(f"new_makers({key})/new_size")["value"] == 7
    assert side.ask(f"new_makers({key})/new_size", method="DELETE").status == 204
    assert side.ask(f"new_makers({key})/new_size").status == 204


def test_associating_through_a_lookup(side: Reading) -> None:
    maker = side.store.create("new_maker", {"new_name": "A"})
    key = side.store.create("new_widget", {"new_name": "w"})
    reference = {"@odata.id": f"{ROOT}new_makers({maker})"}

    def pointed() -> Any:
        return side.json(f"new_widgets({key})")["_new_makerid_value"]

    single = f"new_widgets({key})/new_MakerId/$ref"
    assert side.ask(single, method="PUT", body=reference).status == 204
    assert pointed() == maker
    assert side.ask(single, method="DELETE").status == 204
    assert pointed() is None
    many = f"new_makers({maker})/new_maker_widgets"
    child = {"@odata.id": f"{ROOT}new_widgets({key})"}
    assert side.ask(f"{many}/$ref", method="POST", body=child).status == 204
    assert pointed() == maker
    assert side.ask(f"{many}({key})/$ref", method="DELETE").status == 204
    assert pointed() is None
    assert made(post(side, many, {"new_name": "inside"}))
    assert [row["new_name"] for row in side.json(many)["value"]] == ["inside"]


def test_associating_many_with_many(side: Reading) -> None:
    maker = side.store.create("new_maker", {"new_name": "A"})
    key = side.store.create("new_widget", {"new_name": "w"})
    before = (side.store.row("new_maker", maker), side.store.row("new_widget", key))
    rest = f"new_widgets({key})/new_widget_dealers"
    reference = {"@odata.id": f"{ROOT}new_makers({maker})"}
    assert side.ask(f"{rest}/$ref", method="POST", body=reference).status == 204
    assert side.fault(f"{rest}/$ref", method="POST", body=reference)[0] == 412
    assert [row["new_name"] for row in side.json(rest)["value"]] == ["A"]
    page = side.json("new_makers?$expand=new_maker_dealers($select=new_name)")
    assert [row["new_name"] for row in page["value"][0]["new_maker_dealers"]] == ["w"]
    counted = side.json("new_widgets?$filter=new_widget_dealers/any(d:d/new_name eq 'a')")
    assert len(counted["value"]) == 1
    (link,) = side.json("new_dealerset")["value"]
    assert (link["new_widgetid"], link["new_makerid"]) == (key, maker)
    assert (side.store.row("new_maker", maker), side.store.row("new_widget", key)) == before
    url = f"{rest}/$ref?$id={ROOT}new_makers({maker})"
    assert side.ask(url, method="DELETE").status == 204
    assert side.json(rest)["value"] == []
    side.ask(f"{rest}/$ref", method="POST", body=reference)
    side.store.delete("new_widget", key)
    assert side.store.count("new_dealers") == 0


def test_who_may_not_write_is_refused(side: Reading) -> None:
    limited = Caller(USER, USER, may_write=False)
    for method, rest in (("POST", "new_makers"), ("DELETE", f"new_makers({MISSING})")):
        status, code, text = side.fault(rest, method=method, body={}, caller=limited)
        assert (status, code) == (403, "0x80040220")
        assert "is missing prv" in text


def test_methods_that_do_not_fit(side: Reading) -> None:
    assert side.fault("new_makers", method="DELETE")[0] == 405
    assert side.fault(f"new_makers({NEW})", method="PUT", body={})[0] == 405


def test_an_account_gets_its_owner_currency_and_base_amount() -> None:
    with reading(default_schema()) as side:
        key = made(post(side, "accounts", {"name": "A", "revenue": 100, "createdon": "2001-01-01"}))
        row = side.store.row("account", key)
        assert row is not None
        assert row["ownerid"] == row["owninguser"] == row["createdby"] == row["modifiedby"] == USER
        assert row["owningteam"] is None
        assert row["owningbusinessunit"] == side.environment.organization.business_unit_id
        assert row["revenue_base"] == 100
        assert row["createdon"] == side.clock.now().replace(microsecond=0), "it can't be written"
        side.ask(f"accounts({key})", method="PATCH", body={"statecode": 1})
        row = side.store.row("account", key)
        assert row is not None
        assert row["statuscode"] == 2
        contact = made(post(side, "contacts", {"firstname": "Ann", "lastname": "Øst"}))
        assert side.json(f"contacts({contact})/fullname")["value"] == "Ann Øst"
