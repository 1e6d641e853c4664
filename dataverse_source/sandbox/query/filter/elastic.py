"""Elastic tables: partitions, etags and version numbers of their own, no joins.

Sources: docs pages "Elastic tables" and "Use elastic tables using code".
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote as encode

from dataverse_source.sandbox.http.messages import DataverseFault, Request, Response
from dataverse_source.sandbox.query.syntax.odata import (
    AllOf,
    AnyOf,
    Call,
    Compare,
    CrmCall,
    Lambda,
    Negation,
    Node,
    Path,
)
from dataverse_source.sandbox.query.syntax.options import split_top
from dataverse_source.sandbox.schema.tables import LOOKUP_TYPES, Table
from dataverse_source.sandbox.store.layout import sql_table

if TYPE_CHECKING:
    from dataverse_source.sandbox.store.store import Store

LINKS_NOT_SUPPORTED = "0x80048d0b"
LINKS_TEXT = "Link entities are not supported"

SESSION_TOKEN = "x-ms-session-token"  # noqa: S105 (the header's name)
"""Header of a write's answer; a read that sends it as ``MSCRM.SessionToken`` sees the write.
The sandbox's reads see every write anyway."""


def is_elastic(table: Table) -> bool:
    """Whether the table is kept in Cosmos DB."""
    return table.table_type == "Elastic"


def with_partition(request: Request, inside: str | None) -> Request:
    """The request with the partition that a key names, ``(<key>,partitionid='x')``, as option."""
    for part in split_top(inside or "", ","):
        name, _, value = part.partition("=")
        if name.strip() == "partitionid":
            text = value.strip().strip("'").replace("''", "'")
            joined = f"{request.query}&" if request.query else ""
            return replace(request, query=f"{joined}partitionId={encode(text, safe='')}")
    return request


def refuse_joins(node: Node, table: Table) -> None:
    """Refuses conditions on related rows, and comparisons of two columns.

    Raises:
        DataverseFault: 400, 0x80048d0b.
    """
    if isinstance(node, (AllOf, AnyOf)):
        for item in node.items:
            refuse_joins(item, table)
    elif isinstance(node, Negation):
        refuse_joins(node.item, table)
    elif isinstance(node, Compare):
        if isinstance(node.left, Path) and isinstance(node.right, Path):
            raise _refused()
        refuse_joins(node.left, table)
        refuse_joins(node.right, table)
    elif isinstance(node, Call):
        for argument in node.arguments:
            refuse_joins(argument, table)
    elif isinstance(node, CrmCall):
        for argument in node.arguments.values():
            refuse_joins(argument, table)
    elif isinstance(node, Lambda) or (isinstance(node, Path) and len(node.segments) > 1):
        raise _refused()


def refuse_links(linked: bool) -> None:
    """Refuses FetchXML with link entities that are no outer ones.

    Raises:
        DataverseFault: 400, 0x80048d0b.
    """
    if linked:
        raise _refused()


def refuse_order(segments: tuple[str, ...], table: Table) -> None:
    """Refuses an order by a lookup or by a related row's column.

    Raises:
        DataverseFault: 400, 0x80048d0b.
    """
    column = table.by_wire_name.get(segments[0])
    if len(segments) > 1 or (column is not None and column.type in LOOKUP_TYPES):
        raise _refused()


def expire(store: Store, table: Table, *, tombstones: bool) -> None:
    """Removes the rows whose time to live, counted from their last change, has run out.

    Args:
        store: the rows.
        table: an elastic table.
        tombstones: whether they appear as deleted in the table's changes.
    """
    if "ttlinseconds" not in table.by_name or "modifiedon" not in table.by_name:
        return
    now = int(store.clock.now().timestamp() * 1000)
    name = sql_table(table.logical_name)
    condition = 'ttlinseconds > 0 AND "modifiedon$" + ttlinseconds * 1000 <= ?'
    with store.reading() as connection:
        found = connection.execute(f"SELECT 1 FROM {name} WHERE {condition}", (now,)).fetchone()  # noqa: S608
    if found is None:
        return
    with store.transaction() as connection:
        gone = connection.execute(
            f"SELECT {table.primary_id} FROM {name} WHERE {condition}",  # noqa: S608
            (now,),
        ).fetchall()
        connection.execute(f"DELETE FROM {name} WHERE {condition}", (now,))  # noqa: S608
        for (key,) in gone:
            version = store.next_version()
            if tombstones:
                connection.execute(
                    "INSERT INTO deleted VALUES (?, ?, ?, ?, 0)",
                    (table.logical_name, key.strip('"'), version, now),
                )


def with_session_token(table: Table, response: Response) -> Response:
    """The answer to a write, with the token that a later read may send on."""
    if is_elastic(table) and response.status < 300:
        response.headers[SESSION_TOKEN] = f"0:-1#{uuid.uuid4().int % 10**9}"
    return response


def _refused() -> DataverseFault:
    return DataverseFault(400, LINKS_NOT_SUPPORTED, LINKS_TEXT)
