"""``$filter`` on metadata: eq and ne on simple values, enumerations and managed properties."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.metadata.types import ENUMERATIONS, NAMESPACE, Kind, check_member

if TYPE_CHECKING:
    from lark import Lark, Tree

Condition = Callable[[Mapping[str, Any]], bool]

SUPPORTED = ("eq", "ne")
OPERATOR_NAMES = {
    "eq": "Equal",
    "ne": "NotEqual",
    "gt": "GreaterThan",
    "ge": "GreaterThanOrEqual",
    "lt": "LessThan",
    "le": "LessThanOrEqual",
    "in": "In",
    "has": "Has",
}


def compile_filter(text: str, kind: Kind) -> Condition:
    """A test for an item's members.

    Raises:
        DataverseFault: 400 for a syntax error, an unknown property or values of different
            types; 501 for functions and for operators other than eq and ne.
    """
    from lark.exceptions import LarkError

    try:
        tree = _parser().parse(text)
    except LarkError as error:
        column = getattr(error, "column", 1)
        position = max(0, (column if isinstance(column, int) else 1) - 1)
        message = f"Syntax error at position {position} in '{text}'."
        raise DataverseFault(400, "0x80060888", message) from None
    return _condition(tree, kind)


@lru_cache(maxsize=1)
def _parser() -> Lark:
    from lark import Lark

    grammar = Path(__file__).with_name("metadata_grammar.lark")
    return Lark(grammar.read_text(encoding="utf-8"), parser="lalr")


def _condition(tree: Tree[Any], kind: Kind) -> Condition:
    if tree.data == "function":
        name = str(tree.children[0])
        message = f'The "{name}" function isn\'t supported for Metadata Entities'
        raise DataverseFault(501, "0x8006088a", message)
    if tree.data == "comparison":
        return _comparison(tree, kind)
    parts = [_condition(child, kind) for child in tree.children]
    if tree.data == "negation":
        return lambda members: not parts[0](members)
    if tree.data == "all_of":
        return lambda members: all(part(members) for part in parts)
    return lambda members: any(part(members) for part in parts)


def _comparison(tree: Tree[Any], kind: Kind) -> Condition:
    path_tree, operator, value_tree = tree.children
    path = [str(name) for name in path_tree.children]
    check_member(kind, path[0])
    if str(operator) not in SUPPORTED:
        name = OPERATOR_NAMES[str(operator)]
        message = f'The "{name}" operator isn\'t supported for Metadata Entities'
        raise DataverseFault(501, "0x8006088a", message)
    wanted = _literal(value_tree, path[0], kind, str(operator))
    negated = str(operator) == "ne"

    def test(members: Mapping[str, Any]) -> bool:
        found: Any = members.get(path[0])
        for name in path[1:]:
            found = found.get(name) if isinstance(found, Mapping) else None
        if isinstance(found, (Mapping, list)):
            message = (
                f"A binary operator with incompatible types was detected. Property "
                f"'{'/'.join(path)}' is not a primitive value; compare one of its own properties."
            )
            raise DataverseFault(400, "0x80060888", message)
        return bool(found == wanted) != negated

    return test


def _literal(tree: Tree[Any], member: str, kind: Kind, operator: str) -> Any:
    enum = kind.enums.get(member)
    token = str(tree.children[0]) if tree.children else ""
    if tree.data == "member":
        if enum is None or token != f"{NAMESPACE}.{enum}":
            raise _incompatible(enum or "Edm.String", token, operator)
        return _unquoted(str(tree.children[1]))
    if tree.data == "null":
        return None
    if enum is not None:
        # A member's name alone will do: clients filter on AttributeType ne 'Virtual'.
        if tree.data == "text" and _unquoted(token) in ENUMERATIONS[enum]:
            return _unquoted(token)
        raise _incompatible(f"{NAMESPACE}.{enum}", _EDM_TYPES[tree.data], operator)
    if tree.data == "text":
        return _unquoted(token)
    if tree.data in ("true", "false"):
        return tree.data == "true"
    if tree.data == "number":
        return float(token) if "." in token else int(token)
    return token.lower() if tree.data == "guid" else token


_EDM_TYPES = {
    "text": "Edm.String",
    "true": "Edm.Boolean",
    "false": "Edm.Boolean",
    "number": "Edm.Int32",
    "guid": "Edm.Guid",
    "moment": "Edm.DateTimeOffset",
}


def _unquoted(text: str) -> str:
    return text[1:-1].replace("''", "'")


def _incompatible(left: str, right: str, operator: str) -> DataverseFault:
    message = (
        "A binary operator with incompatible types was detected. Found operand types "
        f"'{left}' and '{right}' for operator kind '{OPERATOR_NAMES[operator]}'."
    )
    return DataverseFault(400, "0x80060888", message)
