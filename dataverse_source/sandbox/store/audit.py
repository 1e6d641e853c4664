"""Audits changes: rows of the table audit, and the values before and after.

It works only while the organization's ``isauditenabled`` is true. Source: docs page "Retrieve the
history of audited data changes".
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from dataverse_source.sandbox.schema.tables import Table
from dataverse_source.sandbox.store.layout import quote, sql_table, stored_columns
from dataverse_source.sandbox.store.row_store import RowStore
from dataverse_source.sandbox.store.values import json_text

Operation = Literal[1, 2, 3]
CREATE: Operation = 1
UPDATE: Operation = 2
DELETE: Operation = 3

Wires = dict[str, Any]
NOT_AUDITED = frozenset({"createdon", "createdby", "modifiedon", "modifiedby", "versionnumber"})
MOST_CHANGE_DATA = 2_000
"""Length of changedata in the reference of the table audit."""

_TABLE = (
    "CREATE TABLE IF NOT EXISTS audit_details "
    "(auditid TEXT PRIMARY KEY, logical_name TEXT NOT NULL, key TEXT NOT NULL, "
    "old TEXT NOT NULL, new TEXT NOT NULL)"
)


@contextmanager
def audited(
    store: RowStore, connection: sqlite3.Connection, table: Table, key: str, operation: Operation
) -> Iterator[None]:
    """Compares a row before and after the block, and audits the difference."""
    if not _is_audited(store, connection, table):
        yield
        return
    before = _wires(connection, table, key)
    yield
    after = _wires(connection, table, key)
    names = [
        column.name
        for column in stored_columns(table)
        if column.name not in NOT_AUDITED and before.get(column.name) != after.get(column.name)
    ]
    if names:
        _write(store, connection, table, key, operation, names, before, after)


def _is_audited(store: RowStore, connection: sqlite3.Connection, table: Table) -> bool:
    tables = store.schema.by_logical_name
    if "audit" not in tables or "organization" not in tables:
        return False
    if table.logical_name not in tables["audit"].by_name["objectid"].targets:
        return False
    statement = f"SELECT isauditenabled FROM {sql_table('organization')} LIMIT 1"  # noqa: S608
    found = connection.execute(statement).fetchone()
    return found is not None and found[0] == "true"


def _wires(connection: sqlite3.Connection, table: Table, key: str) -> Wires:
    """The wire texts of a row's values that are not null."""
    names = [column.name for column in stored_columns(table)]
    statement = (
        f"SELECT {', '.join(map(quote, names))} FROM {sql_table(table.logical_name)} "  # noqa: S608
        f"WHERE {quote(table.primary_id)} = ?"
    )
    found = connection.execute(statement, (json_text(key),)).fetchone()
    if found is None:
        return {}
    return {name: wire for name, wire in zip(names, found, strict=True) if wire is not None}


def _write(
    store: RowStore,
    connection: sqlite3.Connection,
    table: Table,
    key: str,
    operation: Operation,
    names: list[str],
    before: Wires,
    after: Wires,
) -> None:
    numbers = {column.name: number for number, column in enumerate(table.columns, start=1)}
    user = (after or before).get("modifiedby")
    values = {
        "action": operation,
        "operation": operation,
        "objectid": key,
        "objectid@table": table.logical_name,
        "objecttypecode": table.logical_name,
        "attributemask": ",".join(str(numbers[name]) for name in names),
        "changedata": _change_data(store.audit_changedata, names, before, after),
        "transactionid": str(uuid.uuid4()),
        "userid": None if user is None else user.strip('"'),
    }
    audit_id = store.new_key()
    store.insert(store.table("audit"), audit_id, values)
    connection.execute(_TABLE)
    details = (_values(table, names, before), _values(table, names, after))
    connection.execute(
        "INSERT INTO audit_details VALUES (?, ?, ?, ?, ?)",
        (audit_id, table.logical_name, key, *details),
    )


def _change_data(form: str, names: list[str], before: Wires, after: Wires) -> str | None:
    """The text of the column changedata, see the switch ``audit_changedata``."""
    if form == "empty":
        return None
    if form == "csv":
        return ",".join(_plain(before.get(name)) or "" for name in names)
    changes = [
        {
            "logicalName": name,
            "oldValue": _plain(before.get(name)),
            "newValue": _plain(after.get(name)),
        }
        for name in names
    ]
    text = json.dumps({"changedAttributes": changes}, ensure_ascii=False)
    return text[:MOST_CHANGE_DATA] if form == "cut" else text


def _plain(wire: Any) -> str | None:
    """A value as text: texts without quotes, others as JSON prints them."""
    if wire is None:
        return None
    text = str(wire)
    return str(json.loads(text)) if text.startswith('"') else text


def _values(table: Table, names: list[str], wires: Wires) -> str:
    """A JSON object of the named columns that have a value."""
    shown = [
        f"{json_text(table.by_name[name].wire_name)}:{wires[name]}"
        for name in names
        if name in wires
    ]
    kind = json_text(f"#Microsoft.Dynamics.CRM.{table.logical_name}")
    return "{" + ",".join([f'"@odata.type":{kind}', *shown]) + "}"


def details(store: RowStore, *, audit_id: str | None = None, key: str | None = None) -> list[Any]:
    """Old and new values, of one audit row or of all of one row, the newest first."""
    where, value = ("auditid = ?", audit_id) if key is None else ("key = ?", key)
    with store.reading() as connection:
        known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'audit_details'")
        if known.fetchone() is None:
            return []
        found = connection.execute(
            f"SELECT old, new FROM audit_details WHERE {where} ORDER BY rowid DESC",  # noqa: S608
            (value,),
        ).fetchall()
    return [_detail(old, new) for old, new in found]


def _detail(old: str, new: str) -> dict[str, Any]:
    return {
        "@odata.type": "#Microsoft.Dynamics.CRM.AttributeAuditDetail",
        "InvalidNewValueAttributes": [],
        "LocLabelLanguageCode": 0,
        "DeletedAttributes": {"Count": 0, "IsReadOnly": False, "Keys": [], "Values": []},
        "OldValue": json.loads(old),
        "NewValue": json.loads(new),
    }
