from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone
from urllib.parse import unquote

import pytest

from dataverse_source.sandbox import Sandbox
from tests.support.sandbox.tracking_clients import (
    KEY,
    SELECT,
    SET,
    TABLE,
    TRACK,
    Tracker,
    names,
    tracker,
)
from tests.support.sandbox.user_clients import api, signed_in

LINK = re.compile(r"\?\$select=new_name&\$deltatoken=[0-9]+%21[0-9]{2}%2f[0-9]{2}%2f[0-9]{4}%20")


@pytest.fixture
def side() -> Iterator[Tracker]:
    with tracker() as made:
        yield made


def test_the_first_read_gives_all_rows_and_a_delta_link(side: Tracker) -> None:
    side.sandbox.clock.set(datetime(2017, 8, 22, 8, 10, 44, tzinfo=timezone.utc))
    keys = side.create_many("a", "b")
    side.session.headers.update(_new_token(side.sandbox))
    answer = side.ask(SELECT, TRACK)
    page = answer.json()
    # The order of the docs' sample: context, delta link, rows.
    assert list(page) == ["@odata.context", "@odata.deltaLink", "value"]
    assert page["@odata.context"] == api(side.sandbox, f"$metadata#{SET}(new_name)")
    version = side.sandbox.store.version
    assert page["@odata.deltaLink"] == (
        api(side.sandbox, f"{SELECT}&$deltatoken={version}%2108%2f22%2f2017%2008%3a10%3a44")
    )
    first = page["value"][0]
    assert list(first) == ["@odata.etag", "new_name", KEY]
    assert [row[KEY] for row in page["value"]] == keys
    assert answer.headers["Preference-Applied"] == TRACK


def test_a_delta_gives_changed_rows_then_deleted_ones(side: Tracker) -> None:
    changed, gone, _ = side.create_many("a", "b", "c")
    link = side.delta_link()
    side.sandbox.store.delete(TABLE, gone)
    side.sandbox.store.update(TABLE, changed, {"new_name": "A", "new_count": 3})
    answer = side.ask(link)
    page = answer.json()
    assert list(page) == ["@odata.context", "@odata.deltaLink", "value"]
    assert page["@odata.context"] == api(side.sandbox, f"$metadata#{SET}(new_name)/$delta")
    version = side.sandbox.store.version
    assert page["value"] == [
        {"@odata.etag": f'W/"{version}"', "new_name": "A", KEY: changed},
        {
            "@odata.context": api(side.sandbox, f"$metadata#{SET}/$deletedEntity"),
            "id": gone,
            "reason": "deleted",
        },
    ]
    assert "Preference-Applied" not in answer.headers
    assert LINK.search(page["@odata.deltaLink"])
    assert names(side.page(page["@odata.deltaLink"])) == []


def test_nothing_changed_gives_no_rows_and_a_new_delta_link(side: Tracker) -> None:
    side.create("a")
    link = side.delta_link()
    side.sandbox.clock.advance(60)
    page = side.page(link)
    assert page["value"] == []
    assert LINK.search(page["@odata.deltaLink"])
    assert page["@odata.deltaLink"] != link


def test_an_empty_table_has_a_delta_link_too(side: Tracker) -> None:
    page = side.page(SELECT, TRACK)
    assert page["value"] == []
    side.create("a")
    assert names(side.page(page["@odata.deltaLink"])) == ["a"]


def test_a_row_made_and_deleted_between_two_reads_is_a_deleted_one(side: Tracker) -> None:
    link = side.delta_link()
    key = side.create("never seen")
    side.sandbox.store.delete(TABLE, key)
    assert names(side.page(link)) == [f"-{key}"]


def test_deletes_before_the_first_read_are_not_reported(side: Tracker) -> None:
    gone, _ = side.create_many("a", "b")
    side.sandbox.store.delete(TABLE, gone)
    assert names(side.page(SELECT, TRACK)) == ["b"]


def test_a_link_may_be_read_again(side: Tracker) -> None:
    link = side.delta_link()
    side.create("a")
    assert names(side.page(link)) == names(side.page(link)) == ["a"]


def test_all_columns_without_a_select(side: Tracker) -> None:
    side.create("a")
    page = side.page(SET, TRACK)
    assert page["@odata.context"].endswith(f"$metadata#{SET}")
    assert "new_price" in page["value"][0]
    assert unquote(page["@odata.deltaLink"]).startswith(api(side.sandbox, f"{SET}?$deltatoken="))
    side.create("b")
    delta = side.page(page["@odata.deltaLink"])
    assert delta["@odata.context"].endswith(f"$metadata#{SET}/$delta")
    assert "new_price" in delta["value"][0]


def test_pages_of_the_first_read_and_of_a_delta(side: Tracker) -> None:
    side.create_many(*"abcde")
    prefer = f"{TRACK},odata.maxpagesize=2"
    page = side.page(SELECT, prefer)
    assert list(page) == ["@odata.context", "value", "@odata.nextLink"]
    seen = names(page)
    while "@odata.nextLink" in page:
        page = side.page(page["@odata.nextLink"], prefer)
        seen += names(page)
    assert seen == [*"abcde"]
    rows = side.page(SELECT)["value"]
    for row in rows[:3]:
        side.sandbox.store.delete(TABLE, row[KEY])
    for row in rows[3:]:
        side.sandbox.store.update(TABLE, row[KEY], {"new_name": "new"})
    page = side.page(page["@odata.deltaLink"], prefer)
    sizes, seen = [len(page["value"])], names(page)
    while "@odata.nextLink" in page:
        assert page["@odata.context"].endswith("/$delta")
        page = side.page(page["@odata.nextLink"], prefer)
        sizes.append(len(page["value"]))
        seen += names(page)
    assert sizes == [2, 2, 1]
    assert seen == ["new", "new", *(f"-{row[KEY]}" for row in rows[:3])]
    assert side.page(page["@odata.deltaLink"])["value"] == []


def test_preferences_are_told_as_applied(side: Tracker) -> None:
    side.create("a")
    prefer = f'{TRACK},odata.maxpagesize=7,odata.include-annotations="*"'
    answer = side.ask(f"{SET}?$select=new_name,statecode", prefer)
    assert answer.headers["Preference-Applied"] == (
        'odata.track-changes, odata.maxpagesize=7, odata.include-annotations="*"'
    )
    page = answer.json()
    assert page["value"][0]["statecode@OData.Community.Display.V1.FormattedValue"] == "Active"
    assert page["@Microsoft.Dynamics.CRM.totalrecordcount"] == -1


def test_the_number_of_changes(side: Tracker) -> None:
    keys = side.create_many(*"abc")
    link = side.delta_link()
    token = link.partition("$deltatoken=")[2]
    side.sandbox.store.delete(TABLE, keys[0])
    side.sandbox.store.delete(TABLE, keys[1])
    side.sandbox.store.create(TABLE, {KEY: keys[1], "new_name": "back"})
    side.create("d")
    answer = side.ask(f"{SET}/$count?$deltatoken={token}")
    # The deletes of two rows, one row that came back and one new row.
    assert answer.content.decode("utf-8-sig") == "4"
    assert answer.content.startswith(b"\xef\xbb\xbf")
    assert answer.headers["Content-Type"] == "text/plain"
    side.set(reappearing_row="row_only")
    assert side.ask(f"{SET}/$count?$deltatoken={token}").content.decode("utf-8-sig") == "3"


def test_a_column_that_computes_nothing_else_changes_no_row(side: Tracker) -> None:
    key = side.create("a")
    maker = side.sandbox.store.create("new_maker", {"new_name": "m"})
    link = side.delta_link()
    side.sandbox.store.update("new_maker", maker, {"new_name": "n"})
    assert names(side.page(link)) == []
    side.sandbox.store.update(TABLE, key, {"new_count": 5}, touch=False)
    assert names(side.page(link)) == ["a"]


def test_change_tracking_is_for_tables_only(side: Tracker) -> None:
    key = side.create("a")
    row = side.page(f"{SET}({key})", TRACK)
    assert row["new_name"] == "a"
    assert "@odata.deltaLink" not in row
    assert side.ask(f"{SET}/$count", TRACK).content.decode("utf-8-sig") == "1"


def test_the_catalogue_s_tables_are_tracked_as_their_metadata_say() -> None:
    with (
        Sandbox(rows={"account": 3}) as sandbox,
        signed_in(sandbox) as session,
    ):
        prefer = {"Prefer": TRACK}
        for table in sandbox.environment.schema.tables:
            if table.entity_set_name is None:
                continue
            answer = session.get(api(sandbox, f"{table.entity_set_name}?$top=1"), headers=prefer)
            error = answer.json()["error"]
            if table.change_tracking:
                # Enabled, so that what is refused is $top.
                assert (error["code"], table.logical_name) == ("0x80060888", table.logical_name)
                assert "$top" in error["message"]
            else:
                assert error["code"] in ("0x80072491", "0x80072492"), table.logical_name


def _new_token(sandbox: Sandbox) -> dict[str, str]:
    with signed_in(sandbox) as session:
        return {"Authorization": str(session.headers["Authorization"])}


def test_a_plain_cookie_does_not_begin_a_tracked_chain(side: Tracker) -> None:
    side.create_many("a", "b")
    plain = side.page(SELECT, "odata.maxpagesize=1")["@odata.nextLink"]
    assert side.fault(plain, TRACK)[:2] == (400, "0x8004112A")
    broken = side.page(SELECT, f"{TRACK},odata.maxpagesize=1")["@odata.nextLink"]
    broken = broken.replace("reappeared%253d%25220", "reappeared%253d%2522x")
    assert side.fault(broken, TRACK)[:2] == (400, "0x8004112A")
