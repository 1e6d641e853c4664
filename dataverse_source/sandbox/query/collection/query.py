"""Answers reads of a collection: ``GET /accounts?...`` and ``GET /accounts/$count``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from dataverse_source.sandbox.environment.column_security import ColumnSecurity
from dataverse_source.sandbox.environment.environment import Caller, Environment
from dataverse_source.sandbox.http.messages import DataverseFault, Request, Response
from dataverse_source.sandbox.query.expand.expand import Expansion, context_of, read_expand
from dataverse_source.sandbox.query.expand.expansions import Manner, add_expansions, with_references
from dataverse_source.sandbox.query.filter.conditions import condition
from dataverse_source.sandbox.query.filter.elastic import is_elastic, refuse_joins
from dataverse_source.sandbox.query.filter.relationships import Single
from dataverse_source.sandbox.query.filter.scope import Parameters, Scope
from dataverse_source.sandbox.query.page.next_links import next_token, refuse_expired
from dataverse_source.sandbox.query.page.orders import Order, read_order
from dataverse_source.sandbox.query.page.paging import Cookie, read_skiptoken
from dataverse_source.sandbox.query.rows.number_forms import COMPATIBLE, numbers_as_text
from dataverse_source.sandbox.query.rows.rows import Selection, read_select, row_text
from dataverse_source.sandbox.query.syntax.odata import parse_filter
from dataverse_source.sandbox.query.syntax.options import (
    Options,
    read_count,
    read_options,
    read_top,
)
from dataverse_source.sandbox.query.syntax.preferences import (
    METADATA_VERSION,
    TOTAL_RECORD_COUNT,
    TOTAL_RECORD_COUNT_EXCEEDED,
    Preferences,
    applied,
    most_rows,
    page_size,
    read_preferences,
)
from dataverse_source.sandbox.schema.tables import Table
from dataverse_source.sandbox.store.layout import is_partitioned, wire
from dataverse_source.sandbox.store.values import json_text

MAX_COUNT = 5000
"""``$count`` stops there (docs page "Count rows")."""

MAX_SIMPLE_PAGING = 50_000
SIMPLE_PAGING_EXCEEDED = "0x8004430A"
TOO_MANY_WITHOUT_COOKIE = "Paging without a paging cookie is limited to 50000 records."
"""OverRetrievalUpperLimitWithoutPagingCookie (docs page "Page results")."""

JSON = "application/json; odata.metadata=minimal"
MORE_RECORDS = ',"@Microsoft.Dynamics.CRM.morerecords":true'
BOM = "\ufeff"


Within = Callable[[Scope], str]
"""Given a scope, the SQL condition of a collection that belongs to one row."""


@dataclass(frozen=True)
class Query:
    """A collection read, compiled.

    Attributes:
        scope: the table and the statement's parameters.
        base: URL of the Web API, ``https://.../api/data/v9.2``.
        path: encoded path of the collection after the base, for next links.
        options: the query string.
        where: SQL condition of the rows asked for.
    """

    scope: Scope
    base: str
    path: str
    options: Options
    preferences: Preferences
    where: str

    @property
    def content_type(self) -> str:
        """The Content-Type of rows."""
        return f"{JSON};{COMPATIBLE}" if self.preferences.numbers_as_text else JSON


def base_url(request: Request) -> str:
    """URL of the Web API as the caller wrote it, ``https://.../api/data/v9.2``."""
    return request.base_url + "/".join(request.path.split("/")[:4])


def new_scope(environment: Environment, caller: Caller, table: Table, options: Options) -> Scope:
    """A scope for a statement on a table."""
    parameters = Parameters()
    now = environment.clock.now()
    alias = parameters.alias()
    unmasked = (options.get("UnMaskedData") or "").lower() == "true"
    security = ColumnSecurity(environment, caller, unmasked)
    return Scope(environment, caller, table, alias, parameters, now, security, {}, options.aliases)


def read_query(
    environment: Environment, caller: Caller, request: Request, path: str, table: Table,
    within: Within | None = None,
) -> Query:  # fmt: skip
    """Compiles a collection read.

    Args:
        environment: the environment.
        caller: who asks.
        request: the request.
        path: encoded path of the collection.
        table: the collection's table.
        within: limits the collection to what belongs to one row.
    """
    options = read_options(request.query)
    scope = new_scope(environment, caller, table, options)
    conditions = [] if within is None else [within(scope)]
    text = options.get("$filter")
    if text is not None:
        node = parse_filter(text, options.aliases)
        if is_elastic(table):
            refuse_joins(node, table)
        conditions.append(condition(node, scope))
    partition_id = options.get("partitionId")
    if partition_id is not None and is_partitioned(table):
        mark = scope.add(json_text(partition_id))
        conditions.append(f"{wire(scope.alias, table.by_name['partitionid'])} = {mark}")
    where = " AND ".join(conditions) or "1"
    as_text = numbers_as_text(request, environment.switches)
    preferences = replace(read_preferences(request), numbers_as_text=as_text)
    return Query(scope, base_url(request), path, options, preferences, where)


def answer_count(query: Query) -> Response:
    """``/$count``: the number as plain text after a byte order mark."""
    return count_response(_count(query))


def count_response(number: int) -> Response:
    """A number as the body of ``/$count``."""
    headers = {"Content-Type": "text/plain", "OData-Version": "4.0"}
    return Response(200, f"{BOM}{number}".encode(), headers)


def answer_collection(query: Query) -> Response:
    """A page of rows."""
    scope, options, preferences = query.scope, query.options, query.preferences
    switches = scope.environment.switches
    most = most_rows(scope.table)
    size = page_size(preferences, most, switches.page_size_out_of_range)
    # The provider of a virtual table chooses its own pages and ignores $top.
    top = None if scope.table.table_type == "Virtual" else read_top(options)
    if top is not None and preferences.page_size is not None:
        # The docs contradict each other on the two together (switch top_with_page_size).
        if switches.top_with_page_size == "top_ignored":
            top = None
        else:
            size = most
    shape = read_shape(query, size)
    order = read_order(options.get("$orderby"), scope)
    rows = size if top is None else min(top, most)
    _prepare(query, order)
    with scope.environment.store.reading():
        counted = _count(query) if read_count(options) else None
        page = read_page(query, shape, order, rows, top is None)
    return _envelope(query, shape, page, counted, size)


class Printer(Protocol):
    """Prints rows."""

    @property
    def counts_records(self) -> bool:
        """Whether paging cookies say how many rows the page had."""

    def row(self, scope: Scope) -> str:
        """SQL of a row's JSON text."""


@dataclass(frozen=True)
class Shape:
    """What each row prints: its columns and the rows related to it."""

    selection: Selection
    expansions: tuple[Expansion, ...]
    manner: Manner

    @property
    def context(self) -> str:
        """What the context says of the columns, in parentheses."""
        return context_of(self.selection, self.expansions)

    @property
    def counts_records(self) -> bool:
        """Whether paging cookies say how many rows the page had.

        They do in nested form with a collection, and not where all that is expanded is single
        (docs page "Join tables").
        """
        collections = (not isinstance(each.step, Single) for each in self.expansions)
        return self.manner.nested and any(collections)

    def row(self, scope: Scope) -> str:
        """SQL of a row's JSON text."""
        selection = with_references(self.selection, self.expansions)
        text = row_text(scope, selection, self.manner.preferences)
        add_expansions(text, scope, self.expansions, self.manner)
        text.add("}")
        return text.sql


def read_shape(query: Query, size: int, *, single: bool = False) -> Shape:
    """What the rows of a query print, by its ``$select`` and ``$expand``."""
    scope = query.scope
    expansions = read_expand(query.options.get("$expand"), scope.table, scope.schema)
    nested = any(expansion.is_nested for expansion in expansions)
    manner = Manner(query.preferences, query.base, single, nested, size)
    selection = read_select(query.options.get("$select"), scope.table, scope.schema)
    return Shape(selection, expansions, manner)


@dataclass(frozen=True)
class Page:
    """A page of rows: their JSON in UTF-8, and the encoded skiptoken of the next page."""

    rows: list[bytes]
    next_token: str | None


def read_page(query: Query, shape: Printer, order: Order, size: int, pages: bool) -> Page:
    """Reads a page: ``size`` rows from where the ``$skiptoken`` says.

    Args:
        query: the compiled read.
        shape: what each row prints.
        order: the order.
        size: rows of the page.
        pages: whether more pages may follow; False under ``$top``.
    """
    scope = query.scope
    page, where, offset = 1, query.where, ""
    token = query.options.get("$skiptoken")
    if token is not None:
        raw = next(raw for name, raw in query.options.pairs if name == "$skiptoken")
        refuse_expired(scope, raw.partition("=")[2])
        bookmark = read_skiptoken(token, order)
        page = bookmark.page
        if bookmark.last is None:
            if page * size > MAX_SIMPLE_PAGING:
                raise DataverseFault(400, SIMPLE_PAGING_EXCEEDED, TOO_MANY_WITHOUT_COOKIE)
            offset = f" OFFSET {(page - 1) * size}"
        else:
            where = f"{where} AND {order.after(bookmark.last, scope)}"
    shown = ", ".join(term.shown for term in order.terms)
    statement = (
        f"SELECT CAST({shape.row(scope)} AS BLOB), {shown} "  # noqa: S608
        f"FROM {scope.rows} "
        f"AS {scope.alias} WHERE {where} ORDER BY {order.sql} LIMIT {size + 1}{offset}"
    )
    with scope.environment.store.reading() as connection:
        found = connection.execute(statement, scope.parameters.values).fetchall()
    rows = [row[0] for row in found[:size]]
    if not pages or len(found) <= size or not rows:
        return Page(rows, None)
    cookie = Cookie(page, found[0][1:], found[size - 1][1:])
    records = size if shape.counts_records else None
    return Page(rows, next_token(scope, order, cookie, token, records))


def _prepare(query: Query, order: Order) -> None:
    """Makes an index for the order, when one can serve it."""
    index = tuple(term.index for term in order.terms if term.index is not None)
    if len(index) == len(order.terms) > 1:
        query.scope.environment.store.ensure_index(query.scope.table.logical_name, index)


def _count(query: Query) -> int:
    scope = query.scope
    statement = (
        f"SELECT count(*) FROM (SELECT 1 FROM {scope.rows} "  # noqa: S608
        f"AS {scope.alias} WHERE {query.where} LIMIT {MAX_COUNT + 1})"
    )
    with scope.environment.store.reading() as connection:
        return int(connection.execute(statement, scope.parameters.values).fetchone()[0])


def _envelope(query: Query, shape: Shape, page: Page, counted: int | None, size: int) -> Response:
    """The answer: context, count, annotations, rows and next link, in Dataverse's order."""
    table = query.scope.table
    context = f"{query.base}/$metadata#{table.entity_set_name}{shape.context}"
    parts = [f'{{"@odata.context":{json_text(context)}']
    if counted is not None:
        quote = '"' if query.preferences.numbers_as_text else ""
        parts.append(f',"@odata.count":{quote}{min(counted, MAX_COUNT)}{quote}')
    parts.append(collection_annotations(query, counted))
    if page.next_token is not None and not gives_links(query):
        parts.append(MORE_RECORDS)
    parts.append(',"value":[')
    head = "".join(parts).encode()
    parts = ["]"]
    if page.next_token is not None and gives_links(query):
        kept = query.options.without("$skiptoken")
        joined = f"{kept}&" if kept else ""
        link = f"{query.base}/{query.path}?{joined}$skiptoken={page.next_token}"
        parts.append(f',"@odata.nextLink":{json_text(link)}')
    parts.append("}")
    headers = {"Content-Type": query.content_type, "OData-Version": "4.0"}
    granted = applied(query.preferences, _granted(query), size)
    if granted:
        headers["Preference-Applied"] = granted
    body = _joined(head, page.rows, "".join(parts).encode())
    return Response(200, body, headers)


def gives_links(query: Query) -> bool:
    """Whether pages have a next link (switch ``next_link``)."""
    return query.scope.environment.switches.next_link == "given"


def _granted(query: Query) -> tuple[str, ...]:
    """The preferences that were applied; not the page size where ``$top`` replaced it."""
    by_top = query.scope.environment.switches.top_with_page_size == "page_size_ignored"
    if by_top and read_top(query.options) is not None:
        return ("odata.include-annotations",)
    return ("odata.maxpagesize", "odata.include-annotations")


def _joined(head: bytes, rows: list[bytes], tail: bytes) -> bytes:
    """The rows with commas between them, in one copy, as pages are large."""
    if not rows:
        return head + tail
    pieces = rows.copy()
    pieces[0] = head + pieces[0]
    pieces[-1] += tail
    return b",".join(pieces)


def collection_annotations(query: Query, counted: int | None) -> str:
    """The annotations of a collection; the count is -1 unless ``$count`` asks for it."""
    preferences, text = query.preferences, ""
    if preferences.wants(TOTAL_RECORD_COUNT):
        shown = -1 if counted is None else min(counted, MAX_COUNT)
        text += f',"@{TOTAL_RECORD_COUNT}":{shown}'
    if preferences.wants(TOTAL_RECORD_COUNT_EXCEEDED):
        exceeded = "true" if counted is not None and counted > MAX_COUNT else "false"
        text += f',"@{TOTAL_RECORD_COUNT_EXCEEDED}":{exceeded}'
    if preferences.wants(METADATA_VERSION):
        version = query.scope.environment.store.metadata_version
        text += f',"@{METADATA_VERSION}":"{version}"'
    return text
