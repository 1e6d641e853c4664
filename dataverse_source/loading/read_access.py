"""Which tables the user may read: tried with one key of each, many tables a request.

Only that tells for sure. What a user's privileges are does not: they may come from teams, and
"RetrieveUserPrivileges" needs rights of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from dataverse_source.client.batch import BatchRequest
from dataverse_source.client.client import DataverseClient
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
"""Far from the 1,000 requests that a batch may hold, so that none takes long."""


def one_key(table: Table) -> BatchRequest:
    """Asks for the key of one row: what the table's read privilege is needed for."""
    return BatchRequest(str(table.entity_set_name), {"$select": table.primary_id, "$top": "1"})


def refusal(answer: Response) -> DataverseError | None:
    """Why a question was refused, None when it was not."""
    try:
        answer.json()
    except DataverseError as error:
        return error
    return None


def refused_tables(
    client: DataverseClient, tables: Sequence[Table]
) -> list[tuple[Table, DataverseError]]:
    """The tables that may not be read, and why.

    Other failures than a missing privilege may pass, or be those of the question alone: such
    tables are not among them. Neither are any when Dataverse takes no batch.

    Raises:
        AuthenticationError: the login service refused.
    """
    found: list[tuple[Table, DataverseError]] = []
    for start in range(0, len(tables), TABLES_PER_REQUEST):
        some = tables[start : start + TABLES_PER_REQUEST]
        try:
            answers = client.batch([one_key(table) for table in some])
        except (ResponseError, ProtocolError, ConnectionFailedError) as error:
            logger.info("Which tables may be read is seen only as they are read: %s", error)
            return found
        for table, answer in zip(some, answers, strict=True):
            refused = refusal(answer)
            if isinstance(refused, AccessDeniedError):
                found.append((table, refused))
    return found
