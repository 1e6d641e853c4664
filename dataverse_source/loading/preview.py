"""Returns the first rows of a table as Dataverse sent them: the quickest test of a sign-in.

The query is that of Microsoft's walk-through (docs: "Use single-tenant server-to-server
authentication").
"""

from __future__ import annotations

import json

from dataverse_source.config.settings import OF_A_CONNECTION
from dataverse_source.credentials import DataverseCredentials, TokenCredential
from dataverse_source.errors import ConfigurationError
from dataverse_source.loading.configuration import configured, resolved
from dataverse_source.loading.connection import Connection

ALL_ANNOTATIONS = 'odata.include-annotations="*"'


def top_by_name(
    table: str,
    top: int,
    *,
    environment_url: str | None = None,
    credentials: DataverseCredentials | TokenCredential | None = None,
    api_version: str | None = None,
    request_timeout: float | None = None,
    ca_bundle: str | None = None,
) -> str:
    """Return the names of the first ``top`` rows of ``table`` as indented JSON; load nothing.

    Args:
        table: entity set name or logical name.
        top: how many rows, 1 to 5000.
        environment_url: as for `dataverse_source.dataverse`; by default from the configuration.
        credentials: likewise.
        api_version: likewise.
        request_timeout: likewise.
        ca_bundle: likewise.

    Raises:
        ConfigurationError: ``top`` is out of range, or the table has no name column.
        DataverseError: the request failed.
    """
    if not 1 <= top <= 5000:
        raise ConfigurationError(f"Cannot show {top} rows", remedy="Give a number from 1 to 5000.")
    given = resolved(
        environment_url=environment_url,
        api_version=api_version,
        request_timeout=request_timeout,
        ca_bundle=ca_bundle,
    )
    own = {name: given[name] for name in OF_A_CONNECTION}
    connection = Connection(*configured(credentials, **own, tables=[table]))
    found = connection.metadata.resolve(table)
    if not found.primary_name:
        raise ConfigurationError(
            f"Table {table} has no name column", remedy="Use: dataverse-source preview TABLE."
        )
    query = {"$select": found.primary_name, "$orderby": found.primary_name, "$top": str(top)}
    answer = connection.client.get(
        str(found.entity_set_name), query=query, prefer=[ALL_ANNOTATIONS], parse=json.loads
    )
    return json.dumps(answer, indent=2, ensure_ascii=False)
