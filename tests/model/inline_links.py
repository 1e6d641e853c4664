"""Walks to first delta links without threads, so that a seed gives the same history again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from dataverse_source.sync.first_links import FirstLinks, LinkWalk, Pages


class InlineWalk(LinkWalk):
    """Walks as late as it can: when the link is asked for, with all that has changed till then."""

    def go_on(self) -> None:
        """Nothing."""

    def link(self, on_page: Callable[[int], None]) -> str | None:
        self._walk()
        return super().link(on_page)


class InlineLinks(FirstLinks):
    """The walks of a run."""

    def new_walk(self, pages: Pages, now: Callable[[], datetime]) -> LinkWalk:
        return InlineWalk(pages, now)
