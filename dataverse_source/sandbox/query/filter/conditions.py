"""Compiles a ``$filter`` tree to SQL conditions that are true or false, never null."""

from __future__ import annotations

from dataclasses import replace

from dataverse_source.sandbox.query.filter.comparisons import (
    MIRRORED,
    balanced,
    compare_columns,
    compare_literals,
    compare_value,
    edm_type,
    matches,
    place,
)
from dataverse_source.sandbox.query.filter.patterns import glob_of
from dataverse_source.sandbox.query.filter.query_functions import function_condition
from dataverse_source.sandbox.query.filter.relationships import (
    Associated,
    Many,
    children_condition,
    index_of,
    navigation,
)
from dataverse_source.sandbox.query.filter.scope import Scope, unknown_property
from dataverse_source.sandbox.query.syntax.odata import (
    AllOf,
    AnyOf,
    Call,
    Compare,
    CrmCall,
    Lambda,
    Literal,
    Negation,
    Node,
    Path,
    bad_query,
)
from dataverse_source.sandbox.store.values import (
    TEXT_TYPES,
    caseless,
)

TEXT_FUNCTIONS = ("contains", "startswith", "endswith")


def condition(node: Node, scope: Scope) -> str:
    """SQL of a condition.

    Raises:
        DataverseFault: a name, a type or a function in it is wrong or not supported.
    """
    if isinstance(node, AllOf):
        return balanced([condition(item, scope) for item in node.items], "AND")
    if isinstance(node, AnyOf):
        return balanced([condition(item, scope) for item in node.items], "OR")
    if isinstance(node, Negation):
        return f"(NOT {condition(node.item, scope)})"
    if isinstance(node, Compare):
        return _compare(node, scope)
    if isinstance(node, Call):
        return _text_function(node, scope)
    if isinstance(node, CrmCall):
        return function_condition(node, scope)
    if isinstance(node, Lambda):
        return _lambda(node, scope)
    if isinstance(node, Path):
        found = place(node, scope)
        if found.column.type == "Boolean":
            return f"coalesce({found.key} = 'true', 0)"
    if isinstance(node, Literal) and node.kind == "boolean":
        return "1" if node.value else "0"
    raise bad_query("The $filter expression must evaluate to a single boolean value.")


def _compare(node: Compare, scope: Scope) -> str:
    left, right, sign = node.left, node.right, node.operator
    if isinstance(left, Literal) and not isinstance(right, Literal):
        left, right, sign = right, left, MIRRORED[sign]
    if isinstance(left, Literal) and isinstance(right, Literal):
        return compare_literals(left, right, sign)
    if isinstance(left, Path) and isinstance(right, Path):
        return compare_columns(place(left, scope), place(right, scope), sign)
    if not isinstance(right, Literal):
        raise bad_query("A comparison needs a column or a value on each side.")
    if not isinstance(left, Path):
        if right.kind != "boolean" or sign not in ("eq", "ne"):
            raise bad_query("A function can be compared with true and false only.")
        inner = condition(left, scope)
        return inner if (sign == "eq") == right.value else f"(NOT {inner})"
    return compare_value(place(left, scope), right, sign)


def _text_function(node: Call, scope: Scope) -> str:
    """``contains``, ``startswith``, ``endswith``; SQL's wildcards work within the text."""
    if node.name not in TEXT_FUNCTIONS:
        raise bad_query(f"An unknown function with name '{node.name}' was found. This may also be "
                        "a function import or a key lookup on a navigation property, which is "
                        "not allowed.")  # fmt: skip
    if len(node.arguments) != 2:
        raise bad_query(f"No function signature for the function with name '{node.name}' matches "
                        "the specified arguments.")  # fmt: skip
    subject, text = node.arguments
    if isinstance(text, Literal) and text.kind == "null":
        return "0"
    if not isinstance(subject, Path) or not isinstance(text, Literal) or text.kind != "text":
        raise bad_query(f"No function signature for the function with name '{node.name}' matches "
                        "the specified arguments.")  # fmt: skip
    found = place(subject, scope)
    if found.column.type not in TEXT_TYPES:
        raise bad_query(f"No function signature for the function with name '{node.name}' matches "
                        f"the specified arguments. The argument is of type "
                        f"'{edm_type(found.column)}'.")  # fmt: skip
    return matches(found, glob_of(caseless(text.value), node.name))


def _lambda(node: Lambda, scope: Scope) -> str:
    """``any`` and ``all``; on an empty collection both are false, ``all`` too."""
    start, name = scope, node.path.segments[-1]
    if len(node.path.segments) == 2 and node.path.segments[0] in scope.variables:
        start = scope.variables[node.path.segments[0]]
    elif len(node.path.segments) > 1:
        raise bad_query("Lambda operators on a collection reached through a lookup property "
                        "are not supported.")  # fmt: skip
    step = navigation(scope.schema, start.table, name)
    if not isinstance(step, (Many, Associated)):
        raise unknown_property(start.table, name)
    alias = scope.parameters.alias()
    inner = scope.at(step.table, alias)
    rows = f"FROM {inner.rows} AS {alias} WHERE " + children_condition(
        start.alias, start.table, step, alias
    )
    scope.environment.store.ensure_index(*index_of(step))
    if node.condition is None or node.variable is None:
        return f"EXISTS (SELECT 1 {rows})"
    named = {**scope.variables, node.variable: inner}
    wanted = condition(node.condition, replace(inner, variables=named))
    if node.quantifier == "any":
        return f"EXISTS (SELECT 1 {rows} AND {wanted})"
    return f"(EXISTS (SELECT 1 {rows}) AND NOT EXISTS (SELECT 1 {rows} AND NOT {wanted}))"
