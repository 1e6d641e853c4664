"""Reads the rows of one table, page by page: what every way to keep it in step builds on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
from dlt.common.runtime import signals

from dataverse_source.client import DataverseClient
from dataverse_source.decode import Page, decode_page
from dataverse_source.metadata import Column, Table
from dataverse_source.query import preferences, rows_query
from dataverse_source.schema import TableSchema
from dataverse_source.settings import TableSettings


@dataclass(frozen=True)
class TableReader:
    """One table, the columns to read of it, and the client to read them with."""

    client: DataverseClient
    table: Table
    columns: tuple[Column, ...]
    schema: TableSchema
    settings: TableSettings

    def batches(self, filters: Sequence[str] = ()) -> Iterator[pa.Table]:
        """The rows that meet ``filters`` and the filter of the settings.

        Without an order of its own a query returns rows by primary key, each row once, which
        is also Dataverse's fastest way (docs: "Page results"). There is at least one batch, so
        that also a table without rows gets created.

        Raises:
            DataverseError: see `DataverseClient.pages` and `decode_page`.
        """
        own = [self.settings.filter] if self.settings.filter else []
        query = rows_query(self.columns, filters=[*filters, *own])
        url = self.client.url(str(self.table.entity_set_name), query)
        prefer = preferences(self.settings.page_size, self.columns)
        read_any = False
        for page in self.client.pages(url, prefer=prefer, parse=self._decode):
            signals.raise_if_signalled()
            if page.rows.num_rows or not read_any:
                read_any = True
                yield page.rows

    def _decode(self, body: bytes) -> Page:
        return decode_page(body, self.schema)
