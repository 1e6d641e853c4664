"""Follows next links from page to page, and believes the end of a chain only if it can be."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from dataverse_source.client import page_size
from dataverse_source.client.page_size import PageSize
from dataverse_source.client.urls import paging_cookie, pinned
from dataverse_source.config.log import logger
from dataverse_source.errors import DataverseError, ProtocolError, safe_url

__all__ = ["HasNextLink", "follow_next_links"]


class HasNextLink(Protocol):
    """A page."""

    @property
    def next_link(self) -> str | None:
        """URL of the next page; None on the last one."""
        ...

    @property
    def more(self) -> bool | None:
        """Whether the page says that more rows follow; None when it says nothing.

        Needed only of a page without a next link.
        """
        ...

    @property
    def count(self) -> int:
        """How many rows it has; needed only of a page without a next link."""
        ...


P = TypeVar("P", bound=HasNextLink)

LOOKS = 4
"""How often a full last page is asked for again before its missing next link is an error."""

Fetch = Callable[[str, "int | None", bool], P]
"""Fetches the page at a URL: with so many rows at most; True: Dataverse gets no smaller page, so a
query that is too heavy is tried again as often as any other."""


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
        ProtocolError: a next link leads to another host, or in a circle; the last page says that
            more rows follow, or is full whatever size is asked for.
        DataverseError: from ``fetch``.
    """
    followed = _Followed()
    if before is not None:
        followed.add(before)
    size = PageSize(rows)
    while True:
        followed.add(url)
        page = _page(fetch, url, size)
        if page.next_link is None:
            page = _confirmed(fetch, url, page, size.rows)
        yield page
        if page.next_link is None:
            return
        size.went_well()
        url = pinned(page.next_link, base)


class _Followed:
    """The links of a chain; none may come twice.

    A server may give ever new links to the same page, with the page number grown and the paging
    cookie unchanged.
    """

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def add(self, url: str) -> None:
        cookie = paging_cookie(url)
        marks = {_digest(url)} | ({_digest(cookie)} if cookie is not None else set())
        if not self._seen.isdisjoint(marks):
            raise ProtocolError(
                "The next link leads in a circle: the same rows would be read for ever",
                where=safe_url(url),
                remedy="This is a fault of the server. Try another page_size or select.",
            )
        self._seen |= marks


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _page(fetch: Fetch[P], url: str, size: PageSize) -> P:
    """The page at ``url``, with fewer rows if that many are too much for Dataverse."""
    told = False
    while True:
        try:
            return fetch(url, size.rows, size.is_smallest)
        except DataverseError as error:
            before = size.rows
            if not page_size.is_too_heavy(error) or not size.make_smaller(error):
                raise
            if not told:
                logger.warning(
                    "Pages of %s rows of %s are too much for Dataverse (%s): reading smaller ones",
                    before,
                    safe_url(url),
                    error.why,
                )
            told = True


def _confirmed(fetch: Fetch[P], url: str, page: P, rows: int | None) -> P:
    """The page at ``url``, which has no next link, or what takes its place.

    A full page may be the last one by chance, or its next link is missing. So it is asked for
    again, now with a row less, now with as many: a page with a next link goes on, and one that is
    not full is the last. Either takes the place of the first, so that a row that is created or
    deleted meanwhile is no contradiction: the rows are those of the answer that is believed.

    A full page without a next link every time is an error. A server that gives next links would
    have to have a row created or deleted, in turns, between each two of these requests.
    """
    asked, missing = rows, 0
    while _may_be_cut_off(url, page, asked):
        missing += 1
        if rows is None or missing > LOOKS:
            raise _cut_off(url, "it is full, and so is the same page of another size")
        asked = (rows - 1 or 2) if asked == rows else rows
        page = fetch(url, asked, True)
    return page


def _may_be_cut_off(url: str, page: HasNextLink, asked: int | None) -> bool:
    """Whether a page of ``asked`` rows at most says neither that it is the last nor what follows.

    Raises:
        ProtocolError: it says that more rows follow, and not where.
    """
    if page.next_link is not None:
        return False
    if page.more:
        raise _cut_off(url, "it says that more rows follow (morerecords)")
    return page.more is None and asked is not None and 0 < asked <= page.count


def _cut_off(url: str, why: str) -> ProtocolError:
    return ProtocolError(
        "A page has no next link, but is not the last one",
        where=safe_url(url),
        why=why,
        remedy="This is a fault of the server. Try another page_size or select; nothing of this "
        "read was taken for the whole table.",
    )
