"""The Dataverse query functions, ``Microsoft.Dynamics.CRM.*``, in ``$filter``.

Source: docs page "Web API query function reference". Negative functions are true of nulls as
well, as ``ne`` is.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.query.filter.comparisons import (
    Place,
    balanced,
    compare_value,
    place,
)
from dataverse_source.sandbox.query.filter.date_functions import date_condition, is_date_function
from dataverse_source.sandbox.query.filter.people_functions import (
    HIERARCHY_FUNCTIONS,
    IDENTITY_FUNCTIONS,
    hierarchy_condition,
    identity_condition,
)
from dataverse_source.sandbox.query.filter.scope import Scope, unknown_property
from dataverse_source.sandbox.query.syntax.odata import (
    Array,
    CrmCall,
    Literal,
    Path,
    bad_query,
)
from dataverse_source.sandbox.schema.tables import Column
from dataverse_source.sandbox.store.values import (
    EXACT_TYPES,
    GUID_TYPES,
    INTEGER_TYPES,
    ValueRefused,
    parse_guid,
    parse_moment,
)

ENGLISH = 1033
NEGATIVES = {"NotIn": "In", "NotBetween": "Between", "DoesNotContainValues": "ContainValues"}


def function_condition(call: CrmCall, scope: Scope) -> str:
    """SQL of a query function.

    Args:
        call: the function and its arguments.
        scope: where names are looked up.

    Raises:
        DataverseFault: the function is not known, or its arguments are wrong.
    """
    name = call.name
    if name in NEGATIVES:
        positive = CrmCall(NEGATIVES[name], call.arguments)
        return f"(NOT {function_condition(positive, scope)})"
    found = place(_path(call, scope), scope)
    if name == "EqualUserLanguage":
        return compare_value(found, Literal(Decimal(ENGLISH), "number"), "eq")
    if name == "In":
        return _in(call, found)
    if name == "Between":
        return _between(call, found)
    if name == "ContainValues":
        return _contain_values(call, found)
    if is_date_function(name):
        return date_condition(
            name,
            found.key,
            found.column,
            scope,
            lambda argument: _number(call, argument),
            lambda argument: _text(call, argument),
        )
    if name in IDENTITY_FUNCTIONS:
        return found.wrap(identity_condition(name, found.column, scope, found.scope.alias))
    if name in HIERARCHY_FUNCTIONS:
        guid = _guid(call)
        sql = hierarchy_condition(name, found.column, found.scope, found.scope.alias, guid)
        return found.wrap(sql)
    if name == "Contains":
        # Full-text search of knowledge articles.
        raise DataverseFault(501, "0x8006088a", "The sandbox has no full-text search.")
    raise bad_query(f"An unknown function with name 'Microsoft.Dynamics.CRM.{name}' was found.")


def _path(call: CrmCall, scope: Scope) -> Path:
    """The column named by ``PropertyName``, by its logical name or its name in rows."""
    node = call.arguments.get("PropertyName")
    if isinstance(node, Path):
        segments = node.segments
    elif isinstance(node, Literal) and node.kind == "text":
        segments = tuple(str(node.value).split("/"))
    else:
        raise bad_query(f"The function {call.name} needs a PropertyName.")
    *way, last = segments
    if not way and last not in scope.table.by_wire_name:
        column = scope.table.by_name.get(last)
        if column is None:
            raise unknown_property(scope.table, last)
        last = column.wire_name
    return Path((*way, last))


def _values(call: CrmCall) -> tuple[str, ...]:
    node = call.arguments.get("PropertyValues")
    if not isinstance(node, Array):
        raise bad_query(f"The function {call.name} needs PropertyValues.")
    return node.values


def _in(call: CrmCall, found: Place) -> str:
    wanted = (constant(found.column, text) for text in _values(call))
    parts = [compare_value(found, value, "eq") for value in wanted]
    return balanced(parts, "OR") if parts else "0"


def _between(call: CrmCall, found: Place) -> str:
    values = _values(call)
    if len(values) != 2:
        raise bad_query(f"The function {call.name} needs two PropertyValues.")
    low, high = (constant(found.column, text) for text in values)
    return f"({compare_value(found, low, 'ge')} AND {compare_value(found, high, 'le')})"


def _contain_values(call: CrmCall, found: Place) -> str:
    """Any of the values is among the choices of the column."""
    if found.column.type != "MultiSelectPicklist":
        raise bad_query(
            f"The function {call.name} can't be applied to the column '{found.column.name}'."
        )
    listed = f"(',' || trim({found.wire}, '\"') || ',')"
    parts = [
        f"instr({listed}, {found.scope.add(f',{text.strip()},')}) > 0" for text in _values(call)
    ]
    return f"coalesce({' OR '.join(parts)}, 0)" if parts else "0"


def constant(column: Column, text: str) -> Literal:
    """A value of ``PropertyValues`` as a constant of the column's type.

    Raises:
        DataverseFault: it is none.
    """
    try:
        if column.type in INTEGER_TYPES or column.type in EXACT_TYPES or column.type == "Double":
            return Literal(Decimal(text.strip()), "number")
        if column.type in GUID_TYPES:
            return Literal(parse_guid(text), "guid")
        if column.type == "DateTime":
            return Literal(parse_moment(text), "moment")
        if column.type == "Boolean":
            return Literal({"true": True, "1": True, "false": False, "0": False}[text], "boolean")
    except (ValueRefused, InvalidOperation, KeyError):
        raise bad_query(
            f"The value '{text}' is not valid for the column '{column.name}'."
        ) from None
    return Literal(text, "text")


def _text(call: CrmCall, name: str) -> str:
    node = call.arguments.get(name)
    if not isinstance(node, Literal) or node.value is None:
        raise bad_query(f"The function {call.name} needs a {name}.")
    if node.kind in ("moment", "day"):
        return str(node.value.isoformat())
    return str(node.value)


def _number(call: CrmCall, name: str) -> int:
    text = _text(call, name)
    try:
        return int(text)
    except ValueError:
        raise bad_query(
            f"The value '{text}' of {name} in the function {call.name} is no whole number."
        ) from None


def _guid(call: CrmCall) -> str:
    text = _text(call, "PropertyValue")
    try:
        return parse_guid(text)
    except ValueRefused as error:
        raise bad_query(str(error)) from None
