"""Compiles comparisons of columns with constants and with columns to SQL."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.query.filter.moments import compare_moment
from dataverse_source.sandbox.query.filter.relationships import (
    Single,
    join_condition,
    navigation,
)
from dataverse_source.sandbox.query.filter.scope import Scope, column_of, unknown_property
from dataverse_source.sandbox.query.syntax.odata import Literal, Path, bad_query
from dataverse_source.sandbox.schema.tables import LOOKUP_TYPES, Column
from dataverse_source.sandbox.store.layout import key, wire
from dataverse_source.sandbox.store.values import (
    ACCENTS,
    EXACT_TYPES,
    GUID_TYPES,
    INTEGER_TYPES,
    TEXT_TYPES,
    ValueRefused,
    exact_order,
    fold,
    guid_order,
    json_text,
    parse_guid,
)

SQL_OPERATORS = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
MIRRORED = {"eq": "eq", "ne": "ne", "gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}
OPERATOR_NAMES = {
    "eq": "Equal",
    "ne": "NotEqual",
    "gt": "GreaterThan",
    "ge": "GreaterThanOrEqual",
    "lt": "LessThan",
    "le": "LessThanOrEqual",
}
SECURED = "0x8004F504"
SECURED_TEXT = (
    "The user does not have read permissions to a secured field. The requested operation could "
    "not be completed."
)
"""AttributePermissionReadIsMissing (docs page "Web service error codes")."""

EDM_LITERALS = {
    "text": "Edm.String",
    "guid": "Edm.Guid",
    "moment": "Edm.DateTimeOffset",
    "day": "Edm.Date",
    "boolean": "Edm.Boolean",
}


@dataclass(frozen=True)
class Place:
    """A column reached by a path: its SQL is wrapped in the subqueries that lead to it."""

    column: Column
    scope: Scope
    wrap: Callable[[str], str]

    @property
    def key(self) -> str:
        """SQL of the sort key."""
        return self.wrap(key(self.scope.alias, self.column))

    @property
    def wire(self) -> str:
        """SQL of the wire text."""
        return self.wrap(wire(self.scope.alias, self.column))


def edm_type(column: Column) -> str:
    """The column's type in ``$metadata``."""
    if column.type in GUID_TYPES:
        return "Edm.Guid"
    if column.type in EXACT_TYPES:
        return "Edm.Decimal"
    if column.type == "DateTime":
        return "Edm.Date" if column.date_behavior == "DateOnly" else "Edm.DateTimeOffset"
    names = {"BigInt": "Edm.Int64", "Boolean": "Edm.Boolean", "Double": "Edm.Double"}
    if column.type in INTEGER_TYPES:
        return names.get(column.type, "Edm.Int32")
    return names.get(column.type, "Edm.String")


def balanced(parts: list[str], word: str) -> str:
    """Conditions joined as a tree, so that SQLite's limit on depth is not met."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return f"({balanced(parts[:middle], word)} {word} {balanced(parts[middle:], word)})"


def place(path: Path, scope: Scope) -> Place:
    """The column that a path leads to.

    Raises:
        DataverseFault: a segment of it does not exist.
    """
    first, *rest = path.segments
    if first in scope.variables and rest:
        return place(Path(tuple(rest)), scope.variables[first])
    if not rest:
        column = column_of(scope.table, first)
        if scope.is_hidden(column):
            raise DataverseFault(403, SECURED, SECURED_TEXT)
        return Place(column, scope, lambda sql: sql)
    step = navigation(scope.schema, scope.table, first)
    if step is None:
        raise unknown_property(scope.table, first)
    if not isinstance(step, Single):
        raise bad_query(
            "The parent value for a property access of a property "
            f"'{rest[0]}' is not a single value. Property access can only be applied to a "
            "single value."
        )
    target = step.targets[0]
    alias = scope.parameters.alias()
    related = scope.at(target, alias)
    inner = place(Path(tuple(rest)), related)
    joined = join_condition(scope.alias, step, target, alias)

    def wrap(sql: str) -> str:
        found = inner.wrap(sql)
        return f"(SELECT {found} FROM {related.rows} AS {alias} WHERE {joined})"  # noqa: S608

    return Place(inner.column, inner.scope, wrap)


def compare_literals(left: Literal, right: Literal, sign: str) -> str:
    """Two constants, compared at once; nothing is greater or less than null."""
    if (left.kind == "null" or right.kind == "null") and sign not in ("eq", "ne"):
        return "0"
    try:
        outcome = getattr(operator, sign)(left.value, right.value)
    except TypeError:
        raise _incompatible(_edm(left), _edm(right), sign) from None
    return "1" if outcome else "0"


def compare_columns(left: Place, right: Place, sign: str) -> str:
    """SQL of a comparison of two columns; ``eq`` and ``ne`` know null as a value.

    Raises:
        DataverseFault: their types differ.
    """
    if edm_type(left.column) != edm_type(right.column):
        raise _incompatible(edm_type(left.column), edm_type(right.column), sign)
    if sign == "eq":
        return f"({left.key} IS {right.key})"
    if sign == "ne":
        return f"({left.key} IS NOT {right.key})"
    return f"coalesce({left.key} {SQL_OPERATORS[sign]} {right.key}, 0)"


def compare_value(found: Place, value: Literal, sign: str) -> str:
    """SQL of a comparison of a column with a constant; true or false, never null.

    Raises:
        DataverseFault: the constant is not of the column's type.
    """
    if value.kind == "null":
        if sign == "eq":
            return f"({found.key} IS NULL)"
        return f"({found.key} IS NOT NULL)" if sign == "ne" else "0"
    if found.column.type == "DateTime":
        if value.kind not in ("moment", "day"):
            raise _incompatible(edm_type(found.column), _edm(value), sign)
        return compare_moment(found.key, found.column, value, sign, found.scope)
    if found.column.type in GUID_TYPES and sign not in ("eq", "ne"):
        return _compare_guid_order(found, value, sign)
    key_value = comparable(found.column, value, sign)
    mark = found.scope.add(key_value)
    if sign == "eq":
        return f"coalesce({found.key} = {mark}, 0)"
    if sign == "ne":
        return f"({found.key} IS NOT {mark})"
    return f"coalesce({found.key} {SQL_OPERATORS[sign]} {mark}, 0)"


def _compare_guid_order(found: Place, value: Literal, sign: str) -> str:
    """``gt`` and its kin on a GUID, which no document speaks of (switch guid_comparison)."""
    setting = found.scope.environment.switches.guid_comparison
    if setting == "refused":
        raise _incompatible("Edm.Guid", "Edm.Guid", sign)
    guid = _guid(found.column, value, sign)
    if setting == "text_order":
        return f"coalesce({found.wire} {SQL_OPERATORS[sign]} {found.scope.add(json_text(guid))}, 0)"
    ordered = found.key
    if found.column.type in LOOKUP_TYPES:
        at = found.wire
        parts = ((26, 12), (21, 4), (19, 2), (17, 2), (14, 2), (12, 2), (8, 2), (6, 2), (4, 2), (2, 2))  # fmt: skip # noqa: E501
        ordered = "||".join(f"substr({at}, {start}, {size})" for start, size in parts)
    return f"coalesce(({ordered}) {SQL_OPERATORS[sign]} {found.scope.add(guid_order(guid))}, 0)"


def comparable(column: Column, value: Literal, sign: str = "eq") -> Any:
    """A constant as the column's sort key.

    Raises:
        DataverseFault: a constant of this type can't be compared with the column.
    """
    if column.type in GUID_TYPES:
        guid = _guid(column, value, sign)
        return json_text(guid) if column.type in LOOKUP_TYPES else guid_order(guid)
    if column.type in TEXT_TYPES and value.kind == "text":
        return fold(value.value)
    if column.type in ("MultiSelectPicklist", "Image") and value.kind == "text":
        return json_text(value.value)
    if column.type == "Boolean" and value.kind == "boolean":
        return "true" if value.value else "false"
    if value.kind == "number" and isinstance(value.value, Decimal):
        if column.type in EXACT_TYPES:
            return exact_order(value.value)
        if column.type == "Double":
            return float(value.value)
        if column.type in INTEGER_TYPES:
            whole = int(value.value)
            exact = whole == value.value and -(2**63) <= whole < 2**63
            return whole if exact else float(value.value)
    raise _incompatible(edm_type(column), _edm(value), sign)


def _guid(column: Column, value: Literal, sign: str) -> str:
    """The GUID of a constant; quoted ones are taken as well, as the docs' samples have them."""
    if value.kind in ("guid", "text"):
        try:
            return parse_guid(value.value)
        except ValueRefused:
            pass
    raise _incompatible(edm_type(column), _edm(value), sign)


def _edm(value: Literal) -> str:
    if value.kind == "number":
        return "Edm.Int32" if value.value == value.value.to_integral_value() else "Edm.Decimal"
    return EDM_LITERALS.get(value.kind, "<null>")


def _incompatible(left: str, right: str, sign: str) -> Exception:
    return bad_query(
        "A binary operator with incompatible types was detected. Found operand types "
        f"'{left}' and '{right}' for operator kind '{OPERATOR_NAMES[sign]}'."
    )


def matches(found: Place, pattern: str) -> str:
    """SQL: a text column, without regard to case, matches a GLOB pattern."""
    accented = f"substr({found.key}, instr({found.key}, char({ord(ACCENTS)})) + 1)"
    return f"coalesce({accented} GLOB {found.scope.add(pattern)}, 0)"
