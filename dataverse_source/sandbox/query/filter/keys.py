"""Finds the row that a key in a URL names: its GUID, or the values of an alternate key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataverse_source.sandbox.environment.environment import Environment
from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.query.filter.comparisons import comparable
from dataverse_source.sandbox.query.syntax.odata import Literal, bad_query, parse_operand
from dataverse_source.sandbox.query.syntax.options import split_top
from dataverse_source.sandbox.schema.tables import Column, Table
from dataverse_source.sandbox.store.layout import key, quote, sql_table
from dataverse_source.sandbox.store.values import ValueRefused, parse_guid

ROW_NOT_FOUND = "0x80040217"
KEY_NOT_FOUND = "0x80060891"
"""ObjectDoesNotExist, and the code for an alternate key without a row (error code list)."""


def no_such_row(table: Table, guid: str) -> DataverseFault:
    """The fault for a GUID that no row has."""
    message = f"{table.logical_name} With Id = {guid} Does Not Exist"
    return DataverseFault(404, ROW_NOT_FOUND, message)


def read_key(
    environment: Environment, table: Table, text: str, aliases: Mapping[str, str] | None = None
) -> str:
    """The GUID of the row that the text in parentheses names.

    Raises:
        DataverseFault: it is no key of the table (400), or names no row (404; a GUID is not
            looked up).
    """
    values = key_values(table, text, aliases)
    if isinstance(values, str):
        return values
    found = find_by_values(environment, table, values)
    if found is None:
        raise no_such_key(table)
    return found


def no_such_key(table: Table) -> DataverseFault:
    """The fault for an alternate key that no row has."""
    return DataverseFault(
        404,
        KEY_NOT_FOUND,
        f"A record with the specified key values does not exist in {table.logical_name} entity",
    )


def key_values(
    table: Table, text: str, aliases: Mapping[str, str] | None = None
) -> str | dict[str, Literal]:
    """What a key says: a GUID, or the values of an alternate key by column name.

    Raises:
        DataverseFault: it is no key of the table.
    """
    parts = [part.partition("=") for part in split_top(text, ",")]
    if len(parts) == 1 and not parts[0][1]:
        return _guid(parts[0][0])
    given = {name.strip(): value for name, _, value in parts}
    if table.primary_id in given and given.keys() <= {table.primary_id, "partitionid"}:
        return _guid(given[table.primary_id])
    values: dict[str, Literal] = {}
    for name, value in given.items():
        column = table.by_wire_name.get(name) or table.by_name.get(name)
        node = parse_operand(value, aliases)
        if column is None or not isinstance(node, Literal):
            raise _no_key(table)
        values[column.name] = node
    if not any(set(known.columns) == values.keys() for known in table.keys):
        raise _no_key(table)
    return values


def find_by_values(
    environment: Environment, table: Table, values: Mapping[str, Literal]
) -> str | None:
    """The GUID of the row with these values, None when there is none."""
    names = [_key_name(table.by_name[name]) for name in values]
    environment.store.ensure_index(table.logical_name, tuple(names))
    where = " AND ".join(f"{quote(name)} = ?" for name in names)
    parameters: list[Any] = [comparable(table.by_name[n], v) for n, v in values.items()]
    statement = (
        f"SELECT {quote(table.primary_id)} FROM {sql_table(table.logical_name)} WHERE {where}"  # noqa: S608
    )
    with environment.store.reading() as connection:
        found = connection.execute(statement, parameters).fetchone()
    return None if found is None else str(found[0])[1:-1]


def _key_name(column: Column) -> str:
    return key("", column).removeprefix(".").strip('"')


def _guid(text: str) -> str:
    try:
        return parse_guid(text.strip().strip("'"))
    except ValueRefused:
        raise bad_query(f"The key value '{text}' is not a GUID.") from None


def _no_key(table: Table) -> DataverseFault:
    return bad_query(
        "The key in the request URI is not valid for resource "
        f"'Microsoft.Dynamics.CRM.{table.logical_name}'. Ensure that the names and number of "
        "key properties match the declared or alternate key properties for the resource "
        f"'Microsoft.Dynamics.CRM.{table.logical_name}'."
    )
