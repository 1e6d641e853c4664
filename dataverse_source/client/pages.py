"""Follows next links from page to page, with smaller pages where a query is too heavy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from dataverse_source.client import page_size
from dataverse_source.client.urls import paging_cookie, pinned
from dataverse_source.config.log import logger
from dataverse_source.errors import ProtocolError, ResponseError, safe_url

__all__ = ["HasNextLink", "follow_next_links"]


class HasNextLink(Protocol):
    """A page; ``next_link`` is None on the last one."""

    @property
    def next_link(self) -> str | None:
        """URL of the next page."""
        ...


P = TypeVar("P", bound=HasNextLink)

Fetch = Callable[[str, "int | None", bool], P]
"""Fetches the page at a URL: with so many rows at most, and tried again if it is too heavy."""


def follow_next_links(
    fetch: Fetch[P], url: str, *, base: str, rows: int | None, before: str | None = None
) -> Iterator[P]:
    """The page at ``url`` and all that its next links lead to, each page once.

    Args:
        fetch: fetches one page.
        url: of the first page.
        base: scheme, host and port that next links may lead to.
        rows: of a page, at most; None leaves it to Dataverse.
        before: URL of the page that has led to ``url``, if it has been read already.

    Raises:
        ProtocolError: a next link leads to another host, or in a circle.
        DataverseError: from ``fetch``.
    """
    seen = set() if before is None else {before}
    last = None if before is None else paging_cookie(before)
    while True:
        cookie = paging_cookie(url)
        if url in seen or (cookie is not None and cookie == last):
            raise ProtocolError(
                "The next link leads in a circle: the same rows would be read for ever",
                where=safe_url(url),
                remedy="This is a fault of the server. Try another page_size or select.",
            )
        seen.add(url)
        page, rows = _page(fetch, url, rows)
        yield page
        if page.next_link is None:
            return
        last, url = cookie, pinned(page.next_link, base)


def _page(fetch: Fetch[P], url: str, rows: int | None) -> tuple[P, int | None]:
    """One page, and how many rows to ask for on the next ones."""
    first = rows
    while True:
        fewer = page_size.smaller(rows)
        try:
            return fetch(url, rows, fewer is None), rows
        except ResponseError as error:
            if fewer is None or not page_size.is_too_heavy(error.code):
                raise
            why = error.why
        if rows == first:
            logger.warning(
                "Pages of %s rows of %s are too much for Dataverse (%s): reading smaller ones",
                rows,
                safe_url(url),
                why,
            )
        rows = fewer
