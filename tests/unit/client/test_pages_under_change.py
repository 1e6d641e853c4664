"""Rows are created and deleted between the requests of a chain's end: no error, no lost row."""

from __future__ import annotations

from itertools import product

import pytest

from dataverse_source.client.pages import follow_next_links
from dataverse_source.errors import ProtocolError
from tests.support.clients import Page

BASE = "https://crm.example"
URL = f"{BASE}/a"
LATER = 1000
"""Keys of rows that are created after all others, as Dataverse appends them by default."""


class LiveTable:
    """A table whose rows change before its requests.

    Args:
        rows: how many it has at first; their keys are 0, 10, 20 ...
        changes: what happens before each request: 1 creates a row at the end, 2 in the middle of
            the last page, -1 deletes the last row, -2 the one before it.
        cut: how many of the first answers without their next link there are.
    """

    def __init__(self, rows: int, changes: tuple[int, ...], cut: int = 0) -> None:
        self.rows = [10 * number for number in range(rows)]
        self.ever, self.always = set(self.rows), set(self.rows)
        self.changes = iter(changes)
        self.cut = cut
        self.new = LATER

    def fetch(self, url: str, size: int | None, retry_heavy: bool) -> Page:
        self._change(next(self.changes, 0))
        assert size is not None
        _, _, after = url.partition("?after=")
        rest = [key for key in self.rows if not after or key > int(after)]
        page, more = rest[:size], rest[size:]
        link = f"{URL}?after={page[-1]}" if more else None
        if link and self.cut:
            self.cut, link = self.cut - 1, None
        return Page(page, link)

    def read(self, size: int) -> list[int]:
        pages = follow_next_links(self.fetch, URL, base=BASE, rows=size)
        return [key for page in pages for key in page.rows]

    def _change(self, change: int) -> None:
        if change > 0:
            self.new += 1
            key = self.new if change == 1 or not self.rows else self.rows[-1] - 1
            if key not in self.ever:
                self.rows = sorted([*self.rows, key])
                self.ever.add(key)
        elif -change in range(1, len(self.rows) + 1):
            self.always.discard(self.rows.pop(change))


def check(table: LiveTable, size: int) -> None:
    found = table.read(size)
    assert found == sorted(set(found))
    assert table.always <= set(found) <= table.ever


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("pages", [1, 2])
def test_whatever_changes_between_the_requests_of_an_end(size: int, pages: int) -> None:
    quiet = (0,) * pages  # up to the full last page
    for changes in product((-2, -1, 0, 1, 2), repeat=3):
        check(LiveTable(size * pages, (*quiet, *changes)), size)


@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_links_that_are_missing_for_a_while_lose_no_row(size: int, cut: int) -> None:
    for changes in product((-1, 0, 1), repeat=3):
        check(LiveTable(3 * size + 1, (0, *changes), cut), size)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("change", [0, 1, 2])
def test_rows_that_are_created_all_the_time_hide_no_missing_link(size: int, change: int) -> None:
    table = LiveTable(3 * size + 1, (change,) * 20, cut=1000)
    with pytest.raises(ProtocolError, match="is not the last one"):
        table.read(size)
