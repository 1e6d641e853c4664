"""Fills a table with made-up rows, fast: templates made in Python, multiplied by SQLite.

Columns are spread over four groups. Each group has its own number of template rows, all
prime, and a row takes one template of each group, so that few templates make many rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from dataverse_source.sandbox.schema.tables import LOOKUP_TYPES, Column, Table
from dataverse_source.sandbox.store import activities, documents
from dataverse_source.sandbox.store.guids import TICKS_PER_MILLISECOND, ticks_at
from dataverse_source.sandbox.store.layout import (
    create_indexes,
    key_indexes,
    literal,
    physical_names,
    quote,
    sql_table,
    stored_columns,
)
from dataverse_source.sandbox.store.row_store import RowStore
from dataverse_source.sandbox.store.seed_templates import templates
from dataverse_source.sandbox.store.seed_values import (
    EARLIEST_VALUE,
    LATEST_VALUE,
    stable,
)
from dataverse_source.sandbox.store.values import (
    fold,
    json_text,
    milliseconds,
)
from dataverse_source.sandbox.store.versions import version_base

FEW_ROWS = 50_000
SMALL_GROUPS = (4999, 97, 89, 83)
LARGE_GROUPS = (4999, 251, 241, 239)
"""Templates of each group, for up to and for more than ``FEW_ROWS`` rows."""

NAME_GROUP, MONEY_GROUP, STATE_GROUP, REST_GROUP = range(4)
GROUP_STEPS = (1, 7, 11, 3)
"""How far a row's template moves on in each group from one row to the next."""

TARGET_ROWS = 500
"""How many rows of a table lookups point at."""

BLOCK = 200
"""Rows of one import or one mass change: they share a createdon or modifiedon."""

SAMPLE_ACCOUNTS = ("Test Account 1", "Test Account 2")
"""Names in docs page "Use single-tenant server-to-server authentication"."""

_START = milliseconds(EARLIEST_VALUE)
_END = milliseconds(LATEST_VALUE)
_WRITTEN_BY_STORE = frozenset({"createdon", "modifiedon", "versionnumber"})


def seed_table(store: RowStore, logical_name: str, count: int, seed: int) -> None:
    """Adds ``count`` made-up rows to a table, the same ones for the same seed.

    Its lookups point at existing rows. Lookups of other tables to this one are filled if they
    are all empty.
    """
    if count <= 0:
        return
    table = store.table(logical_name)
    if table.is_intersect and seed_links(store, table, count):
        return
    with store.transaction() as connection:
        existing = store.count(logical_name)
        sizes = group_sizes(count)
        _make_templates(store, connection, table, seed, sizes)
        _make_spine(connection, count, store.next_version(count) + version_base(table))
        # Building an index once is faster than updating it row by row.
        anew = create_indexes(table) if not existing else ()
        for name in key_indexes(table) if not existing else ():
            connection.execute(f"DROP INDEX {quote(name)}")
        connection.execute(_insert(table, count, existing, seed))
        for statement in anew:
            connection.execute(statement)
        for name in ("spine", *(f"templates{group}" for group in range(len(sizes)))):
            connection.execute(f"DROP TABLE temp.{name}")
        activities.on_seeded(store, connection, table)
        documents.on_seeded(connection, table)
        _fill_empty_lookups(store, connection, table)


def seed_links(store: RowStore, table: Table, count: int) -> bool:
    """Links rows at both ends of an N:N relationship, each pair once.

    Returns:
        Whether there were rows to link.
    """
    pair = next(
        (each for each in store.schema.many_to_many if each.intersect == table.logical_name), None
    )
    if pair is None:
        return False
    near, far = (
        _target_rows(store, _pointer_to(store.table(n))) for n in (pair.table1, pair.table2)
    )
    if not near or not far:
        return False
    with store.transaction():
        for number in range(min(count, len(near) * len(far))):
            one = near[number % len(near)][0][1:-1]
            other = far[(number + number // len(near)) % len(far)][0][1:-1]
            values = {pair.intersect_attribute1: one, pair.intersect_attribute2: other}
            store.insert(table, store.new_key(), values, created_on=EARLIEST_VALUE)
    return True


def group_sizes(count: int) -> tuple[int, ...]:
    """How many templates each group has for a number of rows."""
    sizes = SMALL_GROUPS if count <= FEW_ROWS else LARGE_GROUPS
    return tuple(min(size, count) for size in sizes)


def _group(column: Column, table: Table) -> int:
    if column.name == table.primary_name or column.name in ("firstname", "lastname"):
        return NAME_GROUP
    if column.type == "Money" or column.name in ("transactioncurrencyid", "exchangerate"):
        return MONEY_GROUP
    if column.type in ("State", "Status", "Image") or column.attribute_of:
        return STATE_GROUP
    return REST_GROUP if stable(column.name) % 2 else STATE_GROUP


def _seeded(table: Table) -> list[Column]:
    """The columns that templates hold."""
    return [
        column
        for column in stored_columns(table)
        if column.name != table.primary_id and column.name not in _WRITTEN_BY_STORE
    ]


def _make_templates(
    store: RowStore, connection: sqlite3.Connection, table: Table, seed: int, sizes: Sequence[int]
) -> None:
    for group, size in enumerate(sizes):
        columns = [column for column in _seeded(table) if _group(column, table) == group]
        names = [part for column in columns for part in physical_names(column)]
        listed = "".join(f", {quote(name)}" for name in names)
        connection.execute(f"CREATE TEMP TABLE templates{group} (i INTEGER PRIMARY KEY{listed})")
        marks = ", ".join("?" * (len(names) + 1))
        targets = {
            column.name: _target_rows(store, column)
            for column in columns
            if column.type in LOOKUP_TYPES
        }
        made_from = f"{seed}/{table.logical_name}/{group}"
        connection.executemany(
            f"INSERT INTO templates{group} VALUES ({marks})",  # noqa: S608
            templates(table, columns, targets, made_from, size),
        )


def _target_rows(store: RowStore, column: Column) -> list[tuple[str, str]]:
    """Keys, as on the wire, and tables of the rows that a lookup may be made to point at."""
    found: list[tuple[str, str]] = []
    for target in column.targets:
        table = store.schema.by_logical_name.get(target)
        if table is None or table.is_logical_entity:
            continue
        with store.reading() as connection:
            rows = connection.execute(
                f"SELECT {quote(table.primary_id)} FROM {sql_table(target)} "  # noqa: S608
                f"ORDER BY {quote(table.primary_id + '$')} LIMIT {TARGET_ROWS}"
            ).fetchall()
        found += [(wire, target) for (wire,) in rows]
    return found


def _make_spine(connection: sqlite3.Connection, count: int, first_version: int) -> None:
    """Row numbers with their moments; version numbers follow modifiedon.

    Every fifth block of rows was imported within one second, another fifth was changed at
    once later; of the others two thirds were changed on their own.
    """
    span = _END - _START
    # The primary key keeps the rows in order, so that multiplying them needs no sort.
    connection.execute(
        "CREATE TEMP TABLE spine (i INTEGER PRIMARY KEY, created, modified, version)"
    )
    connection.execute(
        "INSERT INTO spine WITH RECURSIVE numbers(i) AS ("  # noqa: S608
        f"SELECT 0 UNION ALL SELECT i + 1 FROM numbers WHERE i < {count - 1}), "
        f"moments AS (SELECT i, i / {BLOCK} AS block, {_START} + ("
        f"CASE WHEN i / {BLOCK} % 5 = 3 THEN i / {BLOCK} * {BLOCK} ELSE i END * {span} / {count}"
        ") / 1000 * 1000 AS created FROM numbers), "
        f"changes AS (SELECT i, created, min({_END}, CASE "
        "WHEN block % 5 = 3 THEN created "
        f"WHEN block % 5 = 1 THEN {_START} + "
        f"((block + 1) * {BLOCK} * {span} / {count} + 3600000) / 1000 * 1000 "
        "WHEN i % 3 = 0 THEN created "
        "ELSE created + (i * 2654435761 % 10368000) * 1000 END) AS modified FROM moments) "
        f"SELECT i, created, modified, {first_version - 1} + "
        "row_number() OVER (ORDER BY modified, i) AS version FROM changes ORDER BY i"
    )


def _insert(table: Table, count: int, existing: int, seed: int) -> str:
    """The statement that multiplies the templates into rows."""
    node = f"000d3a2{stable(f'{seed}/{table.logical_name}') & 0xFFFFF:05x}"
    batch = f"{0xA000 + existing % 0x1000:04x}"
    ticks = f"{ticks_at(0)} + created * {TICKS_PER_MILLISECOND} + i"
    cells: dict[str, str] = {
        table.primary_id: _guid_wire(node, batch),
        f"{table.primary_id}$": f"'{node}{batch}' || spine.hex",
    }
    known = table.by_name
    for name, source in (("createdon", "spine.created"), ("modifiedon", "spine.modified")):
        if name in known:
            cells[name] = f"""strftime('"%Y-%m-%dT%H:%M:%SZ"', {source} / 1000, 'unixepoch')"""
            cells[f"{name}$"] = source
    if "versionnumber" in known:
        cells["versionnumber"] = "spine.version"
    for column in _seeded(table):
        for part in physical_names(column):
            cells[part] = f"templates{_group(column, table)}.{quote(part)}"
    if table.logical_name == "account" and not existing and "name" in cells:
        for part in ("name", "name$"):
            cells[part] = _sample_name(part, cells[part])
    joins = "".join(
        f" CROSS JOIN templates{group} ON templates{group}.i = spine.i * {step} % {size}"
        for group, (size, step) in enumerate(zip(group_sizes(count), GROUP_STEPS, strict=True))
    )
    for column in _key_texts(table):
        cells.update(_unique_text(column, existing))
    names = ", ".join(quote(name) for name in cells)
    return (
        f"INSERT INTO {sql_table(table.logical_name)} ({names}) "  # noqa: S608
        f"SELECT {', '.join(cells.values())} FROM "
        f"(SELECT i, created, modified, version, printf('%016x', ({ticks}) | {1 << 60}) AS hex "
        f"FROM temp.spine) AS spine{joins} ORDER BY spine.i"
    )


def _key_texts(table: Table) -> list[Column]:
    """The columns of text that make alternate keys: no two rows may have the same."""
    named = {name for key in table.keys for name in key.columns} - {"partitionid"}
    return [table.by_name[name] for name in sorted(named) if table.by_name[name].type == "String"]


def _unique_text(column: Column, existing: int) -> dict[str, str]:
    """SQL of a numbered text, such as ``COD-000001``, as wire text and as sort key."""
    prefix = column.name.rpartition("_")[2][:3].upper()
    number = f"spine.i + {existing + 1}"
    return {
        column.name: f"""printf('"{prefix}-%06d"', {number})""",
        f"{column.name}$": f"printf('{prefix.lower()}-%06d', {number})",
    }


def _sample_name(part: str, otherwise: str) -> str:
    """SQL of an account's name: the first two are those of the docs' single-tenant sample."""
    cases = " ".join(
        f"WHEN {number} THEN {literal(json_text(name) if part == 'name' else fold(name))}"
        for number, name in enumerate(SAMPLE_ACCOUNTS)
    )
    return f"CASE spine.i {cases} ELSE {otherwise} END"


def _guid_wire(node: str, batch: str) -> str:
    """SQL of a sequential GUID from its 16 hexadecimal digits in SQL Server's order."""
    swapped = "||".join(f"substr(spine.hex,{at},2)" for at in (15, 13, 11, 9))
    middle = "substr(spine.hex,7,2)||substr(spine.hex,5,2)"
    high = "substr(spine.hex,3,2)||substr(spine.hex,1,2)"
    return f"""'"'||{swapped}||'-'||{middle}||'-'||{high}||'-{batch}-{node}"'"""


def _fill_empty_lookups(store: RowStore, connection: sqlite3.Connection, target: Table) -> None:
    """Fills the lookups of earlier rows to this table, where all of them are empty."""
    keys = [key for key, _ in _target_rows(store, _pointer_to(target))]
    for table in store.schema.tables:
        for column in stored_columns(table):
            if column.targets != (target.logical_name,) or table is target:
                continue
            name, cell = sql_table(table.logical_name), quote(column.name)
            (filled,) = connection.execute(
                f"SELECT EXISTS (SELECT 1 FROM {name} WHERE {cell} IS NOT NULL)"  # noqa: S608
            ).fetchone()
            if not filled:
                connection.execute(
                    f"UPDATE {name} SET {cell} = "  # noqa: S608
                    f"json_extract(?, '$[' || (rowid * 7 % {len(keys)}) || ']') "
                    "WHERE rowid % 3 <> 0",
                    (json_text_list(keys),),
                )


def _pointer_to(table: Table) -> Column:
    return Column("pointer", "Lookup", targets=(table.logical_name,))


def json_text_list(texts: list[str]) -> str:
    """A JSON array of texts."""
    return f"[{','.join(json_text(text) for text in texts)}]"
