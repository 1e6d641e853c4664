"""The order of a FetchXML query: that of its entity first, then those of its links."""

from __future__ import annotations

from dataverse_source.sandbox.query.fetchxml.conditions import column_named
from dataverse_source.sandbox.query.fetchxml.joins import Joins
from dataverse_source.sandbox.query.fetchxml.parser import Fetch, Sort, refused
from dataverse_source.sandbox.query.filter.scope import Scope
from dataverse_source.sandbox.query.page.orders import Order, Term, term_of, with_primary_key
from dataverse_source.sandbox.query.syntax.odata import Path
from dataverse_source.sandbox.schema.tables import CHOICE_TYPES, Column
from dataverse_source.sandbox.store.layout import literal, wire
from dataverse_source.sandbox.store.values import fold, json_text


def read_order(fetch: Fetch, joins: Joins) -> Order:
    """The order of the rows.

    Entity orders come before link orders wherever they stand in the text (docs page "Order rows
    using FetchXml"). Ordered by a linked column, or distinct, a query has no paging cookie; else
    the primary key is the last term.

    Raises:
        DataverseFault: an unknown column or alias.
    """
    terms: list[Term] = []
    has_cookie = not fetch.distinct
    for joined in (joins.root, *joins.links):
        for sort in joined.entity.sorts:
            scope = joined.scope if sort.entity is None else joins.scope_of(sort.entity)
            has_cookie = has_cookie and scope is joins.root.scope
            term = _term(sort, scope, raw=fetch.raw_order)
            if term.sql not in (known.sql for known in terms):
                terms.append(term)
    if fetch.distinct:
        return Order(tuple(terms), has_cookie=False)
    return Order(with_primary_key(terms, joins.root.scope), has_cookie)


def _term(sort: Sort, scope: Scope, *, raw: bool) -> Term:
    if sort.attribute is None:
        raise refused("An order by alias is for aggregate queries.")
    column = column_named(scope.table, sort.attribute)
    if column.type in CHOICE_TYPES and column.options and not raw:
        # Choices sort by label (docs page "Order rows using FetchXml").
        key, shown = (_label(scope, column, sort_key=sort_key) for sort_key in (True, False))
        return Term(f"{column.name}name", key, shown, sort.descending, None)
    return term_of(Path((column.wire_name,)), sort.descending, scope)


def _label(scope: Scope, column: Column, *, sort_key: bool) -> str:
    """SQL of a choice's label: its sort key or its JSON text."""
    made = fold if sort_key else json_text
    cases = " ".join(
        f"WHEN {option.value} THEN {literal(made(option.label))}" for option in column.options
    )
    return f"CASE {wire(scope.alias, column)} {cases} END"
