"""Pages of one chain, each decoded while the next one is on its way.

A page's next link stands at its very end, so it can be seen before the page is decoded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

from dataverse_source.arrow.decode import Page
from dataverse_source.client.client import DataverseClient
from dataverse_source.errors import MalformedBodyError, ProtocolError, safe_url
from dataverse_source.sync.read.workers import WorkerPool, ahead

_LAST_MEMBER = re.compile(rb'[,\s]"@odata\.nextLink"\s*:\s*("(?:[^"\\]|\\.)*")\s*\}\s*\Z')
"""The next link as the last member of the document, and not of anything within it."""

LONGEST_LINK = 65_536
"""Bytes at the end of a page that are searched: a URL is half as long at most."""


PAGES_AHEAD = 2
"""Pages that are fetched, or decoded, while one is worked on; each may take 100 MB meanwhile."""


@dataclass(frozen=True)
class _Arrived:
    """A page that is being decoded."""

    next_link: str | None
    page: Future[Page]


class PagePrefetch:
    """Reads chains of pages, with fetching and decoding on different threads.

    Args:
        client: fetches.
        crew: whose threads do the work.
        decode: makes a page of a body.
    """

    def __init__(
        self, client: DataverseClient, crew: WorkerPool, decode: Callable[[bytes], Page]
    ) -> None:
        self._client = client
        self._crew = crew
        self._decode = decode

    def pages(self, url: str, prefer: list[str], before: str | None = None) -> Iterator[Page]:
        """The pages from ``url`` on.

        Args:
            url: of the first page.
            prefer: preferences for the ``Prefer`` header.
            before: see `DataverseClient.pages`.

        Raises:
            DataverseError: see `DataverseClient.pages`.
        """
        with self._crew:
            arrived = self._client.pages(url, prefer=prefer, parse=self._begin, before=before)
            for one in ahead(arrived, self._crew, PAGES_AHEAD):
                self._crew.first_done([one.page])
                try:
                    page = one.page.result()
                except MalformedBodyError:  # worth another try, as anywhere
                    page = self._client.get(url, prefer=prefer, parse=self._decode)
                if page.next_link != one.next_link:
                    raise ProtocolError(
                        "The next link of a page is not the one at its end",
                        where=safe_url(url),
                    )
                yield page
                url = page.next_link or url

    def _begin(self, body: bytes) -> _Arrived:
        """Has a page decoded, at once where it may be the last or not be whole."""
        link = link_at_the_end(body)
        if link is not None:
            return _Arrived(link, self._crew.submit(lambda: self._decode(body)))
        page: Future[Page] = Future()
        page.set_result(self._decode(body))
        return _Arrived(page.result().next_link, page)


def link_at_the_end(body: bytes) -> str | None:
    """The next link, if it is the last member of the page's document."""
    found = _LAST_MEMBER.search(body, max(len(body) - LONGEST_LINK, 0))
    if found is None:
        return None
    try:
        return str(json.loads(found[1]))
    except ValueError:
        return None
