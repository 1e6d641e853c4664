"""``$apply``: groups and totals, as far as docs page "Aggregate data using OData" goes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from dataverse_source.sandbox.http.messages import DataverseFault, Response
from dataverse_source.sandbox.query.collection.aggregates import (
    RECORD_LIMIT,
    Cell,
    Figure,
    aggregate,
    figure,
    json_row,
    rank,
    row_count,
)
from dataverse_source.sandbox.query.collection.query import JSON, Query
from dataverse_source.sandbox.query.filter.comparisons import place
from dataverse_source.sandbox.query.filter.conditions import condition
from dataverse_source.sandbox.query.filter.relationships import Single, navigation
from dataverse_source.sandbox.query.filter.scope import Scope
from dataverse_source.sandbox.query.syntax.odata import Path, bad_query, parse_filter
from dataverse_source.sandbox.query.syntax.options import read_top, split_top
from dataverse_source.sandbox.query.syntax.preferences import MAX_PAGE_SIZE, Preferences, applied
from dataverse_source.sandbox.store.values import EXACT_TYPES, INTEGER_TYPES, json_text

NO_ORDER = "The query node SingleValueOpenPropertyAccess is not supported"
METHODS = {"sum": "sum", "average": "avg", "min": "min", "max": "max"}
NUMERIC_TYPES = INTEGER_TYPES | EXACT_TYPES | {"Double"}

_STEP = re.compile(r"(filter|groupby|aggregate)\((.*)\)", re.DOTALL)
_TOTAL = re.compile(r"([\w/]+)\s+with\s+(\w+)\s+as\s+(\w+)")
_COUNT = re.compile(r"\$count\s+as\s+(\w+)")


@dataclass(frozen=True)
class Summary:
    """What an ``$apply`` asks for: a condition and the members of a row, groups first."""

    where: str
    figures: tuple[Figure, ...]


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
    preferences, scope = query.preferences, query.scope
    summary = read_apply(options.get("$apply") or "", scope, preferences)
    table = f"{scope.rows} AS {scope.alias}"
    source = f"{table} WHERE {query.where} AND {summary.where}"
    found = aggregate(summary.figures, scope, source, RECORD_LIMIT)
    found.sort(key=lambda row: _group_rank(summary, row))
    rows = [json_row(summary.figures, cells) for cells in found]
    top = read_top(options)
    limit = MAX_PAGE_SIZE if top is None else min(top, MAX_PAGE_SIZE)
    if len(rows) > MAX_PAGE_SIZE and top is None:
        raise DataverseFault(501, "0x8006088a", "The sandbox can't page more than 5000 groups.")
    context = json_text(f"{query.base}/$metadata#{query.scope.table.entity_set_name}")
    body = f'{{"@odata.context":{context},"value":[{",".join(rows[:limit])}]}}'
    headers = {"Content-Type": JSON, "OData-Version": "4.0"}
    granted = applied(preferences, ("odata.include-annotations",))
    if granted:
        headers["Preference-Applied"] = granted
    return Response(200, body.encode(), headers)


def _group_rank(summary: Summary, row: list[Cell]) -> list[tuple[bool, Any]]:
    """What rows sort by: the values of their groups."""
    pairs = zip(summary.figures, row)  # noqa: B905
    return [rank(cell, by_label=False) for each, cell in pairs if each.method is None]


def read_apply(text: str, scope: Scope, preferences: Preferences) -> Summary:
    """What a decoded ``$apply`` asks for.

    Raises:
        DataverseFault: it does not parse, or asks for what Dataverse lacks.
    """
    conditions: list[str] = []
    figures: tuple[Figure, ...] = ()
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
        compile_step = _totals if kind == "aggregate" else _grouping
        figures = compile_step(inside, scope, preferences)
    if not figures:
        raise bad_query("$apply needs groupby or aggregate.")
    return Summary(" AND ".join(conditions) or "1", figures)


def _grouping(text: str, scope: Scope, preferences: Preferences) -> tuple[Figure, ...]:
    """``(a,b),aggregate(...)``."""
    listed, *more = [part.strip() for part in split_top(text, ",")]
    if not listed.startswith("(") or not listed.endswith(")") or len(more) > 1:
        raise bad_query(f"Syntax error at position 0 in 'groupby({text})'.")
    names = (name.strip() for name in split_top(listed[1:-1], ","))
    keys = tuple(_key(name, scope, preferences) for name in names)
    if not more:
        return keys
    match = _STEP.fullmatch(more[0])
    if match is None or match[1] != "aggregate":
        raise bad_query(f"Syntax error at position {len(listed)} in 'groupby({text})'.")
    return (*keys, *_totals(match[2], scope, preferences))


def _key(name: str, scope: Scope, preferences: Preferences) -> Figure:
    path = Path(tuple(name.split("/")))
    found = place(path, scope)
    if found.column.type == "DateTime":
        raise bad_query(f"Grouping by the date column '{found.column.name}' is not supported.")
    return figure(_shown_name(path, scope), None, found, preferences)


def _shown_name(path: Path, scope: Scope) -> str:
    """A related column is printed with its table: ``contact_fullname``."""
    table = scope.table
    for segment in path.segments[:-1]:
        step = navigation(scope.schema, table, segment)
        if isinstance(step, Single):
            table = step.targets[0]
    last = path.segments[-1]
    return last if len(path.segments) == 1 else f"{table.logical_name}_{last}"


def _totals(text: str, scope: Scope, preferences: Preferences) -> tuple[Figure, ...]:
    return tuple(_total(part.strip(), scope, preferences) for part in split_top(text, ","))


def _total(text: str, scope: Scope, preferences: Preferences) -> Figure:
    counted = _COUNT.fullmatch(text)
    if counted:
        return row_count(counted[1], preferences)
    match = _TOTAL.fullmatch(text)
    if match is None:
        raise bad_query(f"Syntax error at position 0 in '{text}'.")
    name, method, alias = match.groups()
    if method not in METHODS:
        raise bad_query(f"The aggregation method '{method}' is not supported.")
    found = place(Path(tuple(name.split("/"))), scope)
    if method in ("sum", "average") and found.column.type not in NUMERIC_TYPES:
        raise bad_query(f"The column '{found.column.name}' can't be used with {method}.")
    return figure(alias, METHODS[method], found, preferences)
