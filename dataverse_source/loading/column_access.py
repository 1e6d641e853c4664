"""Finds the columns whose values the application user does not see, because of column security.

Rows carry null (or nothing) for a secured column that the user may not read, and a masked text
for one with a masking rule. Neither is an error, so both have to be asked for. A condition on a
column that the user may not read is refused (docs: "Column-level security"), which is the only
test that needs no privilege of its own and counts permissions from teams and roles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
from dataverse_source.metadata.model import Column, Table

HIDDEN = "hidden"
MASKED = "masked"

REQUESTS_PER_BATCH = 200
"""Far fewer than the 1,000 requests that a batch may hold, so that no batch takes long."""

_NO_READ = "0x8004f504"  # AttributePermissionReadIsMissing
_NO_ROW = "00000000-0000-0000-0000-000000000000"
_MASKING_RULES = BatchRequest(
    "attributemaskingrules", {"$select": "entityname,attributelogicalname"}
)


def hidden_columns(
    client: DataverseClient, tables: Sequence[Table]
) -> dict[str, dict[str, str]] | None:
    """`HIDDEN` or `MASKED` by column, by table; sends nothing if no column is secured.

    Args:
        client: sends the requests.
        tables: with their columns.

    Returns:
        Logical names; None if it cannot be found out.

    Raises:
        AuthenticationError: sign-in failed.
    """
    secured = [
        (table, column)
        for table in tables
        for column in table.columns
        if column.secured and column.in_rows
    ]
    found: dict[str, dict[str, str]] = {}
    if not secured:
        return found
    masked: dict[tuple[str, str], str] = {}
    try:
        for start in range(0, len(secured), REQUESTS_PER_BATCH):
            some = secured[start : start + REQUESTS_PER_BATCH]
            requests = [_condition(table, column) for table, column in some]
            rules, *answers = client.batch([_MASKING_RULES, *requests])
            masked = masked or _masked(rules)
            for (table, column), answer in zip(some, answers, strict=True):
                hidden = HIDDEN if _is_refused(answer) else None
                access = hidden or masked.get((table.logical_name, column.name))
                if access:
                    found.setdefault(table.logical_name, {})[column.name] = access
    except (ResponseError, ProtocolError, ConnectionFailedError) as error:
        logger.info("Column security is not checked: %s", error)
        return None
    return found


def in_words(columns: Mapping[str, str]) -> str:
    """The columns by kind of access, as part of a sentence; empty for none."""
    hidden = sorted(name for name, access in columns.items() if access == HIDDEN)
    masked = sorted(name for name, access in columns.items() if access == MASKED)
    parts = [f"hides {', '.join(hidden)}"] if hidden else []
    parts += [f"masks {', '.join(masked)}"] if masked else []
    return " and ".join(parts)


def _condition(table: Table, column: Column) -> BatchRequest:
    """A query that finds no row and needs only the key's index."""
    condition = f"{table.primary_id} eq {_NO_ROW} and {column.wire_name} eq null"
    query = {"$select": table.primary_id, "$filter": condition, "$top": "1"}
    return BatchRequest(str(table.entity_set_name), query)


def _is_refused(answer: Response) -> bool:
    try:
        answer.json()
    except AccessDeniedError as error:
        return (error.code or "").lower() == _NO_READ or "secured" in (error.why or "").lower()
    except DataverseError:
        return False  # for example a column type that conditions do not support
    return False


def _masked(answer: Response) -> dict[tuple[str, str], str]:
    """The columns with a masking rule; none in environments without such rules."""
    try:
        rules = answer.json().get("value") or []
    except DataverseError:
        return {}
    return {(rule.get("entityname"), rule.get("attributelogicalname")): MASKED for rule in rules}
