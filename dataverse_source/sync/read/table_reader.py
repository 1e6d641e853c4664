"""Reads the rows of one table page by page; every sync mode builds on it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import cached_property
from typing import Any

import pyarrow as pa
from dlt.common.runtime import signals

from dataverse_source.arrow.decode import Page, decode_page
from dataverse_source.arrow.schema import TableSchema, table_schema
from dataverse_source.client.client import DataverseClient
from dataverse_source.client.urls import pinned
from dataverse_source.config.settings import MAX_PAGE_SIZE, TableSettings
from dataverse_source.errors import ProtocolError
from dataverse_source.metadata.column_selection import holds_files
from dataverse_source.metadata.literals import is_guid, text_literal, text_literals
from dataverse_source.metadata.model import Column, Table
from dataverse_source.sync.drain import Drain
from dataverse_source.sync.files.columns import FileColumn
from dataverse_source.sync.read.created_on import CREATED_ON, CreatedOnCounts
from dataverse_source.sync.read.prefetch import PagePrefetch, link_at_the_end
from dataverse_source.sync.read.query import preferences, rows_query
from dataverse_source.sync.read.repeated_pages import checked
from dataverse_source.sync.read.workers import WorkerPool

TRACK_CHANGES = "odata.track-changes"
VERSION = "versionnumber"

VERSION_MARGIN = 10_000
"""A row that commits later may have a version number this far below the highest one: a transaction
takes the number when it begins to write, and its rows are visible when it commits (SQL Server
docs: "MIN_ACTIVE_ROWVERSION")."""

KEYS_A_REQUEST = 50
"""Keys in one request, which keeps the URL far below the longest that a GET may have."""

FILE_PAGE_SIZE = 20
"""Most rows in a page with whole files: 20 files of 1 MB are a page of 28 MB."""

ELASTIC_PAGE_SIZE = 500
"""Most rows in a page of an elastic table (docs: "Elastic tables")."""


@dataclass(frozen=True)
class _SkippedPage:
    """A page that is not decoded: only its next link is needed."""

    next_link: str
    more: bool | None = None
    count: int = 0


@dataclass(frozen=True)
class TableReader:
    """One table, the columns to read, and the client that reads them.

    Attributes:
        rows: about how many it has; None: not known yet.
        file_columns: those whose files are wanted.
    """

    client: DataverseClient
    table: Table
    columns: tuple[Column, ...]
    schema: TableSchema
    settings: TableSettings
    rows: int | None = None
    file_columns: tuple[FileColumn, ...] = ()

    @property
    def name(self) -> str:
        """Entity set name: the table's name in URLs, in the destination and in messages."""
        return str(self.table.entity_set_name)

    @property
    def key(self) -> str:
        """Name of the key column."""
        return self.schema.primary_key

    @property
    def page_size(self) -> int:
        """Most rows in a page."""
        size = self._at_most(self.settings.page_size)
        has_files = any(holds_files(self.table, column) for column in self.columns)
        return min(size, FILE_PAGE_SIZE) if has_files else size

    @property
    def concurrency(self) -> int:
        """How many concurrent requests the concurrency limiter allows now."""
        return self.client.concurrency

    @property
    def select(self) -> str | None:
        """Value of ``$select`` for all columns; None if it would be too long."""
        return rows_query(self.columns).get("$select")

    def now(self) -> datetime:
        """The time of Dataverse's last response, by its clock, in whole seconds."""
        moment = self.client.server_time or datetime.now(timezone.utc)
        return moment.replace(microsecond=0)

    def url(self, filters: Sequence[str] = (), *, order: str | None = None) -> str:
        """URL of the rows that meet ``filters`` and the filter of the settings.

        Without ``order`` Dataverse returns each row once, by primary key, which is also its
        fastest order (docs: "Page results").
        """
        query = rows_query(self.columns, filters=self._with_own(filters))
        if order is not None:
            query["$orderby"] = order
        return self.client.url(self.name, query)

    def pages(self, url: str) -> Iterator[Page]:
        """The pages from ``url`` on.

        Raises:
            DataverseError: see `DataverseClient.pages` and `decode_page`.
        """
        return self._pages(url, self.columns, self.schema)

    def prefetched_pages(
        self, url: str, workers: WorkerPool, *, before: str, tracked: bool = False
    ) -> Iterator[Page]:
        """The pages from ``url`` on, each decoded while the next one is fetched.

        Args:
            url: URL of the first page.
            workers: fetch and decode.
            before: URL of the page whose next link is ``url``.
            tracked: the pages belong to a delta.

        Raises:
            DataverseError: see `pages`.
        """

        def decode(body: bytes) -> Page:
            return decode_page(body, self.schema, delta=tracked)

        prefer = _prefer(self.columns, tracked=tracked)
        pages = PagePrefetch(self.client, workers, decode).pages(
            url, prefer, page_size=self.page_size, before=before
        )
        return checked(pages, self.name, _identity(self.schema, tracked=tracked))

    def batches(
        self, filters: Sequence[str] = (), *, order: str | None = None
    ) -> Iterator[pa.Table]:
        """The rows that meet ``filters``, in at least one batch, which may be empty.

        Raises:
            DataverseError: see `pages`.
        """
        read_any = False
        for page in self.pages(self.url(filters, order=order)):
            if page.rows.num_rows or not read_any:
                read_any = True
                yield page.rows

    def keys(self, version: str | None = None) -> Iterator[pa.Table]:
        """Pages of the key columns of all rows; costs about a fiftieth of reading the rows.

        Args:
            version: name of another column to read; None: the keys alone.

        Raises:
            DataverseError: see `pages`.
        """
        names = [*self.table.key_columns, *([version] if version else ())]
        columns = [self.table.column(name) for name in names]
        url = self.client.url(self.name, rows_query(columns, filters=self._with_own(())))
        schema = table_schema(self.table, columns)
        for page in self._pages(url, columns, schema, size=self._key_page):
            yield page.rows

    def of_columns(self, names: Sequence[str]) -> TableReader:
        """A reader of these columns alone, in pages of keys."""
        columns = tuple(self.table.column(name) for name in names)
        settings = replace(self.settings, page_size=self._key_page, max_rows_per_load=None)
        schema = table_schema(self.table, columns)
        return replace(self, columns=columns, schema=schema, settings=settings)

    @property
    def condition(self) -> str | None:
        """Which rows it reads; None: all."""
        return self.settings.filter

    def count(self) -> int | None:
        """About how many rows the table has; None if that is not known, as with a filter.

        Docs "RetrieveTotalRecordCount function": the number may be up to 24 hours old.
        """
        if self.settings.filter or self.rows is not None:
            return self.rows
        name = self.table.logical_name
        try:
            return record_counts(self.client.get_json(total_record_count([name])), [name])[name]
        except (ProtocolError, KeyError):
            return None

    def highest_version(self) -> int:
        """The highest version number of the table's rows; 0 if it has none.

        Raises:
            DataverseError: see `DataverseClient.get`.
        """
        query = {"$select": VERSION, "$orderby": f"{VERSION} desc", "$top": "1"}
        newest = self.client.get_json(self.name, query)["value"]
        return int(newest[0][VERSION]) if newest else 0

    def rows_of(self, keys: pa.Array) -> Iterator[pa.Table]:
        """The rows with these keys, without those that Dataverse does not have.

        Raises:
            DataverseError: see `pages`.
        """
        wanted_keys = keys.to_pylist()
        if self._key_column.type == "UniqueidentifierType":  # it refuses others in a filter
            wanted_keys = [key for key in wanted_keys if is_guid(key)]
        for start in range(0, len(wanted_keys), KEYS_A_REQUEST):
            some = wanted_keys[start : start + KEYS_A_REQUEST]
            wanted = " or ".join(f"{self._key_column.wire_name} eq {_literal(key)}" for key in some)
            for page in self.pages(self.url([wanted])):
                yield page.rows

    def newest_delta_link(
        self,
        url: str | None = None,
        *,
        on_page: Callable[[int], None] | None = None,
        counts: CreatedOnCounts | None = None,
    ) -> str | None:
        """The delta link for all changes from now on, from the last page of a tracked read.

        Args:
            url: of the delta that is read; None: the keys of all rows are read.
            on_page: called with about how many keys each page holds.
            counts: is told when the rows were created; only without ``url``.

        Raises:
            DataverseError: see `pages`.
        """
        pages = Drain(self.pages_to_delta_link(url, counts))
        for keys, _ in pages:
            if on_page is not None:
                on_page(keys)
        return pages.result

    def pages_to_delta_link(
        self, url: str | None = None, counts: CreatedOnCounts | None = None
    ) -> Generator[tuple[int, bool], None, str | None]:
        """As `newest_delta_link`: yields about how many keys each page holds; is it the last?"""

        def skip(body: bytes) -> Page | _SkippedPage:
            link = link_at_the_end(body)
            if counts is not None:
                return decode_page(body, self._counted_schema, delta=True)
            return (
                decode_page(body, self._key_schema, delta=True)
                if link is None
                else _SkippedPage(link)
            )

        select = self._key_column.wire_name if counts is None else self.key_and_creation
        url = url or self.client.url(self.name, {"$select": select})
        prefer = _prefer((self._key_column,), tracked=True)
        found = None
        pages = self.client.pages(url, prefer=prefer, page_size=self._key_page, parse=skip)
        for page in pages:
            signals.raise_if_signalled()
            found = page.delta_link if isinstance(page, Page) else None
            if counts is not None and isinstance(page, Page):
                counts.add(page.rows)
            keys = page.rows.num_rows if isinstance(page, Page) else self._key_page
            yield keys, page.next_link is None
        return found

    def key_changes(self, url: str) -> Iterator[Page]:
        """Pages of a delta with only the key column.

        Args:
            url: the delta link.

        Raises:
            DataverseError: see `pages`.
        """
        columns = (self._key_column,)
        return self._pages(url, columns, self._key_schema, size=self._key_page, tracked=True)

    def changes(self, url: str, workers: WorkerPool) -> Iterator[Page]:
        """Pages of a delta; those after the first one are prefetched.

        Args:
            url: the delta link.
            workers: fetch and decode.

        Raises:
            DataverseError: see `pages`.
        """
        first = next(self._pages(url, self.columns, self.schema, tracked=True))
        yield first
        if first.next_link is not None:
            link = pinned(first.next_link, self.client.environment_url)
            yield from self.prefetched_pages(link, workers, before=url, tracked=True)

    @property
    def key_and_creation(self) -> str:
        """Value of ``$select`` for the key and createdon."""
        return f"{self._key_column.wire_name},{CREATED_ON}"

    @cached_property
    def _counted_schema(self) -> TableSchema:
        return table_schema(self.table, (self._key_column, self.table.column(CREATED_ON)))

    @cached_property
    def _key_column(self) -> Column:
        return self.table.column(self.table.primary_id)

    @cached_property
    def _key_schema(self) -> TableSchema:
        return table_schema(self.table, (self._key_column,))

    @property
    def _key_page(self) -> int:
        """Rows in a page of keys: a smaller ``page_size`` is meant for wide rows, not for keys."""
        size = MAX_PAGE_SIZE if self.settings.page_size >= 500 else self.settings.page_size
        return self._at_most(size)

    def _at_most(self, size: int) -> int:
        return min(size, ELASTIC_PAGE_SIZE) if self.table.kind == "elastic" else size

    def _with_own(self, filters: Sequence[str]) -> list[str]:
        own = [self.settings.filter] if self.settings.filter else []
        return [*filters, *own]

    def _pages(
        self,
        url: str,
        columns: Sequence[Column],
        schema: TableSchema,
        *,
        size: int | None = None,
        tracked: bool = False,
    ) -> Iterator[Page]:
        def decode(body: bytes) -> Page:
            return decode_page(body, schema, delta=tracked)

        pages = self.client.pages(
            url,
            prefer=_prefer(columns, tracked=tracked),
            page_size=size or self.page_size,
            parse=decode,
        )
        for page in checked(pages, self.name, _identity(schema, tracked=tracked)):
            signals.raise_if_signalled()
            yield page


def total_record_count(logical_names: Sequence[str]) -> str:
    """The path that asks about how many rows these tables have."""
    return f"RetrieveTotalRecordCount(EntityNames=[{text_literals(logical_names)}])"


def record_counts(answer: Mapping[str, Any], logical_names: Sequence[str]) -> dict[str, int]:
    """The rows of each of these tables, as far as they are in the answer."""
    try:
        found = answer["EntityRecordCountCollection"]
        told = dict(zip(found["Keys"], map(int, found["Values"]), strict=True))
    except (KeyError, TypeError, ValueError):
        return {}
    return {name: told[name] for name in logical_names if name in told}


def _identity(schema: TableSchema, *, tracked: bool) -> tuple[str, ...]:
    """The columns that no two pages of a chain share: a delta may bring a row in two versions."""
    versions = (VERSION,) if tracked and VERSION in schema.arrow.names else ()
    return (*schema.key, *versions)


def _prefer(columns: Sequence[Column], *, tracked: bool) -> list[str]:
    prefer = preferences(columns)
    return [*prefer, TRACK_CHANGES] if tracked else prefer


def _literal(key: str) -> str:
    return key if is_guid(key) else text_literal(key)
