"""Reads the JSON body of a create or update into column values."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import unquote, urlsplit

from dataverse_source.sandbox.environment.environment import Environment
from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.query.filter.keys import no_such_row, read_key
from dataverse_source.sandbox.query.filter.relationships import Associated, Many, Single, navigation
from dataverse_source.sandbox.query.syntax.addresses import read_path
from dataverse_source.sandbox.query.syntax.odata import bad_query
from dataverse_source.sandbox.schema.tables import LOOKUP_TYPES, Column, Table
from dataverse_source.sandbox.store.layout import is_polymorphic
from dataverse_source.sandbox.store.values import INTEGER_TYPES, ValueRefused, encode

BAD_PAYLOAD = "0x80048d19"
TOO_LONG = "0x80044331"
NOT_AN_OPTION = "0x8004431A"
INVALID_ARGUMENT = "0x80040203"
"""Codes of refused bodies; the one for text that is too long is printed in docs page "Execute
batch operations using the Web API", the one for options is PicklistValueOutOfRange."""

BIND = "@odata.bind"
_API_ROOT = re.compile(r"^/?api/data/v9\.\d/")


@dataclass(frozen=True)
class Payload:
    """What a body says of a row.

    Attributes:
        values: by logical column name, lookups as GUIDs with their table beside.
        parents: rows to create first, by the lookup that is to point at them.
        children: rows to create afterwards, by collection.
        links: rows to associate afterwards, by collection.
    """

    values: dict[str, Any]
    parents: list[tuple[Single, dict[str, Any]]] = field(default_factory=list)
    children: list[tuple[Many | Associated, dict[str, Any]]] = field(default_factory=list)
    links: list[tuple[Many | Associated, str]] = field(default_factory=list)


def read_json(body: bytes) -> dict[str, Any]:
    """A JSON object, with exact decimals.

    Raises:
        DataverseFault: it is none.
    """
    try:
        found = json.loads(body, parse_float=Decimal)
    except ValueError as error:
        raise DataverseFault(400, BAD_PAYLOAD, f"Error identified in Payload: {error}") from None
    if not isinstance(found, dict):
        raise DataverseFault(400, BAD_PAYLOAD, "Error identified in Payload: no JSON object.")
    return found


def read_payload(environment: Environment, table: Table, body: dict[str, Any]) -> Payload:
    """What a JSON object says of a row of a table.

    Raises:
        DataverseFault: a property that the table does not have, or a value that does not fit.
    """
    payload = Payload({})
    for name, value in body.items():
        if name.endswith(BIND):
            _bind(environment, table, payload, name[: -len(BIND)], value)
        elif "@" in name:
            continue
        elif name in table.by_wire_name:
            _column(table, payload, table.by_wire_name[name], value)
        else:
            _related(environment, table, payload, name, value)
    return payload


def _column(table: Table, payload: Payload, column: Column, value: Any) -> None:
    if column.type in LOOKUP_TYPES:
        raise bad_query(
            f"CRM do not support direct update of Entity Reference properties, Use Navigation "
            f"properties instead. (property '{column.wire_name}')"
        )
    if not column.writable:
        return  # Dataverse takes no notice of columns that can't be written.
    check_value(table, column, value)
    payload.values[column.name] = value


def check_value(table: Table, column: Column, value: Any) -> None:
    """Refuses a value that a column can't take.

    Raises:
        DataverseFault: wrong type, too long, out of range, or no option of the choice.
    """
    try:
        encode(column, value)
    except ValueRefused as error:
        raise DataverseFault(400, BAD_PAYLOAD, str(error)) from None
    if value is None:
        return
    where = f"the '{column.name}' attribute of the '{table.logical_name}' entity"
    if (
        column.max_length is not None
        and isinstance(value, str)
        and (len(value) > column.max_length)
    ):
        raise DataverseFault(
            400,
            TOO_LONG,
            f"A validation error occurred.  The length of {where} exceeded the maximum allowed "
            f"length of '{column.max_length}'.",
        )
    if column.type in ("Picklist", "State", "Status") and column.options:
        allowed = [option.value for option in column.options]
        if int(value) not in allowed:
            accepted = f" Accepted Values: {','.join(map(str, allowed))}"
            raise _out_of_range(where, NOT_AN_OPTION, accepted)
    elif column.type in (*INTEGER_TYPES, "Decimal", "Money", "Double"):
        low, high = column.min_value, column.max_value
        number = Decimal(str(value))
        below = low is not None and number < Decimal(str(low))
        if below or (high is not None and number > Decimal(str(high))):
            raise _out_of_range(where, INVALID_ARGUMENT)


def _out_of_range(where: str, code: str, more: str = "") -> DataverseFault:
    message = f"A validation error occurred. The value of {where} is outside the valid range.{more}"
    return DataverseFault(400, code, message)


def _bind(environment: Environment, table: Table, payload: Payload, name: str, value: Any) -> None:
    """``primarycontactid@odata.bind``: the URL of a row, or a list of them."""
    step = navigation(environment.schema, table, name)
    if step is None:
        raise invalid_property(table, name)
    if isinstance(step, Single):
        if value is None:
            payload.values[step.column.name] = None
        else:
            target, key = read_reference(environment, str(value), must_exist=True)
            point_at(payload.values, table, step, target, key)
    else:
        for url in value if isinstance(value, list) else [value]:
            _, key = read_reference(environment, str(url), must_exist=True)
            payload.links.append((step, key))


def point_at(values: dict[str, Any], table: Table, step: Single, target: Table, key: str) -> None:
    """Sets a lookup.

    Raises:
        DataverseFault: its navigation property does not lead to that table.
    """
    if target not in step.targets:
        raise bad_query(
            f"The navigation property '{step.name}' of '{table.logical_name}' does not lead to "
            f"'{target.logical_name}'."
        )
    values[step.column.name] = key
    if is_polymorphic(step.column):
        values[f"{step.column.name}@table"] = target.logical_name


def _related(
    environment: Environment, table: Table, payload: Payload, name: str, value: Any
) -> None:
    """Rows to create along with this one, or a lookup to empty."""
    step = navigation(environment.schema, table, name)
    if isinstance(step, Single) and value is None:
        payload.values[step.column.name] = None
    elif isinstance(step, Single) and isinstance(value, dict):
        payload.parents.append((step, value))
    elif step is not None and not isinstance(step, Single) and isinstance(value, list):
        payload.children.extend((step, item) for item in value)
    else:
        raise invalid_property(table, name)


def invalid_property(table: Table, name: str) -> DataverseFault:
    """The fault for a property that a table does not have."""
    return bad_query(
        f"Invalid property '{name}' was found in entity "
        f"'Microsoft.Dynamics.CRM.{table.logical_name}'."
    )


def read_reference(environment: Environment, url: str, *, must_exist: bool) -> tuple[Table, str]:
    """The row that a URL names: ``accounts(<key>)``, relative or absolute.

    Raises:
        DataverseFault: it names no row.
    """
    path = urlsplit(url).path if "://" in url else url
    segments = read_path(_API_ROOT.sub("", path).lstrip("/"))
    table = environment.schema.by_entity_set.get(segments[0].name) if segments else None
    if table is None or len(segments) != 1 or segments[0].inside is None:
        raise bad_query(f"The reference '{unquote(url)}' is not valid.")
    key = read_key(environment, table, segments[0].inside)
    if must_exist and environment.store.row(table.logical_name, key) is None:
        raise no_such_row(table, key)
    return table, key
