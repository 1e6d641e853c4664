"""``$apply``: groups and totals, as far as docs page "Aggregate data using OData" goes.

Rows are added up in Python, with exact decimals: no more than 50,000 may take part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from dataverse_source.sandbox.filters import condition, place
from dataverse_source.sandbox.layout import sql_table
from dataverse_source.sandbox.messages import DataverseFault, Response
from dataverse_source.sandbox.odata import Path, bad_query, parse_filter
from dataverse_source.sandbox.options import read_top, split_top
from dataverse_source.sandbox.preferences import MAX_PAGE_SIZE
from dataverse_source.sandbox.query import JSON, Query
from dataverse_source.sandbox.relationships import Single, navigation
from dataverse_source.sandbox.scope import Scope
from dataverse_source.sandbox.tables import Column
from dataverse_source.sandbox.values import EXACT_TYPES, INTEGER_TYPES, SqlValue, json_text

RECORD_LIMIT = 50_000
LIMIT_EXCEEDED = "0x8004E023"
LIMIT_TEXT = "AggregateQueryRecordLimit exceeded. Cannot perform this operation."
"""Docs page "Aggregate data using FetchXML": limits."""

SUM_DIGITS = 9
"""Digits after the point of a sum of amounts: the docs print ``440000.000000000``."""

NO_ORDER = "The query node SingleValueOpenPropertyAccess is not supported"
METHODS = ("sum", "average", "min", "max")
NUMERIC_TYPES = INTEGER_TYPES | EXACT_TYPES | {"Double"}

_STEP = re.compile(r"(filter|groupby|aggregate)\((.*)\)", re.DOTALL)
_TOTAL = re.compile(r"([\w/]+)\s+with\s+(\w+)\s+as\s+(\w+)")
_COUNT = re.compile(r"\$count\s+as\s+(\w+)")


@dataclass(frozen=True)
class Key:
    """A column to group by."""

    name: str
    key: str
    wire: str


@dataclass(frozen=True)
class Total:
    """A figure over the rows of a group; the count of rows has no column."""

    name: str
    method: str
    column: Column | None
    key: str
    wire: str


@dataclass(frozen=True)
class Summary:
    """What an ``$apply`` asks for."""

    where: str
    keys: tuple[Key, ...]
    totals: tuple[Total, ...]


def answer_apply(query: Query) -> Response:
    """Answers a query with ``$apply``. Nulls are left out of its rows.

    Raises:
        DataverseFault: it does not parse, asks for what Dataverse lacks, or takes in more rows
            than the limit.
    """
    options = query.options
    if options.get("$orderby") is not None:
        raise bad_query(NO_ORDER)
    for name in ("$select", "$expand", "$filter", "$skiptoken"):
        if options.get(name) is not None:
            raise DataverseFault(501, "0x8006088a", f"The sandbox has no $apply with {name}.")
    summary = read_apply(options.get("$apply") or "", query.scope)
    groups = _groups(query, summary)
    rows = [_row(summary, group) for group in groups]
    top = read_top(options)
    limit = MAX_PAGE_SIZE if top is None else min(top, MAX_PAGE_SIZE)
    if len(rows) > MAX_PAGE_SIZE and top is None:
        raise DataverseFault(501, "0x8006088a", "The sandbox can't page more than 5000 groups.")
    context = json_text(f"{query.base}/$metadata#{query.scope.table.entity_set_name}")
    body = f'{{"@odata.context":{context},"value":[{",".join(rows[:limit])}]}}'
    return Response(200, body.encode(), {"Content-Type": JSON, "OData-Version": "4.0"})


def read_apply(text: str, scope: Scope) -> Summary:
    """What a decoded ``$apply`` asks for.

    Raises:
        DataverseFault: it does not parse, or asks for what Dataverse lacks.
    """
    conditions: list[str] = []
    keys: tuple[Key, ...] = ()
    totals: tuple[Total, ...] = ()
    steps = [step.strip() for step in split_top(text, "/")]
    for number, step in enumerate(steps):
        match = _STEP.fullmatch(step)
        if match is None:
            raise bad_query(f"Syntax error at position {text.find(step)} in '{text}'.")
        kind, inside = match.groups()
        if kind == "filter":
            conditions.append(condition(parse_filter(inside, scope.aliases), scope))
            continue
        if number != len(steps) - 1:
            raise bad_query(f"Nothing can follow {kind} in $apply.")
        if kind == "aggregate":
            totals = _totals(inside, scope)
        else:
            keys, totals = _grouping(inside, scope)
    if not keys and not totals:
        raise bad_query("$apply needs groupby or aggregate.")
    return Summary(" AND ".join(conditions) or "1", keys, totals)


def _grouping(text: str, scope: Scope) -> tuple[tuple[Key, ...], tuple[Total, ...]]:
    """``(a,b),aggregate(...)``."""
    listed, *more = [part.strip() for part in split_top(text, ",")]
    if not listed.startswith("(") or not listed.endswith(")") or len(more) > 1:
        raise bad_query(f"Syntax error at position 0 in 'groupby({text})'.")
    keys = tuple(_key(name.strip(), scope) for name in split_top(listed[1:-1], ","))
    if not more:
        return keys, ()
    match = _STEP.fullmatch(more[0])
    if match is None or match[1] != "aggregate":
        raise bad_query(f"Syntax error at position {len(listed)} in 'groupby({text})'.")
    return keys, _totals(match[2], scope)


def _key(name: str, scope: Scope) -> Key:
    path = Path(tuple(name.split("/")))
    found = place(path, scope)
    if found.column.type == "DateTime":
        raise bad_query(f"Grouping by the date column '{found.column.name}' is not supported.")
    return Key(_shown_name(path, scope), found.key, found.wire)


def _shown_name(path: Path, scope: Scope) -> str:
    """A related column is printed with its table: ``contact_fullname``."""
    table = scope.table
    for segment in path.segments[:-1]:
        step = navigation(scope.schema, table, segment)
        if isinstance(step, Single):
            table = step.targets[0]
    last = path.segments[-1]
    return last if len(path.segments) == 1 else f"{table.logical_name}_{last}"


def _totals(text: str, scope: Scope) -> tuple[Total, ...]:
    return tuple(_total(part.strip(), scope) for part in split_top(text, ","))


def _total(text: str, scope: Scope) -> Total:
    counted = _COUNT.fullmatch(text)
    if counted:
        return Total(counted[1], "count", None, "1", "1")
    match = _TOTAL.fullmatch(text)
    if match is None:
        raise bad_query(f"Syntax error at position 0 in '{text}'.")
    name, method, alias = match.groups()
    if method not in METHODS:
        raise bad_query(f"The aggregation method '{method}' is not supported.")
    found = place(Path(tuple(name.split("/"))), scope)
    if method in ("sum", "average") and found.column.type not in NUMERIC_TYPES:
        raise bad_query(f"The column '{found.column.name}' can't be used with {method}.")
    return Total(alias, method, found.column, found.key, found.wire)


@dataclass
class _Group:
    """The rows that share their keys: the keys' texts, and the totals' cells by total."""

    shown: tuple[SqlValue, ...]
    cells: list[list[tuple[SqlValue, SqlValue]]]
    size: int = 0


def _groups(query: Query, summary: Summary) -> list[_Group]:
    """The groups in the order of their keys; one group in all without keys."""
    scope = query.scope
    shown = [sql for key in summary.keys for sql in (key.key, key.wire)]
    shown += [sql for total in summary.totals for sql in (total.key, total.wire)]
    order = ", ".join(key.key for key in summary.keys) or "1"
    statement = (
        f"SELECT {', '.join(shown)} FROM {sql_table(scope.table.logical_name)} AS {scope.alias} "  # noqa: S608
        f"WHERE {query.where} AND {summary.where} ORDER BY {order} LIMIT {RECORD_LIMIT + 1}"
    )
    with scope.environment.store.reading() as connection:
        rows = connection.execute(statement, scope.parameters.values).fetchall()
    if len(rows) > RECORD_LIMIT:
        raise DataverseFault(400, LIMIT_EXCEEDED, LIMIT_TEXT)
    groups: dict[tuple[SqlValue, ...], _Group] = {}
    width = 2 * len(summary.keys)
    if not summary.keys:
        groups[()] = _Group((), [[] for _ in summary.totals])
    for row in rows:
        keys, texts, cells = row[:width:2], row[1:width:2], row[width:]
        if keys not in groups:
            groups[keys] = _Group(texts, [[] for _ in summary.totals])
        group = groups[keys]
        group.size += 1
        for number, column in enumerate(group.cells):
            if cells[2 * number] is not None:
                column.append((cells[2 * number], cells[2 * number + 1]))
    return list(groups.values())


def _row(summary: Summary, group: _Group) -> str:
    """A group as JSON."""
    parts = [
        f"{json_text(key.name)}:{shown}"
        for key, shown in zip(summary.keys, group.shown)  # noqa: B905
        if shown is not None
    ]
    for total, cells in zip(summary.totals, group.cells):  # noqa: B905
        text = str(group.size) if total.column is None else _figure(total, total.column, cells)
        if text is not None:
            parts.append(f"{json_text(total.name)}:{text}")
    return f"{{{','.join(parts)}}}"


def _figure(total: Total, column: Column, cells: list[tuple[SqlValue, SqlValue]]) -> str | None:
    """A total's JSON text; None when every value is null."""
    if not cells:
        return None
    if total.method in ("min", "max"):
        order: Any = min if total.method == "min" else max
        return str(order(cells, key=lambda cell: cell[0])[1])
    added = sum((Decimal(str(wire)) for _, wire in cells), Decimal(0))
    if total.method == "average":
        added /= len(cells)
    if column.type in INTEGER_TYPES:
        # The average of whole numbers comes back cut to a whole number.
        return str(int(added))
    if column.type == "Double":
        return repr(float(added))
    return f"{added.quantize(Decimal(1).scaleb(-SUM_DIGITS)):f}"
