"""Finds the columns whose values the application user does not see, because of column security.

Rows carry null (or nothing) for a secured column that the user may not read, and a masked text
for one with a masking rule. Neither is an error, so both have to be asked for. A condition on a
column that the user may not read is refused (docs: "Column-level security"), which is the only
test that needs no privilege of its own and counts permissions from teams and roles.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

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
from dataverse_source.sync.seen_columns import HIDDEN, MASKED, kind

REQUESTS_PER_BATCH = 200
"""Far fewer than the 1,000 requests that a batch may hold, so that no batch takes long."""

_NO_READ = "0x8004f504"  # AttributePermissionReadIsMissing
_NO_ROW = "00000000-0000-0000-0000-000000000000"
_MASKED_COLUMNS = BatchRequest("attributemaskingrules")
_RULES = BatchRequest("maskingrules")


def hidden_columns(
    client: DataverseClient, tables: Sequence[Table]
) -> dict[str, dict[str, str]] | None:
    """How each column is seen, by table; sends nothing if no column is secured.

    `HIDDEN`; or `MASKED` and a fingerprint of the masking rules, as another rule shows other texts.

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
            columns, rules, *answers = client.batch([_MASKED_COLUMNS, _RULES, *requests])
            masked = masked or _masked(columns, rules)
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
    masked = sorted(name for name, access in columns.items() if kind(access) == MASKED)
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


def _masked(columns: Response, rules: Response) -> dict[tuple[str, str], str]:
    """The columns with a masking rule; none in environments without such rules."""
    all_rules = _rows(rules)
    found: dict[tuple[str, str], str] = {}
    for one in _rows(columns):
        told = json.dumps([one, all_rules], sort_keys=True, default=str)
        digest = hashlib.sha256(told.encode()).hexdigest()[:8]
        place = str(one.get("entityname")), str(one.get("attributelogicalname"))
        found[place] = f"{MASKED} {digest}"
    return found


def _rows(answer: Response) -> list[dict[str, Any]]:
    """The rows, without annotations; none if the user may not read them."""
    try:
        rows = answer.json().get("value") or []
    except DataverseError:
        return []
    shown = [{name: row[name] for name in row if "@" not in name} for row in rows]
    return sorted(shown, key=repr)
