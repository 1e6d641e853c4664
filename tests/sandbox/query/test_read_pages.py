"""Pages of a collection: next links, counts, and the order that they go by."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote, unquote

import pytest

from dataverse_source.sandbox.switches import Switches
from tests.support.sandbox.accounts import three_accounts
from tests.support.sandbox.reading import ROOT, Reading, reading


@pytest.fixture(scope="module")
def crm() -> Iterator[Reading]:
    with three_accounts() as side:
        yield side


def test_the_next_link_is_encoded_as_the_docs_print_it(crm: Reading) -> None:
    page = crm.json("accounts?$select=name", "odata.maxpagesize=2")
    first, last = (row["accountid"].upper() for row in page["value"])
    assert page["@odata.nextLink"] == (
        f"{ROOT}accounts?$select=name&$skiptoken=%3Ccookie%20pagenumber=%222%22%20pagingcookie="
        "%22%253ccookie%2520page%253d%25221%2522%253e%253caccountid%2520last%253d%2522%257b"
        f"{last}%257d%2522%2520first%253d%2522%257b{first}%257d%2522%2520%252f%253e"
        "%253c%252fcookie%253e%22%20istracking=%22False%22%20/%3E"
    )
    assert list(page)[-2:] == ["value", "@odata.nextLink"]


def test_a_null_in_an_order_column_is_written_as_null(crm: Reading) -> None:
    page = crm.json("accounts?$select=name&$orderby=revenue,name", "odata.maxpagesize=1")
    cookie = unquote(unquote(unquote(page["@odata.nextLink"])))
    assert '<revenue lastnull="1" firstnull="1" />' in cookie
    assert '<name last="Test Account 2" first="Test Account 2" />' in cookie


def test_count_and_annotations(crm: Reading) -> None:
    page = crm.json(
        "accounts?$select=name&$count=true",
        'odata.maxpagesize=2, odata.include-annotations="Microsoft.Dynamics.CRM.*"',
    )
    assert list(page)[1:4] == [
        "@odata.count",
        "@Microsoft.Dynamics.CRM.totalrecordcount",
        "@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded",
    ]
    assert page["@odata.count"] == page["@Microsoft.Dynamics.CRM.totalrecordcount"] == 3
    answer = crm.ask("accounts/$count")
    assert answer.body == b"\xef\xbb\xbf3"
    assert answer.headers["Content-Type"] == "text/plain"


def test_counts_stop_at_5000() -> None:
    with reading() as side:
        side.store.seed("new_maker", 5001)
        page = side.json(
            "new_makers?$select=new_size&$count=true",
            'odata.include-annotations="Microsoft.Dynamics.CRM.*"',
        )
        assert page["@odata.count"] == 5000
        assert page["@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"] is True
        assert len(page["value"]) == 5000
        assert "@odata.nextLink" in page
        assert len(side.json("new_makers", "odata.maxpagesize=9000")["value"]) == 5000


def test_a_cookie_of_another_order_is_refused(crm: Reading) -> None:
    link = crm.json("accounts?$orderby=name", "odata.maxpagesize=1")["@odata.nextLink"]
    rest = link[len(ROOT) :].replace("$orderby=name", "$orderby=revenue")
    assert crm.fault(rest)[:2] == (400, "0x80041129")


def test_next_links_that_expire() -> None:
    switches = Switches().changed(skiptoken_expiry="0x80041129", skiptoken_lifetime_seconds=60)
    with reading(switches=switches) as side:
        side.store.seed("new_maker", 5)
        link = side.json("new_makers", "odata.maxpagesize=2")["@odata.nextLink"]
        rest = link[len(ROOT) :]
        side.clock.advance(59)
        assert len(side.json(rest, "odata.maxpagesize=2")["value"]) == 2
        side.clock.advance(2)
        assert side.fault(rest, "odata.maxpagesize=2")[:2] == (400, "0x80041129")


def test_next_links_that_never_move_on() -> None:
    with reading(switches=Switches().changed(stuck_cookie="any")) as side:
        side.store.seed("new_maker", 7)
        seen = []
        for page in side.pages("new_makers", "odata.maxpagesize=2"):
            seen.append(unquote(page["@odata.nextLink"]))
            if len(seen) == 4:
                break
        cookies = [link.partition("pagingcookie=")[2] for link in seen]
        assert cookies[0] == cookies[1] == cookies[2] == cookies[3]
        assert 'pagenumber="5"' in seen[3]


@pytest.mark.parametrize("first", [1, 2])
@pytest.mark.parametrize(
    "cookie", ['<cookie pagenumber="{}" istracking="False" />', "<cookie pagenumber={} />"]
)
def test_a_client_that_counts_pages_itself_reads_all_rows(cookie: str, first: int) -> None:
    with reading() as side:
        side.store.seed("new_maker", 7)
        found = []
        for page in range(1, 6):
            token = f"&$skiptoken={quote(cookie.format(page))}" if page >= first else ""
            rows = side.json(f"new_makers?$select=new_name{token}", "odata.maxpagesize=2")["value"]
            found += [row["new_makerid"] for row in rows]
        assert found == [row["new_makerid"] for row in side.store.rows("new_maker")]


def test_paging_without_a_cookie_goes_by_page_number() -> None:
    with reading() as side:
        for number in range(5):
            maker = side.store.create("new_maker", {"new_size": number % 3})
            side.store.create("new_widget", {"new_makerid": maker, "new_count": number})
        rest = "new_widgets?$select=new_count&$orderby=new_MakerId/new_size desc"
        pages = list(side.pages(rest, "odata.maxpagesize=2"))
        counts = [row["new_count"] for page in pages for row in page["value"]]
        assert counts == [2, 1, 4, 0, 3]
        assert "pagingcookie" not in unquote(pages[0]["@odata.nextLink"])
        cookie = "%3Ccookie%20pagenumber=%2225002%22%20istracking=%22False%22%20/%3E"
        refused = side.fault(f"{rest}&$skiptoken={cookie}", "odata.maxpagesize=2")
        assert refused[:2] == (400, "0x8004430A")
