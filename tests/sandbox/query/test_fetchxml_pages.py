"""The order, the count and the pages of FetchXML."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from dataverse_source.sandbox.switches import Switches
from tests.support.sandbox.fetchxml import (
    ALL,
    COOKIE,
    EVERY,
    LINK,
    MORE,
    PAGING,
    address,
    entity,
    fetch,
    inner_cookie,
    refusal,
    rows,
    widgets,
)
from tests.support.sandbox.reading import Reading, reading


@pytest.fixture(scope="module")
def crm() -> Iterator[Reading]:
    with widgets() as side:
        yield side


@pytest.mark.parametrize(
    ("orders", "head", "wanted"),
    [
        ("<order attribute='new_name'/>", "", "anvil Bellows clamp drill"),
        ("<order attribute='new_name' descending='true'/>", "", "drill clamp Bellows anvil"),
        ("<order attribute='new_count'/><order attribute='new_name' descending='1'/>", "",
         "clamp anvil drill Bellows"),
        # By label, "Dark" before "Red"; nulls first.
        ("<order attribute='new_color'/><order attribute='new_name'/>", "",
         "clamp Bellows anvil drill"),
        ("<order attribute='new_color'/><order attribute='new_name'/>", "useraworderby='true'",
         "clamp anvil drill Bellows"),
        ("<order attribute='new_makerid' descending='true'/><order attribute='new_name'/>", "",
         "clamp anvil Bellows drill"),
        (LINK.format("link-type='outer'", "<order attribute='new_size' descending='true'/>")
         + "<order attribute='new_ready'/>", "", "clamp Bellows anvil drill"),
        ("<order entityname='m' attribute='new_size' descending='true'/>"
         "<order attribute='new_name'/>" + LINK.format("alias='m' link-type='outer'", ""), "",
         "clamp anvil Bellows drill"),
    ],
)  # fmt: skip
def test_orders(crm: Reading, orders: str, head: str, wanted: str) -> None:
    found = rows(crm, "new_widgets", entity(orders, head=head))
    assert [row["new_name"] for row in found] == wanted.split()


def test_distinct_rows_have_no_key(crm: Reading) -> None:
    found = rows(crm, "new_widgets", entity("", "<attribute name='new_count'/>", "distinct='true'"))
    assert sorted(found, key=str) == [{"new_count": 5}, {"new_count": 7}, {}]
    with reading() as side:
        for name in ("Ann", "ann", "ANN", "Bob"):
            side.store.create("new_maker", {"new_name": name})
        xml = (
            "<fetch distinct='true' returntotalrecordcount='true'><entity name='new_maker'>"
            "<attribute name='new_name'/><order attribute='new_name'/></entity></fetch>"
        )
        page = fetch(side, "new_makers", xml)
        assert [row["new_name"].lower() for row in page["value"]] == ["ann", "bob"]
        assert page["@odata.count"] == 2


def test_count_of_rows(crm: Reading) -> None:
    counted = fetch(crm, "new_widgets", entity(), more="&$count=true")
    assert counted["@odata.count"] == 4
    page = fetch(crm, "new_widgets", entity(head="returntotalrecordcount='true' count='1'"), ALL)
    assert page["@odata.count"] == page["@Microsoft.Dynamics.CRM.totalrecordcount"] == 4
    assert page["@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"] is False
    assert (
        fetch(crm, "new_widgets", entity(), ALL)["@Microsoft.Dynamics.CRM.totalrecordcount"] == -1
    )


def test_the_annotations_of_a_page(crm: Reading) -> None:
    order = "<order attribute='new_name'/>"
    answer = crm.ask(address("new_widgets", entity(order, head="count='3' page='1'")), PAGING)
    assert answer.headers["Preference-Applied"] == PAGING
    first = fetch(crm, "new_widgets", entity(order, head="count='3'"), PAGING)
    assert list(first) == ["@odata.context", COOKIE, MORE, "value"]
    assert first[MORE] is True
    assert first[COOKIE].startswith('<cookie pagenumber="2" pagingcookie="%253ccookie%2520page')
    assert first[COOKIE].endswith('" istracking="False" />')
    last_key = first["value"][2]["new_widgetid"].upper()
    assert inner_cookie(first).startswith(
        '<cookie page="1"><new_name last="clamp" first="anvil" />'
        f'<new_widgetid last="{{{last_key}}}" first="{{'
    )
    last = crm.ask(address("new_widgets", entity(order, head="count='3' page='2'")), PAGING)
    assert b"cookie" not in last.body
    assert b"morerecords" not in last.body
    assert "Preference-Applied" not in last.headers
    silent = fetch(crm, "new_widgets", entity(order, head="count='3'"))
    assert list(silent) == ["@odata.context", "value"]


def test_the_last_page_may_have_annotations() -> None:
    with reading(switches=Switches(last_fetchxml_page="false_and_cookie")) as side:
        side.store.create("new_maker", {"new_name": "one"})
        page = fetch(side, "new_makers", "<fetch><entity name='new_maker'/></fetch>", PAGING)
        assert page[MORE] is False
        assert page[COOKIE].startswith('<cookie pagenumber="1" pagingcookie="%253ccookie')


def test_pages_larger_than_a_page_can_be() -> None:
    xml = "<fetch count='5001'><entity name='new_maker'/></fetch>"
    with reading() as side:
        side.store.create("new_maker", {"new_name": "one"})
        assert len(rows(side, "new_makers", xml)) == 1
    with reading(switches=Switches(page_size_out_of_range="refused")) as side:
        assert refusal(side, "new_makers", xml)[:2] == (400, "0x80044305")


def test_a_stuck_cookie() -> None:
    with reading(switches=Switches(stuck_cookie="any")) as side:
        for number in range(6):
            side.store.create("new_maker", {"new_size": number})
        first = fetch(
            side, "new_makers", "<fetch count='2'><entity name='new_maker'/></fetch>", PAGING
        )
        cookie = inner_cookie(first).replace("<", "&lt;").replace('"', "&quot;")
        xml = (
            f"<fetch count='2' page='2' paging-cookie='{cookie}'><entity name='new_maker'/></fetch>"
        )
        second = fetch(side, "new_makers", xml, PAGING)
        assert 'pagenumber="3"' in second[COOKIE]
        last = [re.search(r'last="([^"]+)', inner_cookie(page)) for page in (first, second)]
        assert last[0] is not None
        assert last[1] is not None
        assert last[0][1] == last[1][1]


def test_a_linked_order_has_no_cookie(crm: Reading) -> None:
    inside = LINK.format("link-type='outer'", "<order attribute='new_name'/>")
    page = fetch(crm, "new_widgets", entity(inside, head="count='2'"), PAGING)
    assert page[COOKIE] == '<cookie pagenumber="2" istracking="False" />'
    rest = fetch(crm, "new_widgets", entity(inside, head="count='2' page='2'"), PAGING)
    found = [row["new_name"] for row in (*page["value"], *rest["value"])]
    assert found[0] == "drill"
    assert set(found) == EVERY


def test_a_wrong_cookie_is_refused(crm: Reading) -> None:
    def asked(cookie: str) -> tuple[int, str, str]:
        text = cookie.replace("<", "&lt;").replace('"', "&quot;")
        head = f"count='1' page='2' paging-cookie='{text}'"
        return refusal(crm, "new_widgets", entity("<order attribute='new_name'/>", head=head))

    other = '<cookie page="1"><new_count last="1" first="1" /><new_widgetid last="{}" /></cookie>'
    assert asked("rubbish")[:2] == (400, "0x8004112A")
    assert asked('<cookie page="1"><new_name /><new_widgetid /></cookie>')[1] == "0x8004112A"
    assert asked(other)[:2] == (400, "0x80041129")
