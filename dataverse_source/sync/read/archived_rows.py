"""Makes sure that rows which Dataverse gives as archived are not live ones.

A server that does not know ``datasource`` would answer with the live rows, and nothing else would
show it: no document says that unknown parts of a query are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import pyarrow as pa

from dataverse_source.errors import ProtocolError
from dataverse_source.metadata.literals import is_guid
from dataverse_source.metadata.queries.query import Query

SAMPLE = 20
"""Rows that are looked for among the live ones; in one request."""


class Client(Protocol):
    """What looks for live rows."""

    def get_json(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The answer to one request."""
        ...


def check_archived(client: Client, query: Query, rows: pa.Table) -> None:
    """Checks that at least half of the first rows are not among the live ones.

    Retention copies rows before it deletes them, so some may be both for a while.

    Args:
        client: asks for the live rows.
        query: of archived rows.
        rows: of its first page; without the main table's key they are not checked.

    Raises:
        ProtocolError: they are live rows.
        DataverseError: see `DataverseClient.get`.
    """
    key = query.main.primary_id
    if query.table.key_columns[:1] != (key,):
        return
    keys = [one for one in rows.column(key).slice(0, SAMPLE).to_pylist() if is_guid(one)]
    if not keys:
        return
    wanted = " or ".join(f"{key} eq {one}" for one in keys)
    answer = client.get_json(str(query.main.entity_set_name), {"$select": key, "$filter": wanted})
    live = len(answer.get("value", ()))
    if live * 2 > len(keys):
        raise ProtocolError(
            f"Of {len(keys)} rows that Dataverse gives as archived, {live} are live",
            where=query.name,
            why='it ignores datasource="retained", or retention has copied rows and not deleted '
            "them yet",
            remedy="If a retention policy is running, run again when it has ended. Else remove "
            f"{query.name} (from retained, or from queries).",
        )
