"""Compiles FetchXML filters to SQL, through the same conditions that ``$filter`` compiles to."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Protocol

from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.query.fetchxml.parser import (
    BAD_CONDITION,
    NO_ATTRIBUTE,
    Condition,
    Filter,
    Link,
    not_there,
    refused,
)
from dataverse_source.sandbox.query.filter.comparisons import edm_type, matches, place
from dataverse_source.sandbox.query.filter.conditions import condition
from dataverse_source.sandbox.query.filter.patterns import glob_of, like_pattern
from dataverse_source.sandbox.query.filter.relationships import navigation_of
from dataverse_source.sandbox.query.filter.scope import Scope
from dataverse_source.sandbox.query.syntax.odata import Array, Compare, CrmCall, Literal, Node, Path
from dataverse_source.sandbox.schema.tables import LOOKUP_TYPES, Column, Table
from dataverse_source.sandbox.store.values import (
    EXACT_TYPES,
    GUID_TYPES,
    INTEGER_TYPES,
    TEXT_TYPES,
    ValueRefused,
    caseless,
    parse_guid,
    parse_moment,
)

COMPARISONS = {"eq": "eq", "ne": "ne", "neq": "ne", "gt": "gt", "ge": "ge", "lt": "lt", "le": "le"}
TEXT_OPERATORS = {
    "like": "like",
    "begins-with": "startswith",
    "ends-with": "endswith",
    "not-like": "like",
    "not-begin-with": "startswith",
    "not-end-with": "endswith",
}
LIST_OPERATORS = {
    "in": "In",
    "not-in": "NotIn",
    "between": "Between",
    "not-between": "NotBetween",
    "contain-values": "ContainValues",
    "not-contain-values": "DoesNotContainValues",
}
TWO_VALUES = frozenset(
    {
        "in-fiscal-period-and-year",
        "in-or-after-fiscal-period-and-year",
        "in-or-before-fiscal-period-and-year",
    }
)
NO_VALUE = frozenset(
    {"today", "yesterday", "tomorrow", "eq-userlanguage"}
    | {
        f"{which}-{what}"
        for which in ("this", "last", "next")
        for what in ("week", "month", "year")
    }
    | {
        f"{which}-fiscal-{what}"
        for which in ("this", "last", "next")
        for what in ("period", "year")
    }
    | {"last-seven-days", "next-seven-days"}
    | {"eq-userid", "ne-userid", "eq-businessid", "ne-businessid"}
    | {"eq-userteams", "eq-useroruserteams"}
    | {"eq-useroruserhierarchy", "eq-useroruserhierarchyandteams"}
)
UNITS = ("hours", "days", "weeks", "months", "years", "fiscal-periods", "fiscal-years")
ONE_VALUE = frozenset(
    {"on", "on-or-before", "on-or-after", "in-fiscal-period", "in-fiscal-year"}
    | {f"{which}-x-{unit}" for which in ("last", "next") for unit in UNITS}
    | {f"olderthan-x-{unit}" for unit in ("minutes", *UNITS[:5])}
    | {"above", "eq-or-above", "under", "eq-or-under", "not-under"}
)
IRREGULAR_NAMES = {
    "last-seven-days": "Last7Days",
    "next-seven-days": "Next7Days",
    "eq-userid": "EqualUserId",
    "ne-userid": "NotEqualUserId",
    "eq-businessid": "EqualBusinessId",
    "ne-businessid": "NotEqualBusinessId",
    "eq-userlanguage": "EqualUserLanguage",
    "eq-userteams": "EqualUserTeams",
    "eq-useroruserteams": "EqualUserOrUserTeams",
    "eq-useroruserhierarchy": "EqualUserOrUserHierarchy",
    "eq-useroruserhierarchyandteams": "EqualUserOrUserHierarchyAndTeams",
    "eq-or-above": "AboveOrEqual",
    "eq-or-under": "UnderOrEqual",
}
"""Operators (docs page "condition operator values") and the query functions they equal, where
the name of one does not follow from the other."""

NET_TYPES = {
    "Edm.Guid": ("System.Guid", "Guid should contain 32 digits with 4 dashes"),
    "Edm.Int32": ("System.Int32", "Input string was not in a correct format."),
    "Edm.Int64": ("System.Int64", "Input string was not in a correct format."),
    "Edm.Decimal": ("System.Decimal", "Input string was not in a correct format."),
    "Edm.Double": ("System.Double", "Input string was not in a correct format."),
    "Edm.Boolean": ("System.Boolean", "String was not recognized as a valid Boolean."),
}
BOOLEANS = {"1": True, "true": True, "0": False, "false": False}


class Sources(Protocol):
    """What a condition needs to know of the tables around it."""

    def scope_of(self, alias: str) -> Scope:
        """The scope that an ``entityname`` means."""

    def filter_link(self, link: Link, here: Scope) -> str:
        """SQL of a link that stands within a filter."""


def filter_sql(item: Filter | Condition | Link, here: Scope, sources: Sources) -> str:
    """SQL of a filter, true or false and never null.

    Raises:
        DataverseFault: a column, an operator or a value in it is wrong or not supported.
    """
    if isinstance(item, Condition):
        scope = here if item.entity is None else sources.scope_of(item.entity)
        return _condition(item, scope, sources)
    if isinstance(item, Link):
        return sources.filter_link(item, here)
    if not item.items:
        return "1"
    joined = f" {item.kind.upper()} ".join(filter_sql(part, here, sources) for part in item.items)
    return f"({joined})"


def column_named(table: Table, name: str) -> Column:
    """A column by its logical name.

    Raises:
        DataverseFault: the table has none, or rows hold no value for it.
    """
    column = table.by_name.get(name)
    if column is None or not column.readable:
        raise no_such_attribute(table, name)
    if column.wire_name not in table.by_wire_name:
        raise not_there(f"FetchXML on the column '{name}' of '{table.logical_name}'")
    return column


def no_such_attribute(table: Table, name: str) -> DataverseFault:
    """The fault for a name that is no column."""
    return refused(
        f"'{table.logical_name}' entity doesn't contain attribute with Name = '{name}' and "
        "NameMapping = 'Logical'.",
        NO_ATTRIBUTE,
    )


def _condition(item: Condition, scope: Scope, sources: Sources) -> str:
    path = _path(scope, item.attribute)
    found = place(path, scope)
    operator = item.operator
    if operator in ("null", "not-null"):
        sign = "eq" if operator == "null" else "ne"
        return condition(Compare(sign, path, Literal(None, "null")), scope)
    if item.value_of is not None:
        return _column_comparison(item, path, scope, sources)
    if operator in COMPARISONS:
        value = literal_of(scope.table, found.column, _values(item, 1)[0])
        return condition(Compare(COMPARISONS[operator], path, value), scope)
    if operator in TEXT_OPERATORS:
        return _text_condition(item, path, scope)
    return condition(_call(item, path, scope.table, found.column), scope)


def _path(scope: Scope, name: str) -> Path:
    """The path to a column; ``<lookup>name`` leads to the name of the row it points at."""
    table = scope.table
    column = table.by_name.get(name)
    pointer = table.by_name.get(column.attribute_of or "") if column else None
    if pointer is not None and pointer.type in LOOKUP_TYPES and name == f"{pointer.name}name":
        target = scope.schema.by_logical_name.get(pointer.targets[0]) if pointer.targets else None
        if len(pointer.targets) == 1 and target is not None and target.primary_name is not None:
            step = navigation_of(scope.schema, table, pointer, target.logical_name)
            if step is not None:
                return Path((step, target.primary_name))
    return Path((column_named(table, name).wire_name,))


def _values(item: Condition, wanted: int) -> tuple[str, ...]:
    if len(item.values) != wanted:
        raise refused(
            f"The condition on '{item.attribute}' with the operator '{item.operator}' takes "
            f"{wanted} value(s), not {len(item.values)}.",
            BAD_CONDITION,
        )
    return item.values


def _column_comparison(item: Condition, path: Path, scope: Scope, sources: Sources) -> str:
    """``valueof``: another column of the same row, or ``alias.column`` of a linked one."""
    if item.operator not in COMPARISONS:
        raise refused(f"The operator '{item.operator}' can't compare columns.", BAD_CONDITION)
    alias, _, name = (item.value_of or "").rpartition(".")
    other = sources.scope_of(alias) if alias else scope
    right = Path(("other", column_named(other.table, name).wire_name))
    comparison = Compare(COMPARISONS[item.operator], path, right)
    return condition(comparison, replace(scope, variables={"other": other}))


def _text_condition(item: Condition, path: Path, scope: Scope) -> str:
    """``like`` and its kin, with SQL's wildcards; the negative ones are true of null as well."""
    found = place(path, scope)
    if found.column.type not in TEXT_TYPES:
        raise refused(
            f"The operator '{item.operator}' is not valid for the column '{item.attribute}' of "
            f"type {found.column.type}.",
            BAD_CONDITION,
        )
    text, function = caseless(_values(item, 1)[0]), TEXT_OPERATORS[item.operator]
    pattern = like_pattern(text) if function == "like" else glob_of(text, function)
    same = matches(found, pattern)
    return f"(NOT {same})" if item.operator.startswith("not-") else same


def _call(item: Condition, path: Path, table: Table, column: Column) -> Node:
    """The query function that an operator equals."""
    operator = item.operator
    arguments: dict[str, Node] = {"PropertyName": Literal("/".join(path.segments), "text")}
    if operator in LIST_OPERATORS:
        if not item.values or ("between" in operator and len(item.values) != 2):
            raise refused(
                f"The operator '{operator}' of the condition on '{item.attribute}' does not take "
                f"{len(item.values)} value(s).",
                BAD_CONDITION,
            )
        if column.type != "MultiSelectPicklist":
            for text in item.values:
                literal_of(table, column, text)
        arguments["PropertyValues"] = Array(item.values)
        return CrmCall(LIST_OPERATORS[operator], arguments)
    if operator in TWO_VALUES:
        first, second = _values(item, 2)
        arguments["PropertyValue1"] = Literal(first, "text")
        arguments["PropertyValue2"] = Literal(second, "text")
    elif operator in ONE_VALUE:
        arguments["PropertyValue"] = Literal(_values(item, 1)[0], "text")
    elif operator not in NO_VALUE:
        raise refused(f"The operator '{operator}' is not known.", BAD_CONDITION)
    name = IRREGULAR_NAMES.get(operator) or "".join(
        part.capitalize() for part in operator.replace("olderthan", "older-than").split("-")
    )
    return CrmCall(name, arguments)


def literal_of(table: Table, column: Column, text: str) -> Literal:
    """The constant that a value's text means for a column.

    Raises:
        DataverseFault: it is no value of the column's type.
    """
    try:
        if column.type in GUID_TYPES:
            return Literal(parse_guid(text), "guid")
        if column.type == "Boolean":
            return Literal(BOOLEANS[text.strip().lower()], "boolean")
        if column.type == "DateTime":
            return Literal(parse_moment(text), "moment")
        if column.type in INTEGER_TYPES:
            return Literal(Decimal(int(text)), "number")
        if column.type in EXACT_TYPES or column.type == "Double":
            number = Decimal(text.strip())
            if number.is_finite():
                return Literal(number, "number")
            raise ValueRefused(text)
    except (ValueError, KeyError, InvalidOperation):
        raise _cannot_convert(table, column, text) from None
    return Literal(text, "text")


def _cannot_convert(table: Table, column: Column, text: str) -> DataverseFault:
    wanted, why = NET_TYPES.get(
        edm_type(column), ("System.DateTime", "String was not recognized as a valid DateTime.")
    )
    return refused(
        "An exception System.FormatException was thrown while trying to convert input value "
        f"'{text}' to attribute '{table.logical_name}.{column.name}'. Expected type of attribute "
        f"value: {wanted}. Exception raised: {why}"
    )
