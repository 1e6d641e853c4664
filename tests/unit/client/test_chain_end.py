"""The end of a chain of pages is believed only if it can be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from dataverse_source.client.session import new_session
from dataverse_source.errors import ProtocolError
from tests.support.clients import Bench, Page
from tests.support.servers import Answer, Received, json_answer, serving

NEXT = "@odata.nextLink"
MORE = "@Microsoft.Dynamics.CRM.morerecords"
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with new_session() as session:
        yield Bench(session)


class Table:
    """A server with so many rows that pages them as asked, and then changes its answers."""

    def __init__(
        self, rows: int, change: Callable[[dict[str, Any]], None] = lambda _: None
    ) -> None:
        self.rows = rows
        self.change = change
        self.asked: list[tuple[int, int]] = []

    def __call__(self, request: Received) -> Answer:
        start = int(parse_qs(urlsplit(request.target).query).get("start", ["0"])[0])
        size = int(request.headers["prefer"].rpartition("=")[2])
        self.asked.append((start, size))
        rows = list(range(start, min(start + size, self.rows)))
        page: dict[str, Any] = {"value": rows}
        if start + size < self.rows:
            page[NEXT] = f"http://{request.headers['host']}/a?start={start + size}"
        self.change(page)
        return json_answer(page)


def parse(body: bytes) -> Page:
    page = json.loads(body)
    return Page(page["value"], page.get(NEXT), page.get(MORE))


def read(table: Table, bench: Bench, size: int) -> list[int]:
    with serving(table) as server:
        pages = bench.client(server.url).pages(f"{server.url}/a", page_size=size, parse=parse)
        return [row for page in pages for row in page.rows]


def without_link(page: dict[str, Any]) -> None:
    page.pop(NEXT, None)


def only_more(page: dict[str, Any]) -> None:
    if page.pop(NEXT, None):
        page[MORE] = True


def says_no_more(page: dict[str, Any]) -> None:
    if NEXT not in page:
        page[MORE] = False


def capped(page: dict[str, Any]) -> None:
    """Gives a page of 3 rows whatever is asked for, and no link."""
    page.pop(NEXT, None)
    page["value"] = page["value"][:3]
    if len(page["value"]) == 3:
        page[MORE] = True


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4, 5, 6, 7, 9])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_whole_chains_are_read_whole(bench: Bench, rows: int, size: int) -> None:
    assert read(Table(rows), bench, size) == list(range(rows))


def test_a_short_last_page_needs_no_proof(bench: Bench) -> None:
    table = Table(5)
    read(table, bench, 3)
    assert table.asked == [(0, 3), (3, 3)]


def test_a_full_last_page_is_asked_for_once_more_with_a_row_less(bench: Bench) -> None:
    table = Table(6)
    assert read(table, bench, 3) == list(range(6))
    assert table.asked == [(0, 3), (3, 3), (3, 2), (5, 3)]


def test_a_full_last_page_that_says_that_it_is_the_last_needs_no_proof(bench: Bench) -> None:
    table = Table(6, says_no_more)
    assert read(table, bench, 3) == list(range(6))
    assert table.asked == [(0, 3), (3, 3)]


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("change", [without_link, only_more, capped])
def test_a_chain_that_is_cut_off_is_an_error(bench: Bench, change: Change, size: int) -> None:
    with pytest.raises(ProtocolError, match="is not the last one") as caught:
        read(Table(20, change), bench, size)
    assert str(caught.value.where).endswith("/a")


def test_a_link_that_is_missing_once_is_found(bench: Bench) -> None:
    answers = iter([without_link])

    def change(page: dict[str, Any]) -> None:
        next(answers, lambda _: None)(page)

    assert read(Table(20, change), bench, 5) == list(range(20))


def test_ever_new_links_with_one_cookie_are_a_circle(bench: Bench) -> None:
    cookie = (
        "%253ccookie%2520page%253d%25221%2522%253e%253ca%2520last%253d%2522x%2522%2520%252f%253e"
    )
    numbers = iter(range(2, 100))

    def change(page: dict[str, Any]) -> None:
        token = f"%3Ccookie%20pagenumber=%22{next(numbers)}%22%20pagingcookie=%22{cookie}%22%20/%3E"
        page[NEXT] = f"{url}/a?start={next(numbers)}&$skiptoken={token}"

    table = Table(9, change)
    with serving(table) as server:
        url = server.url
        pages = bench.client(url).pages(f"{url}/a", page_size=5, parse=parse)
        with pytest.raises(ProtocolError, match="in a circle"):
            list(pages)
    assert len(table.asked) == 2


def test_a_link_that_is_longer_than_any_url_is_an_error(bench: Bench) -> None:
    def change(page: dict[str, Any]) -> None:
        page[NEXT] = f"{page[NEXT]}&x={'y' * 100_000}"

    with pytest.raises(ProtocolError, match="longer than any URL"):
        read(Table(20, change), bench, 5)
