"""Reads a chain of pages and decodes each one while the next is fetched.

A page's next link is its last member, so it is found before the page is decoded.
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
from dataverse_source.sync.read.workers import WorkerPool, prefetch

_LAST_MEMBER = re.compile(rb'[,\s]"@odata\.nextLink"\s*:\s*("(?:[^"\\]|\\.)*")\s*\}\s*\Z')
"""The next link as the last member of the document, and not of anything within it."""

LONGEST_LINK = 65_536
"""Bytes searched at the end of a page: a URL is at most half as long."""

PAGES_AHEAD = 2
"""Pages fetched or decoded in advance; each may take 100 MB of memory."""


@dataclass(frozen=True)
class _Arrived:
    """A fetched page that is being decoded."""

    next_link: str | None
    page: Future[Page]
    more: bool | None = None
    count: int = 0


class PagePrefetch:
    """Reads chains of pages; fetches and decodes on different threads.

    Args:
        client: fetches the pages.
        workers: threads that fetch and decode.
        decode: turns a body into a page.
    """

    def __init__(
        self, client: DataverseClient, workers: WorkerPool, decode: Callable[[bytes], Page]
    ) -> None:
        self._client = client
        self._workers = workers
        self._decode = decode

    def pages(
        self,
        url: str,
        prefer: list[str],
        *,
        page_size: int | None = None,
        before: str | None = None,
    ) -> Iterator[Page]:
        """The pages from ``url`` on.

        Args:
            url: URL of the first page.
            prefer: values of the ``Prefer`` header, besides the page size.
            page_size: most rows in a page.
            before: see `DataverseClient.pages`.

        Raises:
            DataverseError: see `DataverseClient.pages`.
        """
        with self._workers:
            arrived = self._client.pages(
                url, prefer=prefer, page_size=page_size, parse=self._begin, before=before
            )
            for one in prefetch(arrived, self._workers, PAGES_AHEAD):
                self._workers.first_done([one.page])
                try:
                    page = one.page.result()
                except MalformedBodyError:  # fetch it once more, as the client does
                    page = self._client.get(
                        url, prefer=prefer, page_size=page_size, parse=self._decode
                    )
                if page.next_link != one.next_link:
                    raise ProtocolError(
                        "The next link of a page is not the one at its end",
                        where=safe_url(url),
                    )
                yield page
                url = page.next_link or url

    def _begin(self, body: bytes) -> _Arrived:
        """Starts decoding; a page without a link at its end may be the last, so it is done here."""
        link = link_at_the_end(body)
        if link is not None:
            return _Arrived(link, self._workers.submit(lambda: self._decode(body)))
        page: Future[Page] = Future()
        decoded = self._decode(body)
        page.set_result(decoded)
        return _Arrived(decoded.next_link, page, decoded.more, decoded.count)


def link_at_the_end(body: bytes) -> str | None:
    """The next link, if it is the last member of the document."""
    found = _LAST_MEMBER.search(body, max(len(body) - LONGEST_LINK, 0))
    if found is None:
        return None
    try:
        return str(json.loads(found[1]))
    except ValueError:
        return None
