"""Finds out which tables the user may read, by reading one key of each in batches.

A list of privileges would not be enough: privileges may come from teams, and
"RetrieveUserPrivileges" itself needs privileges.
"""

from __future__ import annotations

from collections.abc import Sequence

from dataverse_source.client.batch import BatchRequest
from dataverse_source.client.client import DataverseClient
from dataverse_source.client.lasting_errors import cannot_be_listed
from dataverse_source.client.responses import Response
from dataverse_source.config.log import logger
from dataverse_source.errors import (
    AccessDeniedError,
    ConnectionFailedError,
    DataverseError,
    ProtocolError,
    ResponseError,
)
from dataverse_source.metadata.model import Table

TABLES_PER_REQUEST = 50
"""Far fewer than the 1,000 requests that a batch may hold, so that no batch takes long."""


def one_key(table: Table) -> BatchRequest:
    """The request for the key of one row, which needs the table's read privilege."""
    return BatchRequest(str(table.entity_set_name), {"$select": table.primary_id, "$top": "1"})


def refusal(answer: Response) -> DataverseError | None:
    """The error of a response; None if it succeeded."""
    try:
        answer.json()
    except DataverseError as error:
        return error
    return None


def refused_tables(
    client: DataverseClient, tables: Sequence[Table]
) -> list[tuple[Table, DataverseError]]:
    """The tables that the user may not read or Dataverse cannot list, each with the error.

    Only these errors count: others may be temporary, or be caused by the request.
    If Dataverse accepts no batch, the result is empty.

    Raises:
        AuthenticationError: sign-in failed.
    """
    found: list[tuple[Table, DataverseError]] = []
    for start in range(0, len(tables), TABLES_PER_REQUEST):
        some = tables[start : start + TABLES_PER_REQUEST]
        try:
            answers = client.batch([one_key(table) for table in some])
        except (ResponseError, ProtocolError, ConnectionFailedError) as error:
            logger.info("Permissions are not checked in advance: %s", error)
            return found
        for table, answer in zip(some, answers, strict=True):
            refused = refusal(answer)
            if refused is not None and (
                isinstance(refused, AccessDeniedError) or cannot_be_listed(refused)
            ):
                found.append((table, refused))
    return found
