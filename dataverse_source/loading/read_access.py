"""Looks at new tables in batches: which ones the user may read, and how many rows they have.

One key of each is read, as a list of privileges would not be enough: privileges may come from
teams, and "RetrieveUserPrivileges" itself needs privileges.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

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
from dataverse_source.sync.read.table_reader import record_counts, total_record_count

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


@dataclass(frozen=True)
class FirstLook:
    """What is known of tables before their first row is read.

    Attributes:
        refused: those that the user may not read or Dataverse cannot list, each with the error.
        rows: about how many rows tables have, by logical name.
    """

    refused: list[tuple[Table, DataverseError]] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)


def first_look(
    client: DataverseClient, tables: Sequence[Table], counted: Sequence[str] = ()
) -> FirstLook:
    """Finds out which tables are refused, and how many rows tables have.

    Only refusals count: other errors may be temporary, or be caused by the request. If Dataverse
    accepts no batch, or does not count, the result lacks that.

    Args:
        client: sends the batches.
        tables: to read a key of.
        counted: logical names of tables whose rows are asked for, in the same batches.

    Raises:
        AuthenticationError: sign-in failed.
    """
    look = FirstLook()
    for start in range(0, max(len(tables), len(counted)), TABLES_PER_REQUEST):
        some = tables[start : start + TABLES_PER_REQUEST]
        names = counted[start : start + TABLES_PER_REQUEST]
        counts = [BatchRequest(total_record_count(names))] if names else []
        try:
            answers = client.batch([*map(one_key, some), *counts])
        except (ResponseError, ProtocolError, ConnectionFailedError) as error:
            logger.info("Permissions are not checked in advance: %s", error)
            return look
        for table, answer in zip(some, answers, strict=False):
            refused = refusal(answer)
            if refused is not None and (
                isinstance(refused, AccessDeniedError) or cannot_be_listed(refused)
            ):
                look.refused.append((table, refused))
        for answer in answers[len(some) :]:
            with suppress(DataverseError):
                look.rows.update(record_counts(answer.json(), names))
    return look
