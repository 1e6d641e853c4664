"""What queries, the audit and files have to be in the destination, told from the sandbox alone."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.schema.tables import Table
from dataverse_source.sandbox.store.audit import details
from dataverse_source.sandbox.store.documents import BODIES
from dataverse_source.sandbox.writes.file_store import file_of, rule_of
from dataverse_source.sync.audit_changes import AUDIT_CHANGES
from dataverse_source.sync.write.file_table import FILES
from tests.model.memory import MemoryDestination, Row
from tests.model.oracle import shown
from tests.model.query_forms import expected, folded

AUDITS = "audits"


def assert_query(sandbox: Sandbox, destination: MemoryDestination, name: str, kind: str) -> None:
    """The rows of a query are those of the same query in Python.

    Args:
        sandbox: where the rows are.
        destination: where they have to be.
        name: of the query.
        kind: of its form.
    """
    sides = []
    for logical_name in ("account", "contact"):
        table = sandbox.store.schema.by_logical_name[logical_name]
        rows = {row[table.primary_id]: row for row in sandbox.store.rows(logical_name)}
        sides.append(list(shown(sandbox, table, rows, only_active=False).values()))
    names, wanted = expected(kind, *sides)
    fold = kind == "distinct"
    found = Counter(
        tuple(folded(row[one]) if fold and one == "name" else row[one] for one in names)
        for row in destination.tables.get(name, {}).values()
    )
    assert found == Counter(wanted), f"query {name} ({kind}): {found} instead of {wanted}"


def assert_audit(
    sandbox: Sandbox,
    destination: MemoryDestination,
    before: Mapping[Any, Row],
    lost: Collection[Any],
) -> None:
    """Each change of each event is there once, and what was there before is there still.

    Args:
        sandbox: where the events are; those that are purged are not.
        destination: where all have to be.
        before: the events that were there before the run.
        lost: keys of events that somebody has deleted in the destination. If Dataverse has purged
            them, nothing brings them back; their changes stay.
    """
    events = destination.tables.get(AUDITS, {})
    purged = before.keys() - events.keys()
    assert not purged, f"{AUDITS}: {purged} have not stayed"
    changes = destination.tables.get(AUDIT_CHANGES, {})
    for event in sandbox.store.rows("audit"):
        key = event["auditid"]
        for detail in details(sandbox.store, audit_id=key):
            for column, values in _values_of(detail).items():
                there = changes.get((key, column))
                assert there is not None, f"{AUDIT_CHANGES}: {key} {column} has not arrived"
                told = there["old_value"], there["new_value"]
                is_same = all(map(_is_same, told, values))
                assert is_same, f"{AUDIT_CHANGES} {key} {column}: {told}, not {values}"
                assert there["key"] == event["objectid"], f"{AUDIT_CHANGES}: {there}, not {event}"
    strays = {key for key, _ in changes} - events.keys() - set(lost)
    assert not strays, f"{AUDIT_CHANGES}: {strays} are no events"


def _values_of(detail: Mapping[str, Any]) -> dict[str, tuple[str | None, str | None]]:
    """Old and new value, as text, of each column that an event has changed."""
    old, new = detail["OldValue"], detail["NewValue"]
    return {
        _plain(name): (_text(old.get(name)), _text(new.get(name)))
        for name in {**old, **new}
        if "@" not in name
    }


def _plain(name: str) -> str:
    is_lookup = name.startswith("_") and name.endswith("_value")
    return name[1 : -len("_value")] if is_lookup else name


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _is_same(one: str | None, other: str | None) -> bool:
    """Whether two texts are one value: numbers may have zeros at their end."""
    if one == other or one is None or other is None:
        return one == other
    try:
        return float(one) == float(other)
    except ValueError:
        return False


def assert_files(
    sandbox: Sandbox,
    destination: MemoryDestination,
    table: Table,
    column: str,
    *,
    keeps: bool,
    only_active: bool,
) -> None:
    """The rows of a column's files are those of the sandbox, and so are the bytes they name.

    Args:
        sandbox: where the files are.
        destination: where their rows have to be.
        table: that has the column.
        column: with the files.
        keeps: whether rows of files that are gone are kept, marked.
        only_active: whether only active rows are loaded.
    """
    name, listed = str(table.entity_set_name), destination.tables.get(FILES, {})
    rows = {row[table.primary_id]: row for row in sandbox.store.rows(table.logical_name)}
    rows = shown(sandbox, table, rows, only_active=only_active)
    wanted = {key for key, row in rows.items() if _has_file(table, column, row)}
    found = {key: row for (of, key, one), row in listed.items() if (of, one) == (name, column)}
    for key in wanted:
        there, where = found.get(key), f"{name}({key}).{column}"
        assert there is not None, f"{where}: no row of its file"
        if rule_of(sandbox.store, table.logical_name, key, column) == "blocked":
            continue  # it may have been stored before that
        content = _content(sandbox, table, column, rows[key])
        digest = hashlib.sha256(content).hexdigest()
        assert there["status"] == "stored", f"{where}: {there['status']}, {there['error']}"
        told = there["sha256"], there["size"]
        assert told == (digest, len(content)), f"{where}: other bytes, {there}"
        stored = path_of(there["url"])
        assert stored.read_bytes() == content, f"{where}: {stored} has other bytes"
    still_loaded = destination.tables.get(name, {}).keys() - rows.keys()
    for key in found.keys() - wanted - still_loaded:
        assert keeps, f"{name}({key}) has a file: {found[key]}"
        assert found[key]["status"] == "deleted", f"{name}({key}) has a file: {found[key]}"


def path_of(url: str) -> Path:
    """The path of a file URL."""
    return Path(url2pathname(urlsplit(url).path))


def _has_file(table: Table, column: str, row: Row) -> bool:
    if table.logical_name in BODIES:
        return bool(row["isdocument"])
    return row[column] is not None


def _content(sandbox: Sandbox, table: Table, column: str, row: Row) -> bytes:
    if table.logical_name in BODIES:
        return base64.b64decode(row[column])
    return file_of(sandbox.store, row, table.by_name[column]).content
