"""Checks queries: their FetchXML against metadata, and one row of each."""

from __future__ import annotations

from collections.abc import Mapping

from dataverse_source.cli.checks.findings import Findings
from dataverse_source.client.client import DataverseClient
from dataverse_source.config.query_settings import QuerySettings
from dataverse_source.errors import DataverseError
from dataverse_source.metadata.queries.catalogue import Catalogue
from dataverse_source.metadata.queries.paging import Place, split, text_of
from dataverse_source.metadata.queries.refusals import explained
from dataverse_source.metadata.reader import MetadataReader


def check_queries(
    found: Findings, client: DataverseClient, queries: Mapping[str, QuerySettings]
) -> None:
    """Adds a finding for each query.

    Args:
        found: receives the findings.
        client: reads metadata, views and a row of each query.
        queries: by name.
    """
    if not queries:
        return
    catalogue = Catalogue(MetadataReader(client), client, queries)
    for name in queries:
        query = None
        try:
            query = catalogue.query(name)
            if query is None:
                continue
            options = {"fetchXml": text_of(query, Place(), 1)}
            client.get(str(query.main.entity_set_name), query=options, parse=split)
        except DataverseError as error:
            shown = error if query is None else explained(error, query)
            found.fail("query", name, shown, query=name)
            continue
        key = ", ".join(query.table.key_columns)
        tables = sorted({table.logical_name for table, _ in query.origins.values()})
        text = f"readable: {len(query.table.columns)} columns of {', '.join(tables)}; "
        text += f"key {key}" if key else "no key"
        found.ok("query", name, text, query=name, key=list(query.table.key_columns), tables=tables)
