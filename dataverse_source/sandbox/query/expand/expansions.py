"""Compiles expansions to SQL: related rows as JSON objects and arrays within their row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import quote as percent_encode

from dataverse_source.sandbox.environment.access_rules import require_read
from dataverse_source.sandbox.query.expand.expand import Expansion
from dataverse_source.sandbox.query.filter.conditions import condition
from dataverse_source.sandbox.query.filter.relationships import (
    Associated,
    Many,
    Single,
    children_condition,
    index_of,
    join_condition,
)
from dataverse_source.sandbox.query.filter.scope import Scope
from dataverse_source.sandbox.query.page.orders import read_order
from dataverse_source.sandbox.query.rows.rows import Selection, Text, row_text
from dataverse_source.sandbox.query.syntax.odata import parse_filter
from dataverse_source.sandbox.query.syntax.preferences import MAX_PAGE_SIZE, Preferences
from dataverse_source.sandbox.schema.tables import Table
from dataverse_source.sandbox.store.layout import key, wire
from dataverse_source.sandbox.store.values import json_text

_PLAIN_IN_LINKS = "$=,;()/'&@:*[]!-._~"
_GUID_LENGTH = 36
_ORDER_LENGTH = 32


@dataclass(frozen=True)
class Manner:
    """How related rows are printed.

    Attributes:
        preferences: the caller's annotations.
        base: URL of the Web API.
        single: the outer row was asked for by its key; then there are no next links, and
            expanded lookups carry an etag (docs page "Retrieve a table row").
        nested: some expansion has one within; then collections are paged.
        page_size: rows of a page of a collection, in nested form.
    """

    preferences: Preferences
    base: str
    single: bool
    nested: bool
    page_size: int


def with_references(selection: Selection, expansions: tuple[Expansion, ...]) -> Selection:
    """The selection, with the lookups of ``/$ref`` expansions before the key."""
    columns = list(selection.columns)
    for expansion in expansions:
        step = expansion.step
        if expansion.reference and isinstance(step, Single) and step.column not in columns:
            columns.insert(len(columns) - 1, step.column)
    return replace(selection, columns=tuple(columns))


def add_expansions(
    text: Text, scope: Scope, expansions: tuple[Expansion, ...], manner: Manner
) -> None:
    """Adds related rows to a row's text, after its columns."""
    for expansion in expansions:
        for table in _tables(expansion):
            require_read(scope.environment, scope.caller, table)
        text.add(f",{json_text(expansion.step.name)}:")
        if isinstance(expansion.step, Single):
            text.gap(_single(scope, expansion, expansion.step, manner))
        else:
            text.gap(_many(scope, expansion, expansion.step, manner))


def _tables(expansion: Expansion) -> tuple[Table, ...]:
    step = expansion.step
    return step.targets if isinstance(step, Single) else (step.table,)


def _single(scope: Scope, expansion: Expansion, step: Single, manner: Manner) -> str:
    """SQL of the related row, or of null."""
    found = []
    for target in step.targets:
        alias = scope.parameters.alias()
        inner = replace(scope.at(target, alias), aliases={})
        joined = join_condition(scope.alias, step, target, alias)
        where = f"{joined} AND {_filter(expansion, inner)}"
        shown = _reference(inner, manner) if expansion.reference else _row(inner, expansion, manner)
        rows = f"FROM {inner.rows} AS {alias} WHERE {where}"
        found.append(f"(SELECT {shown} {rows})")
    return f"coalesce({', '.join(found)}, 'null')"


def _row(scope: Scope, expansion: Expansion, manner: Manner) -> str:
    selection = expansion.selection
    if scope.table is not expansion.table:
        # ownerid may lead to a user or a team: take the columns that the other one has too.
        names = [column.wire_name for column in selection.columns]
        known = scope.table.by_wire_name
        columns = tuple(known[name] for name in names if name in known)
        selection = replace(selection, columns=columns)
    text = row_text(scope, selection, manner.preferences, etag=manner.single)
    add_expansions(text, scope, expansion.children, manner)
    text.add("}")
    return text.sql


def _reference(scope: Scope, manner: Manner) -> str:
    text = Text()
    text.add(f'{{"@odata.id":"{manner.base}/{scope.table.entity_set_name}(')
    text.gap(_bare_key(scope.alias, scope.table))
    text.add(')"}')
    return text.sql


def _bare_key(alias: str, table: Table) -> str:
    """SQL of a row's GUID without quotes."""
    return f"substr({wire(alias, table.by_name[table.primary_id])}, 2, {_GUID_LENGTH})"


def _filter(expansion: Expansion, scope: Scope) -> str:
    text = expansion.options.get("$filter")
    return "1" if text is None else condition(parse_filter(text), scope)


def _many(scope: Scope, expansion: Expansion, step: Many | Associated, manner: Manner) -> str:
    """SQL of the array of related rows and, after it, their next link."""
    scope.environment.store.ensure_index(*index_of(step))
    alias = scope.parameters.alias()
    inner = replace(scope.at(step.table, alias), aliases={})
    text = row_text(
        inner, _with_way_back(expansion, manner), manner.preferences, etag=not manner.nested
    )
    add_expansions(text, inner, expansion.children, manner)
    text.add("}")
    primary = step.table.by_name[step.table.primary_id]
    where = children_condition(scope.alias, scope.table, step, alias)
    order = read_order(expansion.options.get("$orderby"), inner)
    limit = manner.page_size if manner.nested else _top(expansion)
    rows = (
        f"SELECT {text.sql} AS row, {key(alias, primary)} || {_bare_key(alias, step.table)} "  # noqa: S608
        f"AS place FROM {inner.rows} AS {alias} "
        f"WHERE {where} AND {_filter(expansion, inner)} ORDER BY {order.sql} LIMIT {limit}"
    )
    array = "'[' || coalesce(group_concat(row, ','), '') || ']'"
    return f"(SELECT {array}{_next_link(scope, expansion, manner)} FROM ({rows}))"  # noqa: S608


def _with_way_back(expansion: Expansion, manner: Manner) -> Selection:
    """A collection's rows bring the lookup back to their parent (docs page "Join tables")."""
    selection, step = expansion.selection, expansion.step
    if not isinstance(step, Many) or manner.nested or manner.single:
        return selection
    if not selection.asked or step.column in selection.columns:
        return selection
    *others, last = selection.columns
    return replace(selection, columns=(*others, step.column, last))


def _top(expansion: Expansion) -> int:
    text = expansion.options.get("$top", "")
    return min(int(text), MAX_PAGE_SIZE) if text.isdigit() else MAX_PAGE_SIZE


def _next_link(scope: Scope, expansion: Expansion, manner: Manner) -> str:
    """SQL that adds a collection's next link.

    In a query with one level it is always there and leads to the same rows again; in a nested
    one it goes on after a full page (docs page "Join tables").
    """
    if manner.single and not manner.nested:
        return ""
    name = f"{expansion.step.name}@odata.nextLink"
    text = Text()
    text.add(f',{json_text(name)}:"{manner.base}/{scope.table.entity_set_name}(')
    text.gap(_bare_key(scope.alias, scope.table))
    text.add(f")/{expansion.step.name}")
    options = json_text(percent_encode(expansion.raw, safe=_PLAIN_IN_LINKS))[1:-1]
    if not manner.nested:
        text.add(f'?{options}"' if options else '"')
        return f" || {text.sql}"
    text.add(f"?{options}{'&' if options else ''}$skiptoken=")
    primary = expansion.table.by_name[expansion.table.primary_id].name
    encoded = "%253ccookie%2520page%253d%25221%2522%2520countOfRecords%253d%2522"
    text.add(f"%3Ccookie%20pagenumber=%222%22%20pagingcookie=%22{encoded}")
    text.gap("count(*)")
    text.add(f"%2522%253e%253c{primary}%2520last%253d%2522%257b")
    text.gap(f"substr(max(place), {_ORDER_LENGTH + 1})")
    text.add("%257d%2522%2520first%253d%2522%257b")
    text.gap(f"substr(min(place), {_ORDER_LENGTH + 1})")
    text.add('%257d%2522%2520%252f%253e%253c%252fcookie%253e%22%20istracking=%22False%22%20/%3E"')
    return f" || CASE WHEN count(*) >= {manner.page_size} THEN {text.sql} ELSE '' END"
