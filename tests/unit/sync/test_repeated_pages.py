"""Chains that would never end: rows that come again, pages that bring nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pyarrow as pa
import pytest

from dataverse_source.arrow.page import Page
from dataverse_source.errors import ProtocolError
from dataverse_source.sync.read.repeated_pages import EMPTY_PAGES, checked


def page(*keys: str, versions: list[int] | None = None, deleted: tuple[str, ...] = ()) -> Page:
    rows = pa.table(
        {
            "id": pa.array(keys, pa.string()),
            "versionnumber": pa.array(versions or [1] * len(keys), pa.int64()),
        }
    )
    return Page(rows, "https://a/next", deleted=pa.array(deleted, pa.string()))


def read(pages: Iterator[Page], *identity: str) -> int:
    return sum(1 for _ in checked(pages, "accounts", identity or ("id",)))


def test_a_provider_that_ignores_the_page_number_is_an_error() -> None:
    read_first: list[Page] = []
    pages = checked(itertools.repeat(page("a", "b")), "accounts", ("id",))
    with pytest.raises(ProtocolError, match="the same rows") as caught:
        read_first.extend(pages)
    assert caught.value.where == "accounts"


@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_a_circle_of_any_length_is_an_error(length: int) -> None:
    around = [page(f"a{number}", f"b{number}") for number in range(length)]
    with pytest.raises(ProtocolError, match="the same rows"):
        read(itertools.cycle(around))


def test_a_slice_of_rows_counts_as_what_it_shows() -> None:
    rows = page("a", "b", "c", "a", "b").rows
    with pytest.raises(ProtocolError, match="the same rows"):
        read(iter([Page(rows.slice(0, 2), "x"), Page(rows.slice(3, 2), "x")]))
    assert read(iter([Page(rows.slice(0, 2), "x"), Page(rows.slice(1, 2), "x")])) == 2


def test_a_delta_may_bring_a_row_in_two_versions() -> None:
    pages = [page("a", versions=[1]), page("a", versions=[2])]
    assert read(iter(pages), "id", "versionnumber") == 2
    with pytest.raises(ProtocolError, match="the same rows"):
        read(iter(pages))


def test_a_delta_of_nothing_but_deleted_rows_is_watched_too() -> None:
    with pytest.raises(ProtocolError, match="the same rows"):
        read(itertools.repeat(page(deleted=("a", "b"))))
    assert read(iter([page(deleted=("a",)), page("a"), page(deleted=("b",))])) == 3


def test_pages_without_rows_come_to_an_end() -> None:
    with pytest.raises(ProtocolError, match="bring nothing"):
        read(itertools.repeat(page()))
    some = [*[page() for _ in range(EMPTY_PAGES)], page("a")]
    assert read(iter([*some, *some[:-1], page("b")])) == 2 * (EMPTY_PAGES + 1)
