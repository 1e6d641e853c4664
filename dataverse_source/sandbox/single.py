"""Answers reads of one row: ``GET /accounts(<key>)``."""

from __future__ import annotations

from dataverse_source.sandbox.environment import Caller, Environment
from dataverse_source.sandbox.layout import quote, sql_table
from dataverse_source.sandbox.messages import DataverseFault, Request, Response
from dataverse_source.sandbox.odata import bad_query
from dataverse_source.sandbox.options import read_options
from dataverse_source.sandbox.preferences import applied, read_preferences
from dataverse_source.sandbox.query import JSON, base_url, new_scope
from dataverse_source.sandbox.rows import read_select, row_text
from dataverse_source.sandbox.tables import Table
from dataverse_source.sandbox.values import ValueRefused, json_text, parse_guid

ROW_NOT_FOUND = "0x80040217"
"""ObjectDoesNotExist (docs page "Web service error codes")."""


def no_such_row(table: Table, key: str) -> DataverseFault:
    """The fault for a key that no row has."""
    message = f"{table.logical_name} With Id = {key} Does Not Exist"
    return DataverseFault(404, ROW_NOT_FOUND, message)


def read_key(table: Table, text: str) -> str:
    """The GUID that a key in parentheses stands for.

    Raises:
        DataverseFault: it is none, or names no row.
    """
    name, equals, value = text.partition("=")
    if equals and name.strip() == table.primary_id:
        text = value
    try:
        return parse_guid(text.strip().strip("'"))
    except ValueRefused:
        raise bad_query(f"The key value '{text}' is not a GUID.") from None


def answer_row(
    environment: Environment, caller: Caller, request: Request, table: Table, key: str
) -> Response:
    """One row.

    Raises:
        DataverseFault: 404 when there is no such row.
    """
    options, preferences = read_options(request.query), read_preferences(request)
    scope = new_scope(environment, caller, table, options)
    selection = read_select(options.get("$select"), table, scope.schema)
    text = row_text(scope, selection, preferences)
    text.add("}")
    mark = scope.add(json_text(key))
    statement = (
        f"SELECT {text.sql} FROM {sql_table(table.logical_name)} AS {scope.alias} "  # noqa: S608
        f"WHERE {scope.alias}.{quote(table.primary_id)} = {mark}"
    )
    with environment.store.reading() as connection:
        found = connection.execute(statement, scope.parameters.values).fetchone()
    if found is None:
        raise no_such_row(table, key)
    listed = f"({','.join(selection.asked)})" if selection.asked else ""
    context = f"{base_url(request)}/$metadata#{table.entity_set_name}{listed}/$entity"
    body = f'{{"@odata.context":{json_text(context)},{found[0][1:]}'
    headers = {"Content-Type": JSON, "OData-Version": "4.0"}
    granted = applied(preferences, ("odata.include-annotations",))
    if granted:
        headers["Preference-Applied"] = granted
    return Response(200, body.encode(), headers)
