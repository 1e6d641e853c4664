"""Shows the first rows of a table as Dataverse sent them: the quickest proof that it works.

The same question as in Microsoft's walk-through of the single-tenant set-up (docs: "Use
single-tenant server-to-server authentication").
"""

from __future__ import annotations

import json

from dataverse_source.credentials import DataverseCredentials, TokenCredential
from dataverse_source.errors import ConfigurationError
from dataverse_source.loading.configuration import OF_A_CONNECTION, configured, resolved
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
    """The names of the first ``top`` rows of ``table``, as indented JSON; loads nothing.

    Args:
        table: entity set name or logical name.
        top: how many rows, 1 to 5000.
        environment_url: this and the rest as for `dataverse_source.dataverse`; what is left out
            is taken from the configuration.
        credentials: see there.
        api_version: see there.
        request_timeout: see there.
        ca_bundle: see there.

    Raises:
        ConfigurationError: ``top`` is out of range, or the table's rows have no name.
        DataverseError: what went wrong, with the remedy.
    """
    if not 1 <= top <= 5000:
        raise ConfigurationError(
            f"Can't show {top} rows", remedy="Ask for a number of rows from 1 to 5000."
        )
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
        raise ConfigurationError(f"The rows of table {table} have no name to show")
    query = {"$select": found.primary_name, "$orderby": found.primary_name, "$top": str(top)}
    answer = connection.client.get(
        str(found.entity_set_name), query=query, prefer=[ALL_ANNOTATIONS], parse=json.loads
    )
    return json.dumps(answer, indent=2, ensure_ascii=False)
