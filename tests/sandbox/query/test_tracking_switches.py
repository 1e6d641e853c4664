"""Every switch of change tracking does what it says, and a careful reader is right under each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any
from urllib.parse import unquote

import pytest

from dataverse_source.sandbox import Switches, every_setting
from tests.support.sandbox.tracked import CarefulReader
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

TRACKING = {
    "first_delta_link",
    "delta_chain",
    "tracked_next_link",
    "delta_link_pages",
    "delta_select",
    "delta_prefer",
    "expired_delta",
    "schema_change_expires",
    "version_commit_order",
    "cascade_tombstones",
    "reappearing_row",
    "modified_on_resolution",
    "page_size_out_of_range",
    "secured_columns",
    "gzip",
}
TWO = f"{TRACK},odata.maxpagesize=2"


@pytest.fixture
def side() -> Iterator[Tracker]:
    with tracker() as made:
        yield made


def first_read_with_changes(side: Tracker) -> tuple[list[str], list[str]]:
    """Names of a first read and of the delta after it, with changes after its first page."""
    keys = side.create_many(*"abcd")
    page = side.page(SELECT, TWO)
    seen = names(page)
    side.sandbox.store.update(TABLE, keys[0], {"new_name": "A"})
    side.sandbox.store.delete(TABLE, keys[1])
    side.create("e")
    while "@odata.nextLink" in page:
        page = side.page(page["@odata.nextLink"], TWO)
        seen += names(page)
    delta = names(side.page(page["@odata.deltaLink"]))
    return seen, [name.replace(keys[1], "b") for name in delta]


@pytest.mark.parametrize(
    ("setting", "seen", "delta"),
    [
        ("last_page_version_order", ["a", "b", "c", "d", "A", "e"], []),
        ("last_page_key_order", ["a", "b", "c", "d", "e"], []),
        ("first_page", ["a", "b", "c", "d", "e"], ["A", "e", "-b"]),
    ],
)
def test_the_moment_of_the_first_delta_link(
    side: Tracker, setting: str, seen: list[str], delta: list[str]
) -> None:
    side.set(first_delta_link=setting)
    assert first_read_with_changes(side) == (seen, delta)


@pytest.mark.parametrize(
    ("first", "chain", "seen", "delta"),
    [
        ("last_page_version_order", "as_first_sync", ["a", "b", "c", "d", "A", "e", "-b"], []),
        ("last_page_key_order", "as_first_sync", ["a", "b", "c", "d", "e", "-b"], []),
        ("first_page", "as_first_sync", ["a", "b", "c", "d", "e", "-b"], ["A", "e", "-b"]),
        ("last_page_version_order", "snapshot", ["a", "b", "c", "d"], ["A", "e", "-b"]),
        ("first_page", "snapshot", ["a", "b", "c", "d"], ["A", "e", "-b"]),
    ],
)
def test_the_moment_of_a_delta_of_several_pages(
    side: Tracker, first: str, chain: str, seen: list[str], delta: list[str]
) -> None:
    side.set(first_delta_link=first, delta_chain=chain)
    link = side.delta_link()
    keys = side.create_many(*"abcd")
    page = side.page(link, TWO)
    found = names(page)
    side.sandbox.store.update(TABLE, keys[0], {"new_name": "A"})
    side.sandbox.store.delete(TABLE, keys[1])
    side.create("e")
    while "@odata.nextLink" in page:
        page = side.page(page["@odata.nextLink"], TWO)
        found += names(page)
    after = names(side.page(page["@odata.deltaLink"]))
    assert [name.replace(keys[1], "b") for name in found] == seen
    assert [name.replace(keys[1], "b") for name in after] == delta


@pytest.mark.parametrize(
    ("setting", "tracking", "has_token"),
    [
        ("skiptoken_tracking_true", "True", False),
        ("skiptoken_tracking_false", "False", False),
        ("deltatoken_and_skiptoken", "True", True),
    ],
)
def test_the_form_of_next_links(
    side: Tracker, setting: str, tracking: str, has_token: bool
) -> None:
    side.set(tracked_next_link=setting)
    start = side.delta_link()
    side.create_many(*"abc")
    for first in (SELECT, start):
        link = side.page(first, TWO)["@odata.nextLink"]
        assert f'istracking="{tracking}"' in unquote(link)
        assert ("$deltatoken=" in link) is has_token
        assert "$select=new_name" in link
        assert names(side.page(link, TWO)) == ["c"]


def test_a_next_link_that_does_not_say_tracked_needs_the_preference(side: Tracker) -> None:
    side.create_many(*"abc")
    for setting, has_link in (
        ("skiptoken_tracking_true", True),
        ("skiptoken_tracking_false", False),
        ("deltatoken_and_skiptoken", True),
    ):
        side.set(tracked_next_link=setting)
        link = side.page(SELECT, TWO)["@odata.nextLink"]
        page = side.page(link, "odata.maxpagesize=2")
        assert names(page) == ["c"]
        assert "@odata.nextLink" not in page
        assert ("@odata.deltaLink" in page) is has_link


def test_delta_links_on_every_page(side: Tracker) -> None:
    side.set(delta_link_pages="every_page")
    start = side.delta_link()
    side.create_many(*"abc")
    for first in (SELECT, start):
        page = side.page(first, TWO)
        assert list(page) == ["@odata.context", "@odata.deltaLink", "value", "@odata.nextLink"]
        # Who follows this one loses the rest.
        assert names(side.page(page["@odata.deltaLink"])) == []
        assert "@odata.deltaLink" in side.page(page["@odata.nextLink"], TWO)


def test_another_select_beside_a_token(side: Tracker) -> None:
    side.create("a", new_count=1)
    link = side.delta_link()
    side.create("b", new_count=2)
    other = link.replace("$select=new_name", "$select=new_count")
    without = link.replace("$select=new_name&", "")
    page = side.page(other)
    assert (list(page["value"][0])[1:], "new_count" in page["@odata.deltaLink"]) == (
        ["new_count", KEY],
        True,
    )
    assert "new_price" in side.page(without)["value"][0]
    side.set(delta_select="ignored")
    for changed in (other, without):
        page = side.page(changed)
        assert list(page["value"][0])[1:] == ["new_name", KEY]
        assert "?$select=new_name&$deltatoken" in page["@odata.deltaLink"]
    side.set(delta_select="refused")
    for changed in (other, without):
        assert side.fault(changed)[:2] == (400, "0x80060888")
    assert names(side.page(link)) == ["b"]


def test_next_links_of_tracked_chains_expire_like_others(side: Tracker) -> None:
    side.create_many(*"abcde")
    side.set(skiptoken_expiry="0x8004112A", skiptoken_lifetime_seconds=600)
    link = side.page(SELECT, TWO)["@odata.nextLink"]
    assert names(side.page(link, TWO)) == ["c", "d"]
    side.sandbox.clock.advance(500)
    assert names(side.page(link, TWO)) == ["c", "d"]
    side.sandbox.clock.advance(101)
    assert side.fault(link, TWO)[:2] == (400, "0x8004112A")


def test_tracked_chains_get_stuck_like_others(side: Tracker) -> None:
    side.create_many(*"abcde")
    side.set(stuck_cookie="any")
    page = side.page(SELECT, TWO)
    for number in (3, 4, 5):
        page = side.page(page["@odata.nextLink"], TWO)
        assert names(page) == ["c", "d"]
        assert f'pagenumber="{number}"' in unquote(page["@odata.nextLink"])


def test_numbers_of_changed_rows_may_be_strings(side: Tracker) -> None:
    side.set(ieee754_compatible="strings")
    side.create("a", new_big=2**60, new_price="1.5")
    side.session.headers["Accept"] = "application/json;IEEE754Compatible=true"
    answer = side.ask(f"{SET}?$select=new_big,new_price", TRACK)
    row = answer.json()["value"][0]
    assert (row["new_big"], row["new_price"]) == (str(2**60), "1.5000")
    assert answer.headers["Content-Type"].endswith("IEEE754Compatible=true")


def test_a_new_delta_link_may_need_the_preference(side: Tracker) -> None:
    link = side.delta_link()
    assert "@odata.deltaLink" in side.page(link)
    side.set(delta_prefer="required")
    assert "@odata.deltaLink" not in side.page(link)
    assert "@odata.deltaLink" in side.page(link, TRACK)


def test_rows_written_under_a_lower_number(side: Tracker) -> None:
    number = side.sandbox.store.reserve_version()
    side.create("early")
    link = side.delta_link()
    side.set(version_commit_order="unguarded")
    unguarded = side.delta_link()
    side.create("late")
    side.sandbox.store.create(TABLE, {"new_name": "later"}, version=number)
    assert names(side.page(unguarded)) == ["late"]
    assert names(side.page(link)) == ["later", "early", "late"]
    # Nothing is under way any more: the guard costs nothing.
    side.set()
    assert names(side.page(side.delta_link())) == []


def test_rows_deleted_by_cascade_or_in_bulk(side: Tracker) -> None:
    store = side.sandbox.store
    maker = store.create("new_maker", {"new_name": "m"})
    child = side.create("child", new_makerid=maker)
    bulk, direct = side.create_many("bulk", "direct")
    link = side.delta_link()
    makers = side.delta_link("new_makers?$select=new_name")
    store.delete("new_maker", maker)
    store.delete(TABLE, bulk, in_bulk=True)
    store.delete(TABLE, direct)
    assert names(side.page(link)) == [f"-{child}", f"-{bulk}", f"-{direct}"]
    side.set(cascade_tombstones="parent_only")
    assert names(side.page(link)) == [f"-{direct}"]
    assert names(side.page(makers)) == [f"-{maker}"]


def test_a_row_that_comes_back_under_its_key(side: Tracker) -> None:
    other, key = side.create_many("other", "before")
    link = side.delta_link()
    side.sandbox.store.delete(TABLE, key)
    side.sandbox.store.update(TABLE, other, {"new_name": "OTHER"})
    side.sandbox.store.create(TABLE, {KEY: key, "new_name": "after"})
    assert names(side.page(link)) == [f"-{key}", "OTHER", "after"]
    one = f"{TRACK},odata.maxpagesize=1"
    page = side.page(link, one)
    seen = names(page)
    while "@odata.nextLink" in page:
        page = side.page(page["@odata.nextLink"], one)
        seen += names(page)
    assert seen == [f"-{key}", "OTHER", "after"]
    side.set(reappearing_row="row_only")
    assert names(side.page(link)) == ["OTHER", "after"]
    side.sandbox.store.delete(TABLE, key)
    assert names(side.page(link)) == ["OTHER", f"-{key}"]


def _id(switches: Switches) -> str:
    default = Switches()
    changed = [n for n in vars(default) if getattr(default, n) != getattr(switches, n)]
    return "-".join(f"{name}={getattr(switches, name)}" for name in changed) or "default"


SETTINGS = [each for each in every_setting() if _id(each).partition("=")[0] in TRACKING]


@pytest.mark.parametrize("switches", SETTINGS, ids=_id)
def test_a_careful_reader_is_right_under_every_setting(side: Tracker, switches: Switches) -> None:
    side.sandbox.switches = switches
    keys = side.create_many(*"abcdefgh")

    def get(url: str, prefer: str) -> tuple[int, Any]:
        answer = side.ask(url, prefer)
        return answer.status_code, answer.json()

    select = "new_name,versionnumber"
    reader = CarefulReader(get, side.sandbox.clock, SET, KEY, select)
    store = side.sandbox.store
    change: Iterator[Callable[[], object]] = iter(
        [
            lambda: store.update(TABLE, keys[0], {"new_name": "A"}),
            lambda: store.delete(TABLE, keys[1]),
            lambda: side.create("i"),
            lambda: store.create(TABLE, {KEY: keys[1], "new_name": "back"}),
            lambda: store.update(TABLE, keys[7], {"new_name": "H"}),
            lambda: store.delete(TABLE, keys[2]),
            lambda: side.create("j"),
        ]
    )
    for _ in range(2):
        for _step in reader.sync():
            for action in islice(change, 1):
                action()
    reader.run()
    assert {key: row["new_name"] for key, row in reader.rows.items()} == {
        row[KEY]: row["new_name"] for row in store.rows(TABLE)
    }
    assert reader.full_reads == 1
