"""Answers FetchXML reads of a collection: ``GET /accounts?fetchXml=...``."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from dataverse_source.sandbox.http.messages import Response
from dataverse_source.sandbox.query.collection.query import (
    MAX_COUNT,
    MAX_SIMPLE_PAGING,
    SIMPLE_PAGING_EXCEEDED,
    Query,
    collection_annotations,
)
from dataverse_source.sandbox.query.fetchxml.aggregates import aggregate_rows
from dataverse_source.sandbox.query.fetchxml.columns import (
    CURRENT_ENTITY_FIELD,
    Output,
    context_columns,
    read_outputs,
    row_sql,
)
from dataverse_source.sandbox.query.fetchxml.joins import Joins, open_joins, table_named
from dataverse_source.sandbox.query.fetchxml.members import read_members
from dataverse_source.sandbox.query.fetchxml.orders import read_order
from dataverse_source.sandbox.query.fetchxml.parser import (
    Fetch,
    all_links,
    not_there,
    parse_fetch,
    refused,
)
from dataverse_source.sandbox.query.filter.elastic import is_elastic, refuse_links
from dataverse_source.sandbox.query.filter.scope import Scope
from dataverse_source.sandbox.query.page.orders import Order
from dataverse_source.sandbox.query.page.paging import (
    Cookie,
    cookie_element,
    cookie_xml,
    read_cookie,
)
from dataverse_source.sandbox.query.syntax.odata import bad_query
from dataverse_source.sandbox.query.syntax.options import Options, read_count
from dataverse_source.sandbox.query.syntax.preferences import (
    MAX_PAGE_SIZE,
    Preferences,
    applied,
    most_rows,
)
from dataverse_source.sandbox.store.layout import key
from dataverse_source.sandbox.store.values import SqlValue, json_text
from dataverse_source.sandbox.switches import Switches

PAGING_COOKIE = "Microsoft.Dynamics.CRM.fetchxmlpagingcookie"
MORE_RECORDS = "Microsoft.Dynamics.CRM.morerecords"

PAGE_TOO_LARGE = "0x80044305"
"""A page of more rows than a page can have (error code list)."""

NO_ORDER = Order((), has_cookie=False)
BESIDE = frozenset({"fetchXml", "savedQuery", "userQuery", "$count"})
"""Options that may stand in one query string with FetchXML."""


@dataclass(frozen=True)
class Page:
    """A page of rows: their JSON texts, whether more follow, and the cookie if it has one."""

    rows: list[bytes]
    more: bool
    cookie: Cookie | None = None


@dataclass(frozen=True)
class Reading:
    """A FetchXML query, compiled.

    Attributes:
        query: the collection that it was asked of.
        fetch: what was asked.
        joins: its tables.
        counted: the total number of rows is asked for.
    """

    query: Query
    fetch: Fetch
    joins: Joins
    counted: bool

    @property
    def scope(self) -> Scope:
        """The scope of the entity."""
        return self.query.scope

    @property
    def preferences(self) -> Preferences:
        """The caller's wishes."""
        return self.query.preferences

    @property
    def switches(self) -> Switches:
        """The environment's switches."""
        return self.scope.environment.switches

    @property
    def page(self) -> int:
        """Number of the page, from 1."""
        return self.fetch.page or 1


def answer_fetch(query: Query, text: str) -> Response:
    """A page of what a FetchXML text asks of a collection.

    Raises:
        DataverseFault: the text is wrong, or asks for what the sandbox lacks.
    """
    _refuse_beside(query.options)
    scope, fetch = query.scope, parse_fetch(text)
    if table_named(scope.schema, fetch.entity.name) is not scope.table:
        raise bad_query(
            f"The entity '{fetch.entity.name}' of the FetchXML is not that of the entity set "
            f"'{scope.table.entity_set_name}'."
        )
    if is_elastic(scope.table):
        refuse_links(any(link.kind != "outer" for link in all_links(fetch.entity)))
    if fetch.retained:
        scope = _retained(scope, fetch)
        query = replace(query, scope=scope)
    joins = open_joins(fetch.entity, scope, query.where)
    reading = Reading(query, fetch, joins, fetch.total or read_count(query.options))
    if fetch.aggregate:
        members = read_members(joins)
        rows = aggregate_rows(fetch, joins, members, query.preferences)
        outputs = tuple(member.output for member in members)
        return _envelope(reading, outputs, NO_ORDER, _cut(reading, rows), len(rows))
    outputs, order = read_outputs(joins, distinct=fetch.distinct), read_order(fetch, joins)
    page = _read(reading, outputs, order)
    total = _total(reading, outputs) if reading.counted else 0
    return _envelope(reading, outputs, order, page, total)


def _retained(scope: Scope, fetch: Fetch) -> Scope:
    """The scope of archived rows.

    Docs "Long-term data retention": FetchXML can be used with the Web API; an older copy of the
    page says that there is no way, and an answer seen in public refuses it: switch
    ``retained_data``.
    """
    if scope.environment.switches.retained_data == "refused":
        raise refused("Only live data is supported in web api")
    if fetch.aggregate or any(True for _ in all_links(fetch.entity)):
        raise not_there("link-entity and no aggregate for datasource='retained'")
    is_known = scope.environment.switches.retained_data == "answered"
    return replace(scope, retained=is_known)


def _refuse_beside(options: Options) -> None:
    for name in options.values:
        if name.startswith("$") and name not in BESIDE:
            raise not_there(f"{name} together with FetchXML")


def _size(reading: Reading) -> int:
    """Rows of the page: ``top``, or ``count`` within what a page can have."""
    fetch, scope = reading.fetch, reading.scope
    most = most_rows(scope.table)
    # The provider of a virtual table chooses its own pages and ignores top.
    if fetch.top is not None and scope.table.table_type != "Virtual":
        if fetch.top > MAX_PAGE_SIZE:
            raise refused(f"The value of top can't exceed {MAX_PAGE_SIZE}.", PAGE_TOO_LARGE)
        return fetch.top
    if fetch.count is None:
        return most
    if fetch.count > most and reading.switches.page_size_out_of_range == "refused":
        raise refused(f"The page size can't exceed {most}.", PAGE_TOO_LARGE)
    return min(fetch.count, most)


def _offset(reading: Reading, size: int) -> int:
    """Rows before a page that is asked for by its number alone.

    Raises:
        DataverseFault: it is beyond the rows that can be had without a cookie.
    """
    before = (reading.page - 1) * size
    if before + size > MAX_SIMPLE_PAGING:
        message = "Paging cookie is required when trying to retrieve a set of records on any high "
        raise refused(f"{message}pages.", SIMPLE_PAGING_EXCEEDED)
    return before


def _cut(reading: Reading, rows: list[bytes]) -> Page:
    """The page of an aggregate query."""
    size = _size(reading)
    before = 0 if reading.fetch.top is not None else _offset(reading, size)
    more = reading.fetch.top is None and len(rows) > before + size
    return Page(rows[before : before + size], more)


def _read(reading: Reading, outputs: tuple[Output, ...], order: Order) -> Page:
    """The page of a query for rows."""
    fetch, joins = reading.fetch, reading.joins
    size, offset = _size(reading), 0
    last: tuple[SqlValue, ...] | None = None
    if fetch.cookie is not None and order.has_cookie:
        last = read_cookie(fetch.cookie, order)
    elif fetch.top is None:
        offset = _offset(reading, size)
    page = read_rows(joins, outputs, order, fetch, reading.preferences, size, last, offset)
    return replace(
        page, more=page.more and fetch.top is None, cookie=_numbered(reading, page, last)
    )


def _numbered(reading: Reading, page: Page, last: tuple[SqlValue, ...] | None) -> Cookie | None:
    """The cookie of a page, under its number."""
    if page.cookie is None:
        return None
    end = page.cookie.last
    if reading.switches.stuck_cookie == "any" and last is not None:
        end = last
    return replace(page.cookie, page=reading.page, last=end)


def read_rows(
    joins: Joins,
    outputs: tuple[Output, ...],
    order: Order,
    fetch: Fetch,
    preferences: Preferences,
    size: int,
    last: tuple[SqlValue, ...] | None,
    offset: int,
) -> Page:
    """A page of the rows of a query.

    Args:
        joins: its tables.
        outputs: the members of a row.
        order: the order.
        fetch: says whether rows are distinct.
        preferences: the caller's wishes.
        size: the most rows of the page.
        last: sort keys of the row before the page, None for the first page or without a cookie.
        offset: rows before the page, where there is no cookie.
    """
    scope = joins.root.scope
    where = joins.where if last is None else f"{joins.where} AND {order.after(last, scope)}"
    index = tuple(term.index for term in order.terms if term.index is not None)
    if order.has_cookie and len(index) == len(order.terms) > 1:
        scope.environment.store.ensure_index(scope.table.logical_name, index)
    text = row_sql(outputs, preferences, None if fetch.distinct else scope)
    shown = "".join(f", {term.shown}" for term in order.terms)
    grouped = f" GROUP BY {_identity(outputs, order)}" if fetch.distinct else ""
    ordered = f" ORDER BY {order.sql}" if order.terms else ""
    statement = (
        f"SELECT CAST({text} AS BLOB){shown} FROM {joins.from_sql} WHERE {where}{grouped}{ordered} "  # noqa: S608
        f"LIMIT {size + 1} OFFSET {offset}"
    )
    with scope.environment.store.reading() as connection:
        found = connection.execute(statement, scope.parameters.values).fetchall()
    rows = [row[0] for row in found[:size]]
    if not rows:
        return Page(rows, False)
    cookie = Cookie(1, found[0][1:], found[len(rows) - 1][1:])
    return Page(rows, len(found) > size, cookie)


def _identity(outputs: tuple[Output, ...], order: Order) -> str:
    """SQL of what makes rows of a distinct query different: the columns as they compare."""
    columns = (key(output.scope.alias, output.column) for output in outputs)
    return ", ".join((*columns, *(term.sql for term in order.terms)))


def _total(reading: Reading, outputs: tuple[Output, ...]) -> int:
    """The number of rows, one more than the most that is told when there are more."""
    joins, scope = reading.joins, reading.scope
    grouped = f" GROUP BY {_identity(outputs, NO_ORDER)}" if reading.fetch.distinct else ""
    statement = (
        f"SELECT count(*) FROM (SELECT 1 FROM {joins.from_sql} WHERE {joins.where}{grouped} "  # noqa: S608
        f"LIMIT {MAX_COUNT + 1})"
    )
    with scope.environment.store.reading() as connection:
        return int(connection.execute(statement, scope.parameters.values).fetchone()[0])


def _envelope(
    reading: Reading, outputs: tuple[Output, ...], order: Order, page: Page, total: int
) -> Response:
    """The answer: context, count, annotations and rows, in Dataverse's order."""
    query = reading.query
    printed = json.loads(page.rows[0]) if page.rows else ()
    columns = context_columns(outputs, printed)
    context = f"{query.base}/$metadata#{query.scope.table.entity_set_name}({columns})"
    parts = [f'{{"@odata.context":{json_text(context)}']
    counted = total if reading.counted else None
    if counted is not None:
        quote = '"' if query.preferences.numbers_as_text else ""
        parts.append(f',"@odata.count":{quote}{min(counted, MAX_COUNT)}{quote}')
    parts.append(collection_annotations(query, counted))
    paging = _paging(reading, order, page)
    parts += [paging, _current_fields(reading, outputs), ',"value":[']
    body = b"".join(("".join(parts).encode(), b",".join(page.rows), b"]}"))
    headers = {"Content-Type": query.content_type, "OData-Version": "4.0"}
    granted = applied(reading.preferences, ("odata.include-annotations",))
    only_paging = set(reading.preferences.annotations) <= {PAGING_COOKIE, MORE_RECORDS}
    if granted and (paging or not only_paging):
        headers["Preference-Applied"] = granted
    return Response(200, body, headers)


def _paging(reading: Reading, order: Order, page: Page) -> str:
    """The annotations that tell of more pages.

    The docs print none of them on the last page, a recorded answer has them there as well
    (switch ``last_fetchxml_page``).
    """
    if not page.more and reading.switches.last_fetchxml_page == "absent":
        return ""
    text = ""
    if reading.preferences.wants(PAGING_COOKIE):
        number = reading.page + 1 if page.more else reading.page
        inner = cookie_xml(page.cookie, order) if page.cookie and order.has_cookie else None
        element = cookie_element(number, inner)
        text += f',"@{PAGING_COOKIE}":{json_text(element)}'
    if reading.preferences.wants(MORE_RECORDS):
        text += f',"@{MORE_RECORDS}":{"true" if page.more else "false"}'
    return text


def _current_fields(reading: Reading, outputs: tuple[Output, ...]) -> str:
    """The key column of each link that columns are returned of, as recorded answers tell it."""
    text = ""
    for joined in reading.joins.links:
        name = f"{joined.alias}.{CURRENT_ENTITY_FIELD}"
        returned = any(output.scope is joined.scope for output in outputs)
        if returned and reading.preferences.wants(CURRENT_ENTITY_FIELD):
            text += f",{json_text(f'@{name}')}:{json_text(joined.scope.table.primary_id)}"
    return text
