"""Answers reads of one row, of one of its columns, and of references to rows."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from typing import Any

from dataverse_source.sandbox.environment.access_rules import no_access_to_row
from dataverse_source.sandbox.environment.row_access import is_visible
from dataverse_source.sandbox.http.messages import DataverseFault, Request, Response
from dataverse_source.sandbox.query.collection.query import JSON, Query, read_page, read_shape
from dataverse_source.sandbox.query.filter.keys import no_such_row
from dataverse_source.sandbox.query.filter.scope import Scope
from dataverse_source.sandbox.query.page.orders import read_order
from dataverse_source.sandbox.query.rows.rows import Text
from dataverse_source.sandbox.query.syntax.preferences import MAX_PAGE_SIZE, applied, page_size
from dataverse_source.sandbox.schema.tables import Column, Table
from dataverse_source.sandbox.store.layout import quote, wire
from dataverse_source.sandbox.store.values import json_text
from dataverse_source.sandbox.store.versions import etag_sql

_WEAK_TAG = re.compile(r'\s*W/"([^"]*)"\s*')


def of_key(query: Query, key: str) -> Query:
    """The query, for the row with this key only."""
    scope = replace(query.scope, security=replace(query.scope.security, single=True, _cache={}))
    query = replace(query, scope=scope)
    table, alias = scope.table, scope.alias
    mark = query.scope.add(json_text(key))
    own = f"{alias}.{quote(table.primary_id)} = {mark}"
    return replace(query, where=own if query.where == "1" else f"{own} AND {query.where}")


def answer_row(query: Query, request: Request, key: str) -> Response:
    """One row; 304 when it is still the one that ``If-None-Match`` names.

    Raises:
        DataverseFault: 404 when there is no such row.
    """
    table, preferences = query.scope.table, query.preferences
    size = page_size(preferences, MAX_PAGE_SIZE, "clamp")
    shape = read_shape(query, size, single=True)
    version = table.by_wire_name.get("versionnumber")
    shown = etag_sql(table, wire(query.scope.alias, version)) if version else "NULL"
    one = of_key(query, key)
    found = _one(one, f"{shape.row(one.scope)}, {shown}")
    if found is None:
        raise _not_found(query, key)
    if _is_unchanged(query, request, found[1]):
        # With the type of the body that is left out (docs page "Perform conditional operations").
        named = {"Content-Type": JSON, "OData-Version": "4.0", "ETag": f'W/"{found[1]}"'}
        return Response(304, b"", named)
    context = f"{query.base}/$metadata#{table.entity_set_name}{shape.context}/$entity"
    body = f'{{"@odata.context":{json_text(context)},{found[0][1:]}'
    headers = {"Content-Type": query.content_type, "OData-Version": "4.0"}
    if found[1] is not None:
        headers["ETag"] = f'W/"{found[1]}"'
    # The page size is that of expanded collections, and named even where there are none.
    granted = applied(preferences, ("odata.maxpagesize", "odata.include-annotations"), size)
    if granted:
        headers["Preference-Applied"] = granted
    return Response(200, body.encode(), headers)


def _is_unchanged(query: Query, request: Request, version: Any) -> bool:
    """Whether the caller has the row already.

    Never with ``$expand``, with annotations, or for a table without optimistic concurrency
    (docs page "Perform conditional operations using the Web API").
    """
    match = _WEAK_TAG.fullmatch(request.headers.get("if-none-match", ""))
    if match is None or query.options.get("$expand") or query.preferences.annotations:
        return False
    return query.scope.table.optimistic_concurrency and match[1] == str(version)


def answer_property(query: Query, key: str, column: Column) -> Response:
    """One column's value; 204 when it is null.

    Raises:
        DataverseFault: 404 when there is no such row.
    """
    value = _value(query, key, column)
    if value is None:
        return Response(204, b"", {"OData-Version": "4.0"})
    table = query.scope.table
    context = f"{query.base}/$metadata#{table.entity_set_name}({key})/{column.wire_name}"
    body = f'{{"@odata.context":{json_text(context)},"value":{value}}}'
    return Response(200, body.encode(), {"Content-Type": JSON, "OData-Version": "4.0"})


def answer_raw_value(query: Query, key: str, column: Column) -> Response:
    """One column's value as it is (``/$value``): text, or the bytes of an image.

    Raises:
        DataverseFault: 404 when there is no such row.
    """
    value = _value(query, key, column)
    if value is None:
        return Response(204, b"", {"OData-Version": "4.0"})
    text = json.loads(value) if value.startswith('"') else value
    if column.type == "Image":
        headers = {"Content-Type": "application/octet-stream", "OData-Version": "4.0"}
        return Response(200, base64.b64decode(text), headers)
    return Response(200, text.encode(), {"Content-Type": "text/plain", "OData-Version": "4.0"})


def answer_reference(query: Query, table: Table, key: str) -> Response:
    """The URL of one related row (``/$ref``)."""
    body = {
        "@odata.context": f"{query.base}/$metadata#$ref",
        "@odata.id": f"{query.base}/{table.entity_set_name}({key})",
    }
    return Response(200, json.dumps(body).encode(), {"Content-Type": JSON, "OData-Version": "4.0"})


def answer_references(query: Query) -> Response:
    """The URLs of a collection's rows (``/$ref``)."""
    size = page_size(query.preferences, MAX_PAGE_SIZE, "clamp")
    order = read_order(query.options.get("$orderby"), query.scope)
    page = read_page(query, _References(query.base), order, size, pages=True)
    context = json_text(f"{query.base}/$metadata#Collection($ref)").encode()
    link = b""
    if page.next_token is not None:
        joined = query.options.without("$skiptoken")
        url = f"{query.base}/{query.path}?{joined}{'&' if joined else ''}"
        link = f',"@odata.nextLink":{json_text(url + "$skiptoken=" + page.next_token)}'.encode()
    body = b'{"@odata.context":%s,"value":[%s]%s}' % (context, b",".join(page.rows), link)
    return Response(200, body, {"Content-Type": JSON, "OData-Version": "4.0"})


class _References:
    """Prints a row as its URL."""

    counts_records = False

    def __init__(self, base: str) -> None:
        self._base = base

    def row(self, scope: Scope) -> str:
        """SQL of ``{"@odata.id": ...}``."""
        text = Text()
        text.add(f'{{"@odata.id":"{self._base}/{scope.table.entity_set_name}(')
        text.gap(f"trim({wire(scope.alias, scope.table.by_name[scope.table.primary_id])}, '\"')")
        text.add(')"}')
        return text.sql


def _value(query: Query, key: str, column: Column) -> str | None:
    """A column's JSON text, None when it is null or hidden by column security."""
    one = of_key(query, key)
    found = _one(one, one.scope.wire(column))
    if found is None:
        raise _not_found(query, key)
    return None if found[0] is None else str(found[0])


def _not_found(query: Query, key: str) -> DataverseFault:
    """The fault for a row that is not there, or that the caller does not see."""
    environment, caller, table = query.scope.environment, query.scope.caller, query.scope.table
    is_there = environment.store.row(table.logical_name, key) is not None
    if is_there and not is_visible(environment, caller, table, key):
        return no_access_to_row(environment, caller, table)
    return no_such_row(table, key)


def _one(query: Query, shown: str) -> tuple[Any, ...] | None:
    scope = query.scope
    statement = (
        f"SELECT {shown} FROM {scope.rows} AS {scope.alias} "  # noqa: S608
        f"WHERE {query.where}"
    )
    with scope.environment.store.reading() as connection:
        found: tuple[Any, ...] | None = connection.execute(
            statement, scope.parameters.values
        ).fetchone()
    return found
