"""Answers the query option ``sql``: ``GET /accounts?sql=SELECT name FROM account``.

Source: docs page "Use SQL to query data by using the Dataverse Web API". Rows look like those of
the equal FetchXML query; they are paged by ``odata.maxpagesize`` and next links.
"""

from __future__ import annotations

import json
from dataclasses import replace

from dataverse_source.sandbox.http.messages import DataverseFault, Response
from dataverse_source.sandbox.query.collection.query import (
    MAX_SIMPLE_PAGING,
    SIMPLE_PAGING_EXCEEDED,
    TOO_MANY_WITHOUT_COOKIE,
    Query,
    collection_annotations,
)
from dataverse_source.sandbox.query.fetchxml.aggregates import aggregate_rows
from dataverse_source.sandbox.query.fetchxml.answer import Page, read_rows
from dataverse_source.sandbox.query.fetchxml.columns import Output, context_columns, read_outputs
from dataverse_source.sandbox.query.fetchxml.joins import Joins, open_joins
from dataverse_source.sandbox.query.fetchxml.members import read_members
from dataverse_source.sandbox.query.fetchxml.orders import read_order
from dataverse_source.sandbox.query.fetchxml.parser import Fetch, all_links, not_there, refused
from dataverse_source.sandbox.query.fetchxml.sql_fetch import fetch_of
from dataverse_source.sandbox.query.fetchxml.sql_parser import parse_sql
from dataverse_source.sandbox.query.filter.elastic import is_elastic, refuse_links
from dataverse_source.sandbox.query.page.next_links import next_token, refuse_expired
from dataverse_source.sandbox.query.page.orders import Order
from dataverse_source.sandbox.query.page.paging import Bookmark, Cookie, read_skiptoken
from dataverse_source.sandbox.query.syntax.preferences import applied, most_rows, page_size
from dataverse_source.sandbox.store.values import json_text

BESIDE = frozenset({"$skiptoken"})
"""System query options that may stand in one query string with ``sql``."""

NO_ORDER = Order((), has_cookie=False)


def answer_sql(query: Query, text: str) -> Response:
    """A page of what a statement asks of a collection.

    Raises:
        DataverseFault: the statement is wrong, or asks for what Dataverse does not support.
    """
    for name in query.options.values:
        if name.startswith("$") and name not in BESIDE:
            raise not_there(f"{name} together with sql")
    scope = query.scope
    fetch = fetch_of(parse_sql(text), scope.schema)
    if fetch.entity.name != scope.table.logical_name:
        raise refused(
            f"The table '{fetch.entity.name}' of the statement is not that of the entity set "
            f"'{scope.table.entity_set_name}'."
        )
    if is_elastic(scope.table):
        refuse_links(any(link.kind != "outer" for link in all_links(fetch.entity)))
    joins = open_joins(fetch.entity, scope, query.where)
    size = page_size(
        query.preferences, most_rows(scope.table), scope.environment.switches.page_size_out_of_range
    )
    if fetch.aggregate:
        return _aggregated(query, fetch, joins, size)
    outputs, order = read_outputs(joins, distinct=fetch.distinct), read_order(fetch, joins)
    bookmark = _bookmark(query, order)
    last = bookmark.last if bookmark else None
    offset = _offset(bookmark, size) if last is None else 0
    page = read_rows(joins, outputs, order, fetch, query.preferences, size, last, offset)
    number = bookmark.page if bookmark else 1
    return _envelope(query, outputs, order, page, number, size)


def _aggregated(query: Query, fetch: Fetch, joins: Joins, size: int) -> Response:
    members = read_members(joins)
    rows = aggregate_rows(fetch, joins, members, query.preferences)
    bookmark = _bookmark(query, NO_ORDER)
    start = _offset(bookmark, size)
    page = Page(rows[start : start + size], len(rows) > start + size)
    outputs = tuple(member.output for member in members)
    return _envelope(query, outputs, NO_ORDER, page, bookmark.page if bookmark else 1, size)


def _bookmark(query: Query, order: Order) -> Bookmark | None:
    token = query.options.get("$skiptoken")
    if token is None:
        return None
    refuse_expired(query.scope, query.options.raw("$skiptoken") or "")
    return read_skiptoken(token, order)


def _offset(bookmark: Bookmark | None, size: int) -> int:
    """Rows before a page that is asked for by its number alone."""
    if bookmark is None:
        return 0
    if bookmark.page * size > MAX_SIMPLE_PAGING:
        raise DataverseFault(400, SIMPLE_PAGING_EXCEEDED, TOO_MANY_WITHOUT_COOKIE)
    return (bookmark.page - 1) * size


def _envelope(
    query: Query, outputs: tuple[Output, ...], order: Order, page: Page, number: int, size: int
) -> Response:
    """The answer: context, annotations, rows and next link."""
    printed = json.loads(page.rows[0]) if page.rows else ()
    columns = context_columns(outputs, printed)
    context = f"{query.base}/$metadata#{query.scope.table.entity_set_name}({columns})"
    head = f'{{"@odata.context":{json_text(context)}{collection_annotations(query, None)},"value":['
    tail = "]"
    if page.more:
        cookie = replace(page.cookie or Cookie(number, (), ()), page=number)
        previous = query.options.get("$skiptoken")
        token = next_token(query.scope, order, cookie, previous, None, is_sql=True)
        kept = query.options.without("$skiptoken")
        link = f"{query.base}/{query.path}?{kept}&$skiptoken={token}"
        tail += f',"@odata.nextLink":{json_text(link)}'
    body = b"".join((head.encode(), b",".join(page.rows), f"{tail}}}".encode()))
    headers = {"Content-Type": query.content_type, "OData-Version": "4.0"}
    names = ("odata.maxpagesize", "odata.include-annotations")
    granted = applied(query.preferences, names, size)
    if granted:
        headers["Preference-Applied"] = granted
    return Response(200, body, headers)
