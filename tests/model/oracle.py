"""What the destination has to hold, told from the sandbox's store alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.environment.access_rules import caller_of
from dataverse_source.sandbox.environment.column_security import ColumnSecurity
from dataverse_source.sandbox.environment.row_access import is_visible
from dataverse_source.sandbox.query.filter.elastic import expire
from dataverse_source.sandbox.schema.tables import CHOICE_TYPES, Column, Table
from dataverse_source.sandbox.store.layout import is_polymorphic, is_stored
from dataverse_source.sync.write.columns import DELETED
from tests.model.counting import DELETIONS
from tests.model.life import LOOKBACK
from tests.model.memory import MemoryDestination, Row
from tests.support.comparing import same

ACTIVE = "statecode eq 0"
"""The filter that histories set."""

NOT_READ = frozenset({"Image", "ManagedProperty"})
HEAVY = "documentbody"
AUDIT = "audit"
ROLLUP = 2


def assert_in_step(
    sandbox: Sandbox,
    destination: MemoryDestination,
    table: Table,
    stored: Mapping[str, Any],
    *,
    select: frozenset[str] | None,
    labels: bool,
    keeps: bool,
    silent_cascades: bool,
    only_active: bool,
) -> None:
    """Every cell of a table equals the sandbox's.

    Args:
        sandbox: where the rows are.
        destination: where they have to be.
        table: of the sandbox's present schema.
        stored: what the pipeline remembers of it.
        select: the columns that are asked for, None for all.
        labels: whether labels are asked for.
        keeps: whether deleted rows are kept.
        silent_cascades: whether there have been deletes that no delta told of.
        only_active: whether the filter `ACTIVE` is set.
    """
    name = str(table.entity_set_name)
    arrived = destination.tables.get(name, {})
    expected = _expected(sandbox, table)
    there, expected = expected, shown(sandbox, table, expected, only_active=only_active)
    if keeps:
        kept = {key for one, key in destination.tables.get(DELETIONS, {}) if one == name}
        assert not kept & expected.keys(), f"{name}: listed as gone, but there"
        arrived = {key: row for key, row in arrived.items() if key not in kept}
    missing = expected.keys() - arrived.keys()
    assert not missing, f"{name}: {missing} have not arrived"
    unknown = (
        arrived.keys() - expected.keys() - _found_later(sandbox, table, stored, silent_cascades)
    )
    if only_active and stored.get("mode") == "cursor":
        unknown -= _left_the_filter(there, stored)
    if table.logical_name == AUDIT:  # what Dataverse has purged stays
        unknown = set()
    assert not unknown, f"{name}: {unknown} are gone from Dataverse"
    columns = [one for one in table.columns if _is_read(one, select, table)]
    rollups = [one.name for one in table.columns if one.source_type == ROLLUP]
    if rollups and stored.get("mode") == "cursor":
        # A recalculation moves the version number, not modifiedon: no cursor sees it, before rows
        # are compared. So it is with a rollup column that is not selected: the row's version moves.
        columns = [one for one in columns if one.name not in (*rollups, "versionnumber")]
    loaded = destination.columns.get(name, {})
    caller = caller_of(sandbox.environment, sandbox.client_id)
    security = ColumnSecurity(sandbox.environment, caller)
    for key, row in expected.items():
        row = {**row, **_secured(security, table, row)}
        cells = _cells(table, columns, row, labels)
        there = _values(arrived[key], set(cells), loaded, set(table.by_name))
        different = {
            column: (there.get(column), value)
            for column, value in cells.items()
            if not same(there.get(column), value)
        }
        assert not different, f"{name} {key}: (destination, sandbox) {different}"


def _expected(sandbox: Sandbox, table: Table) -> dict[Any, Row]:
    """The rows by key; an elastic table's by key and partition."""
    if table.table_type == "Elastic":
        expire(sandbox.store, table, tombstones=False)
        rows = sandbox.store.rows(table.logical_name)
        return {(row[table.primary_id], row["partitionid"]): row for row in rows}
    return {row[table.primary_id]: row for row in sandbox.store.rows(table.logical_name)}


def shown(
    sandbox: Sandbox, table: Table, rows: dict[Any, Row], *, only_active: bool
) -> dict[Any, Row]:
    """The rows that the application user may see and that meet the filter.

    Args:
        sandbox: where the rows are.
        table: of the rows.
        rows: by key.
        only_active: whether the filter `ACTIVE` is set.
    """
    if only_active:
        rows = {key: row for key, row in rows.items() if row["statecode"] == 0}
    user = sandbox.users.of_client(sandbox.client_id)
    if user is None or table.logical_name not in user.read_depths:
        return rows
    caller = caller_of(sandbox.environment, sandbox.client_id)
    seen = partial(is_visible, sandbox.environment, caller, table)
    return {key: row for key, row in rows.items() if seen(row[table.primary_id])}


def _left_the_filter(rows: dict[Any, Row], stored: Mapping[str, Any]) -> set[Any]:
    """Keys of rows that no longer meet the filter, which only the next comparison finds."""
    swept = stored.get("swept")
    if swept is None:
        return set()
    since = datetime.fromisoformat(swept) - LOOKBACK  # a late row has an earlier time
    return {
        key for key, row in rows.items() if row["statecode"] != 0 and row["modifiedon"] >= since
    }


def _is_read(column: Column, select: frozenset[str] | None, table: Table) -> bool:
    if not is_stored(column) or column.attribute_of or column.type in NOT_READ:
        return False
    if column.name == HEAVY:
        return False
    always = {table.primary_id, "partitionid", "modifiedon", "versionnumber"}
    return select is None or column.name in always or column.name in select


def _cells(table: Table, columns: list[Column], row: Row, labels: bool) -> Row:
    cells: Row = {}
    for column in columns:
        cells[column.name] = _cell(column, row)
        if is_polymorphic(column) or column.type in ("Customer", "Owner"):
            cells[f"{column.name}type"] = row.get(f"{column.name}@table")
        if labels and column.type in CHOICE_TYPES and column.options:
            labelled = {one.value: one.label for one in column.options}
            value = row.get(column.name)
            cells[f"{column.name}name"] = None if value is None else labelled.get(value)
    return cells


def _secured(security: ColumnSecurity, table: Table, row: Row) -> Row:
    """The secured cells of a row as the application user sees them."""
    shown: Row = {}
    for column in table.columns:
        if not column.secured:
            continue
        access, value = security.access(table, column), row.get(column.name)
        rule = security.rule(f"{table.logical_name}.{column.name}")
        if access == "hidden":
            value = None
        elif access == "masked" and rule is not None and value is not None:
            value = re.sub(rule.expression, rule.character, str(value))
        shown[column.name] = value
    return shown


def _cell(column: Column, row: Row) -> Any:
    value = row.get(column.name)
    if isinstance(value, datetime) and column.date_behavior == "TimeZoneIndependent":
        return value.astimezone(timezone.utc).replace(tzinfo=None)
    return value


def _values(row: Row, names: set[str], loaded: Mapping[str, Any], present: set[str]) -> Row:
    """A row with the values of variant columns in their own; what is no column any more is null."""
    values: Row = {}
    for name, value in row.items():
        own, *_ = name.partition("__v_")
        if own == DELETED:
            assert value is None, f"a tombstone has stayed: {row}"
        elif own not in names:
            assert name in loaded, f"{name} is a column that nobody has announced"
            stays = own in present or own.removesuffix("type").removesuffix("name") in present
            assert stays or value is None, f"{own} has gone, and has a value: {row}"
        elif value is not None:
            assert values.get(own) is None, f"{own} has two values: {row}"
            values[own] = value
    return values


def _found_later(
    sandbox: Sandbox, table: Table, stored: Mapping[str, Any], silent_cascades: bool
) -> set[str]:
    """Keys that are gone, and whose going only the next comparison of keys will find."""
    mode, swept = stored.get("mode"), stored.get("swept")
    if swept is None or mode == "full" or (mode == "changes" and not silent_cascades):
        return set()
    since = datetime.fromisoformat(swept) - timedelta(seconds=1)
    with sandbox.store.reading() as connection:
        found = connection.execute(
            "SELECT key, moment, cascaded FROM deleted WHERE logical_name = ?",
            (table.logical_name,),
        ).fetchall()
    return {
        key
        for key, moment, cascaded in found
        if (mode == "cursor" or cascaded) and moment >= since.timestamp() * 1000
    }
