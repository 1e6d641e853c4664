"""Reads the rows of a query page by page, each page decoded while the next one is fetched."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc
from dlt.common.runtime import signals

from dataverse_source.arrow.decode import Page, decode_page
from dataverse_source.arrow.keys import joined
from dataverse_source.arrow.schema import LOOKUP_TABLE_ANNOTATION
from dataverse_source.client.batch import BatchRequest
from dataverse_source.client.page_size import PageSize, is_too_heavy
from dataverse_source.config.log import logger
from dataverse_source.errors import (
    ConfigurationError,
    DataverseError,
    MalformedBodyError,
)
from dataverse_source.metadata.queries.paging import COOKIE, MORE, Chain, PageBody, split, text_of
from dataverse_source.metadata.queries.query import Query
from dataverse_source.metadata.queries.refusals import explained
from dataverse_source.sync.read.archived_rows import check_archived
from dataverse_source.sync.read.repeated_pages import checked
from dataverse_source.sync.read.table_reader import ELASTIC_PAGE_SIZE, TableReader
from dataverse_source.sync.read.workers import WorkerPool, prefetch

LONGEST_URL = 32_768
"""Characters of a GET (docs: "Compose HTTP requests"); a request in a batch may have twice as many.
"""

PAGES_AHEAD = 2
"""Pages fetched or decoded in advance."""


@dataclass(frozen=True)
class QueryReader(TableReader):
    """Reads a query; `TableReader` for what has no rows of its own in Dataverse.

    Attributes:
        query: what is read.
    """

    query: Query = field(kw_only=True)

    @property
    def page_size(self) -> int:
        """Most rows in a page."""
        size = self.settings.page_size
        if self.query.main.kind == "elastic":
            size = min(size, ELASTIC_PAGE_SIZE)
        return min(size, self.query.page_size or size)

    @property
    def condition(self) -> str:
        """Which rows it reads: the query."""
        return self.query.text

    def rows_of_query(self, workers: WorkerPool) -> Iterator[pa.Table]:
        """All rows, in at least one batch.

        Args:
            workers: fetch and decode.

        Raises:
            DataverseError: see `DataverseClient.get`; the query has more rows than can be had.
        """

        def begun() -> Iterator[Future[Page]]:
            for one in self._bodies():
                yield workers.submit(lambda one=one: self._decoded(*one))  # type: ignore[misc]

        def pages() -> Iterator[Page]:
            with workers:
                for one in prefetch(begun(), workers, PAGES_AHEAD):
                    workers.first_done([one])
                    yield one.result()

        return self._batches(pages())

    def batches(
        self, filters: Sequence[str] = (), *, order: str | None = None
    ) -> Iterator[pa.Table]:
        """All rows, one page after the other.

        Raises:
            DataverseError: see `rows_of_query`.
        """
        if filters or order:
            raise NotImplementedError("a query is read as a whole")
        return self._batches(self._decoded(*one) for one in self._bodies())

    def keys(self, version: str | None = None) -> Iterator[pa.Table]:
        """The key columns of all rows.

        Raises:
            ConfigurationError: it has no key.
            DataverseError: see `rows_of_query`.
        """
        if not self.schema.key:
            raise ConfigurationError(
                f"The query {self.name} has no key, so its rows cannot be compared",
                where=self.name,
                remedy="Nothing is wrong with it: every run replaces all its rows. To have it "
                "compared, set primary_key to the columns that tell its rows apart.",
            )
        names = [*self.schema.key, *([version] if version else ())]
        for rows in self.batches():
            yield rows.select(names)

    def rows_of(self, keys: pa.Array) -> Iterator[pa.Table]:
        """The rows with these keys; the query is read as a whole for it."""
        for rows in self.batches():
            own = joined(rows, self.schema.key[:1])
            found = rows.filter(pc.is_in(own, value_set=keys))
            if found.num_rows:
                yield found

    def count(self) -> int | None:
        """Not known."""
        return None

    @property
    def _entity_set(self) -> str:
        return str(self.query.main.entity_set_name)

    @cached_property
    def _old_names(self) -> dict[bytes, bytes]:
        """Names of columns of links as earlier versions of the Web API write them."""
        found = {}
        for one in self.schema.fields:
            old = one.wire_name.replace(".", "_x002e_", 1)
            if old != one.wire_name and not one.wire_name.startswith("@"):
                found[f'"{old}":'.encode()] = f'"{one.wire_name}":'.encode()
        return found

    def _batches(self, pages: Iterator[Page]) -> Iterator[pa.Table]:
        read_any = False
        if self.schema.key:
            pages = checked(pages, self.name, self.schema.key)
        unchecked = self.query.is_of_archived_rows
        for page in pages:
            signals.raise_if_signalled()
            if unchecked and page.rows.num_rows:
                unchecked = False
                check_archived(self.client, self.query, page.rows)
            if page.rows.num_rows or not read_any:
                read_any = True
                yield page.rows

    def _bodies(self) -> Generator[tuple[str, PageBody], None, None]:
        """The pages, each with the text that asks for it when it is needed."""
        chain = Chain(self.name, archived=self.query.is_of_archived_rows)
        size = PageSize(self.page_size)
        place = chain.place
        while True:
            rows = size.rows or self.page_size
            try:
                text = text_of(self.query, place, rows)
                page = self._fetched(text)
            except DataverseError as error:
                alone = self.query.is_one_page or (place.number > 1 and place.cookie is None)
                if alone or not is_too_heavy(error) or not size.make_smaller(error):
                    raise explained(error, self.query) from error.__cause__
                logger.warning(
                    "%s: pages of %s rows are too much for Dataverse: reading smaller ones",
                    self.name,
                    rows,
                )
                continue
            yield text, page
            if self.query.is_one_page:
                return
            following = chain.next(page, rows)
            if following is None:
                return
            if following.cookie is not None:
                size.went_well()
            place = following

    def _fetched(self, text: str) -> PageBody:
        options = {"fetchXml": text}
        prefer = [f'odata.include-annotations="{",".join(self._annotations)}"']
        if len(self.client.url(self._entity_set, options)) <= LONGEST_URL:
            return self.client.get(self._entity_set, query=options, prefer=prefer, parse=split)
        (answer,) = self.client.batch([BatchRequest(self._entity_set, options, prefer)])
        if answer.status >= 400:
            answer.json()  # raises what Dataverse says
        return answer.parsed(split)

    @property
    def _annotations(self) -> list[str]:
        lookups = any(column.polymorphic for column in self.columns)
        return [COOKIE, MORE, *([LOOKUP_TABLE_ANNOTATION] if lookups else ())]

    def _decoded(self, text: str, page: PageBody) -> Page:
        try:
            return self._decode(page)
        except MalformedBodyError:  # fetch it once more, as the client does
            return self._decode(self._fetched(text))

    def _decode(self, page: PageBody) -> Page:
        body = page.rows
        if b"_x002e_" in body:
            for old, new in self._old_names.items():
                body = body.replace(old, new)
        try:
            return decode_page(body, self.schema)
        except MalformedBodyError as error:
            error.where = error.where or self.name
            raise
