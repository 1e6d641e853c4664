"""A client of change tracking that is right under every switch, to be run step by step."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from datetime import timedelta
from typing import Any

from dataverse_source.sandbox.environment.clock import Clock

Get = Callable[[str, str], tuple[int, Any]]
"""Given a URL or a path and a Prefer header: status and parsed body."""

EXPIRED = "0x80044352"
GARBLED = "0x80040203"
NEW_LINK = "The chain ended without a delta link."
VERSION = "Microsoft.Dynamics.CRM.globalmetadataversion"


class CarefulReader:
    """Keeps a copy of a table with change tracking.

    It does what is known to be safe: an overlap by version number after each chain, a look at
    all keys after a full read, a full read when the token is old or the schema has changed.
    """

    def __init__(
        self, get: Get, clock: Clock, table: str, key: str, select: str, page_size: int = 3
    ) -> None:
        self._get, self._clock = get, clock
        self._table, self._key, self._select = table, key, select
        self._prefer = f"odata.track-changes,odata.maxpagesize={page_size}"
        self._asked_at = clock.now()
        self._versions = (0, 0)
        self._metadata = ""
        self.link: str | None = None
        self.rows: dict[str, dict[str, Any]] = {}
        self.full_reads = 0
        self.pages = 0

    def sync(self, *, sweep: bool = False) -> Iterator[None]:
        """Brings the copy up to date; gives way after every request."""
        top, metadata = self._look()
        yield
        old = self._clock.now() - self._asked_at > timedelta(days=6, hours=23)
        if old or metadata != self._metadata:
            self.link = None
        self._asked_at, self._metadata = self._clock.now(), metadata
        full = self.link is None
        link: str | None = self.link
        if link is not None:
            full = not (yield from self._chain(link))
        if full:
            self.full_reads += 1
            self.rows.clear()
            assert (yield from self._chain(f"{self._table}?$select={self._select}"))
        self._reread(min(self._versions))
        yield
        self._versions = (self._versions[1], top)
        if full or sweep:
            self._sweep()
            yield

    def run(self, **options: bool) -> None:
        """The same at one go."""
        for _ in self.sync(**options):
            pass

    def _chain(self, link: str) -> Generator[None, None, bool]:
        """Follows a chain to its end; False when the token is no good."""
        next_link: str | None = link
        delta_link = None
        while next_link is not None:
            status, page = self._get(next_link, self._prefer)
            self.pages += 1
            if status != 200:
                assert page["error"]["code"] in (EXPIRED, GARBLED)
                self.link = None
                return False
            for entry in page["value"]:
                self._apply(entry)
            next_link, delta_link = page.get("@odata.nextLink"), page.get("@odata.deltaLink")
            yield
        assert delta_link is not None, NEW_LINK
        self.link = delta_link
        return True

    def _apply(self, entry: dict[str, Any]) -> None:
        if entry.get("reason") == "deleted":
            assert entry["@odata.context"].endswith(f"#{self._table}/$deletedEntity")
            self.rows.pop(entry["id"], None)
        else:
            self.rows[entry[self._key]] = entry

    def _look(self) -> tuple[int, str]:
        """The highest version number and the version of the metadata."""
        query = "$select=versionnumber&$orderby=versionnumber desc&$top=1"
        prefer = f'odata.include-annotations="{VERSION}"'
        page = self._get(f"{self._table}?{query}", prefer)[1]
        return max((row["versionnumber"] for row in page["value"]), default=0), page[f"@{VERSION}"]

    def _reread(self, version: int) -> None:
        query = f"$select={self._select}&$filter=versionnumber gt {version}"
        for row in self._get(f"{self._table}?{query}", "")[1]["value"]:
            self._apply(row)

    def _sweep(self) -> None:
        page = self._get(f"{self._table}?$select={self._key}", "")[1]
        there = {row[self._key] for row in page["value"]}
        self.rows = {key: row for key, row in self.rows.items() if key in there}
