"""What change tracking refuses: tables, callers, options, tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.schema.schema_changes import (
    with_column,
    with_column_changed,
    with_table_changed,
    without_column,
)
from dataverse_source.sandbox.schema.tables import Column
from tests.support.sandbox.tracking_clients import (
    SELECT,
    SET,
    TABLE,
    TRACK,
    Tracker,
    names,
    tracker,
)
from tests.support.sandbox.user_clients import api, signed_in

DAY = 86_400
EXPIRED = "Version stamp associated with the client has expired. Please perform a full sync."
FORMS = ["400", "410", "412", "500"]


@pytest.fixture
def side() -> Iterator[Tracker]:
    with tracker() as made:
        yield made


def wait(side: Tracker, seconds: float) -> None:
    """Moves the clock on, and signs in anew."""
    side.sandbox.clock.advance(seconds)
    with signed_in(side.sandbox) as session:
        side.session.headers["Authorization"] = session.headers["Authorization"]


@pytest.mark.parametrize(
    "option",
    [
        "$filter=new_name eq 'a'",
        "$orderby=new_name",
        "$expand=new_MakerId",
        "$top=3",
        "$count=true",
    ],
)
def test_options_other_than_select(side: Tracker, option: str) -> None:
    link = side.delta_link()
    message = (
        f'The "{option.partition("=")[0]}" query parameter isn\'t supported when Change '
        "Tracking is enabled."
    )
    assert side.fault(f"{SELECT}&{option}", TRACK) == (400, "0x80060888", message)
    assert side.fault(f"{link}&{option}") == (400, "0x80060888", message)


def test_an_unknown_column(side: Tracker) -> None:
    assert side.fault(f"{SET}?$select=nothing", TRACK)[:2] == (400, "0x80060888")


def test_a_table_that_is_not_tracked(side: Tracker) -> None:
    link = side.delta_link()
    store = side.sandbox.store
    store.change_schema(with_table_changed(store.schema, TABLE, change_tracking=False))
    expected = (400, "0x80072491", f"Entity {TABLE} isn't enabled for change tracking.")
    assert side.fault(SELECT, TRACK) == expected
    assert side.fault(link) == expected
    assert side.ask(SELECT).status_code == 200


def test_intersect_tables_need_both_ends_tracked() -> None:
    with Sandbox(rows={}) as sandbox, signed_in(sandbox) as session:
        tracked = session.get(api(sandbox, "accountleadscollection"), headers={"Prefer": TRACK})
        assert "@odata.deltaLink" in tracked.json()
        store = sandbox.store
        store.change_schema(with_table_changed(store.schema, "lead", change_tracking=False))
        refused = session.get(api(sandbox, "accountleadscollection"), headers={"Prefer": TRACK})
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "0x80072492")


def test_organization_level_read_is_needed(side: Tracker) -> None:
    link = side.delta_link()
    side.sandbox.users.change(side.sandbox.client_id, organization_read=False)
    for url, prefer in ((SELECT, TRACK), (link, "")):
        status, code, message = side.fault(url, prefer)
        assert (status, code) == (403, "0x80040220")
        assert "is missing prvReadnew_Widget privilege" in message
    side.set(tracking_privilege_code="0x80048306")
    assert side.fault(SELECT, TRACK)[:2] == (403, "0x80048306")
    assert side.ask(SELECT).status_code == 200


@pytest.mark.parametrize("form", FORMS)
def test_a_token_expires_after_the_retention(side: Tracker, form: str) -> None:
    side.set(expired_delta=form)
    link = side.delta_link()
    side.create("a")
    wait(side, 7 * DAY)
    assert names(side.page(link)) == ["a"]
    wait(side, 1)
    assert side.fault(link) == (int(form), "0x80044352", EXPIRED)
    token = link.partition("$deltatoken=")[2]
    assert side.fault(f"{SET}/$count?$deltatoken={token}")[1] == "0x80044352"


def test_the_organization_says_how_long_a_token_is_good() -> None:
    with Sandbox(rows={"account": 2}) as sandbox, signed_in(sandbox) as session:
        answer = session.get(api(sandbox, "accounts"), headers={"Prefer": TRACK})
        link = answer.json()["@odata.deltaLink"]
        (organization,) = sandbox.store.rows("organization")
        shown = session.get(api(sandbox, "organizations?$select=expirechangetrackingindays"))
        assert shown.json()["value"][0]["expirechangetrackingindays"] == 7
        sandbox.clock.advance(3000)
        assert session.get(link).status_code == 200
        values = {"expirechangetrackingindays": 0}
        sandbox.store.update("organization", organization["organizationid"], values)
        assert session.get(link).json()["error"]["code"] == "0x80044352"


def test_an_expired_token_may_be_answered_with_all_rows(side: Tracker) -> None:
    side.set(expired_delta="full_result")
    gone, *_ = side.create_many(*"abc")
    link = side.delta_link()
    side.sandbox.store.delete(TABLE, gone)
    wait(side, 8 * DAY)
    page = side.page(link, "odata.maxpagesize=1")
    assert page["@odata.context"].endswith("/$delta")
    assert names(page) == ["b"]
    page = side.page(page["@odata.nextLink"])
    assert names(page) == ["c"]
    assert names(side.page(page["@odata.deltaLink"])) == []


def test_age_is_told_by_the_time_alone(side: Tracker) -> None:
    """A two weeks old version number with a fresh time was seen to be taken (a forum, 2024)."""
    old = side.delta_link()
    gone, _ = side.create_many("a", "b")
    side.sandbox.store.delete(TABLE, gone)
    wait(side, 14 * DAY)
    fresh = side.delta_link().partition("%21")[2]
    mended = f"{old.partition('%21')[0]}%21{fresh}"
    # Deletes are kept for the retention only.
    assert names(side.page(mended)) == ["b"]


def test_a_chain_expires_on_its_way(side: Tracker) -> None:
    link = side.delta_link()
    side.create_many(*"abc")
    next_link = side.page(link, "odata.maxpagesize=1")["@odata.nextLink"]
    wait(side, 8 * DAY)
    assert side.fault(next_link)[1] == "0x80044352"
    first = side.page(SELECT, f"{TRACK},odata.maxpagesize=1")["@odata.nextLink"]
    wait(side, 8 * DAY)
    assert names(side.page(first)) == ["b", "c"]


@pytest.mark.parametrize(
    ("setting", "after_added", "after_changed"),
    [("any", 400, 400), ("alter_or_delete", 200, 400), ("never", 200, 200)],
)
def test_a_change_of_schema(
    side: Tracker, setting: str, after_added: int, after_changed: int
) -> None:
    side.set(schema_change_expires=setting)
    store = side.sandbox.store
    makers = side.delta_link("new_makers?$select=new_name")
    link = side.delta_link()
    store.change_schema(with_column(store.schema, TABLE, Column("new_more", "String")))
    assert side.ask(link).status_code == after_added
    assert side.ask(side.delta_link()).status_code == 200
    for change in (
        with_column_changed(store.schema, TABLE, "new_more", max_length=5),
        without_column(store.schema, TABLE, "new_more"),
    ):
        link = side.delta_link()
        store.change_schema(change)
        assert side.ask(link).status_code == after_changed
        if after_changed == 400:
            assert side.fault(link) == (400, "0x80044352", EXPIRED)
    # Other tables' tokens stay good.
    assert side.ask(makers).status_code == 200


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "919042",
        "919042!08/22/2017",
        "919042!22/08/2017 08:10:44",
        "-1!08/22/2017 08:10:44",
    ],
)
@pytest.mark.parametrize("code", ["0x80040203", "0x80044352"])
def test_a_garbled_token(side: Tracker, token: str, code: str) -> None:
    side.set(garbled_delta=code)
    assert side.fault(f"{SELECT}&$deltatoken={token}")[:2] == (400, code)


def test_a_token_of_another_environment(side: Tracker) -> None:
    link = side.delta_link()
    head, _, tail = link.partition("$deltatoken=")
    foreign = f"{head}$deltatoken=9{tail}"
    assert side.fault(foreign)[:2] == (400, "0x80040203")
    # Tokens hold no table: one of another table is taken for this one's.
    side.create("a")
    token = side.delta_link("new_makers").partition("$deltatoken=")[2]
    side.create("b")
    assert names(side.page(f"{SELECT}&$deltatoken={token}")) == ["b"]


def test_a_table_that_went_and_came_back_keeps_no_deletes(side: Tracker) -> None:
    side.set(schema_change_expires="never")
    store = side.sandbox.store
    schema = store.schema
    key = side.create("a")
    link = side.delta_link()
    store.delete(TABLE, key)
    kept = tuple(table for table in schema.tables if table.logical_name != TABLE)
    store.change_schema(replace(schema, tables=kept))
    assert side.ask(link).status_code == 404
    store.change_schema(schema)
    assert names(side.page(link)) == []
