"""What every way to keep a table in step needs to read its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
from dlt.common.runtime import signals

from dataverse_source.client import DataverseClient
from dataverse_source.decode import Page, decode_page
from dataverse_source.metadata import Column, Table
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

    def filters(self) -> list[str]:
        """The conditions that the settings put on every row."""
        return [self.settings.filter] if self.settings.filter else []

    def batches(self, query: Mapping[str, str], prefer: Sequence[str]) -> Iterator[pa.Table]:
        """The rows of ``query`` page by page; at least one batch, so the table gets created.

        Raises:
            DataverseError: see `DataverseClient.pages` and `decode_page`.
        """
        url = self.client.url(str(self.table.entity_set_name), query)
        read_any = False
        for page in self.client.pages(url, prefer=prefer, parse=self._decode):
            signals.raise_if_signalled()
            if page.rows.num_rows or not read_any:
                read_any = True
                yield page.rows

    def _decode(self, body: bytes) -> Page:
        return decode_page(body, self.schema)
