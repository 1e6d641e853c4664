"""Parses ``$filter`` and its kin into a tree of small immutable nodes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.store.values import ValueRefused, parse_moment

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

BAD_QUERY = "0x80060888"
"""CrmODataException, the code of nearly every refused query (docs page "Web service error
codes")."""


@dataclass(frozen=True)
class Literal:
    """A constant. ``kind``: text, guid, moment, day, number, boolean or null."""

    value: Any
    kind: str


@dataclass(frozen=True)
class Array:
    """The values of a ``PropertyValues`` argument, as text."""

    values: tuple[str, ...]


@dataclass(frozen=True)
class Path:
    """A column, possibly reached through single-valued navigation properties."""

    segments: tuple[str, ...]


@dataclass(frozen=True)
class Compare:
    """``left operator right`` with eq, ne, gt, ge, lt or le."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True)
class AllOf:
    """Conditions joined with ``and``."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class AnyOf:
    """Conditions joined with ``or``."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class Negation:
    """``not`` and the condition it denies."""

    item: Node


@dataclass(frozen=True)
class Call:
    """A function of OData itself, such as ``contains``."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class CrmCall:
    """A Dataverse query function, without its ``Microsoft.Dynamics.CRM.``."""

    name: str
    arguments: Mapping[str, Node]


@dataclass(frozen=True)
class Lambda:
    """``collection/any(v:...)`` or ``all``; the condition is None in ``any()``."""

    path: Path
    quantifier: str
    variable: str | None
    condition: Node | None


Node = Literal | Array | Path | Compare | AllOf | AnyOf | Negation | Call | CrmCall | Lambda


def bad_query(message: str) -> DataverseFault:
    """The fault for a query that can't be answered: 400, 0x80060888."""
    return DataverseFault(400, BAD_QUERY, message)


def parse_filter(text: str, aliases: Mapping[str, str] | None = None) -> Node:
    """The tree of a decoded ``$filter``.

    Args:
        text: the expression.
        aliases: texts of parameter aliases by name with ``@``; one without a text is null.

    Raises:
        DataverseFault: it does not parse.
    """
    return _Builder(aliases or {}, text).build(_parse(text))


def parse_operand(text: str, aliases: Mapping[str, str] | None = None) -> Node:
    """The tree of a single operand, such as the text of a parameter alias."""
    stripped = text.strip()
    if stripped.startswith("["):
        return _array(stripped)
    return parse_filter(stripped, aliases)


@lru_cache(maxsize=1)
def _parser() -> Lark:
    from lark import Lark

    grammar = FilePath(__file__).with_name("odata_grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", lexer="contextual")


def _parse(text: str) -> Tree[Token]:
    from lark.exceptions import UnexpectedInput

    if not text.strip():
        raise bad_query("The value for OData query '$filter' cannot be empty.")
    try:
        return _parser().parse(text)
    except UnexpectedInput as error:
        raise _syntax_error(text, error) from None


def _syntax_error(text: str, error: Any) -> DataverseFault:
    position = error.pos_in_stream
    if position is None or position < 0:
        position = len(text)
    # As docs page "Filter rows" prints it for a quote that is not doubled.
    if text.count("'") % 2 or text[position : position + 1] == "'":
        quote = text.rfind("'")
        return bad_query(f"There is an unterminated literal at position {quote + 1} in '{text}'.")
    return bad_query(f"Syntax error at position {position} in '{text}'.")


class _Builder:
    """Turns lark's tree into nodes."""

    def __init__(self, aliases: Mapping[str, str], text: str) -> None:
        self._aliases = aliases
        self._source = text

    def build(self, tree: Tree[Token]) -> Node:
        """The node of a tree."""
        make = getattr(self, f"_{tree.data}")
        node: Node = make([child for child in tree.children if child is not None])
        return node

    def _start(self, children: list[Any]) -> Node:
        return self.build(children[0])

    def _any_of(self, children: list[Any]) -> Node:
        return AnyOf(tuple(map(self.build, children)))

    def _all_of(self, children: list[Any]) -> Node:
        return AllOf(tuple(map(self.build, children)))

    def _negation(self, children: list[Any]) -> Node:
        return Negation(self.build(children[0]))

    def _compare(self, children: list[Any]) -> Node:
        left, operator, right = children
        return Compare(str(operator), self.build(left), self.build(right))

    def _call(self, children: list[Any]) -> Node:
        return Call(str(children[0]), tuple(map(self.build, children[1:])))

    def _crm_call(self, children: list[Any]) -> Node:
        name = str(children[0]).rpartition(".")[2]
        arguments = {}
        for argument in children[1:]:
            key, value = argument.children
            arguments[str(key)] = self.build(value)
        return CrmCall(name, arguments)

    def _lambda_call(self, children: list[Any]) -> Node:
        *segments, quantifier = str(children[0]).split("/")
        path = Path(tuple(segments))
        if len(children) == 1:
            return Lambda(path, quantifier, None, None)
        return Lambda(path, quantifier, str(children[1]), self.build(children[2]))

    def _array(self, children: list[Any]) -> Node:
        items = [self.build(child) for child in children]
        return Array(tuple(str(item.value) for item in items if isinstance(item, Literal)))

    def _path(self, children: list[Any]) -> Node:
        return Path(tuple(str(children[0]).split("/")))

    def _text(self, children: list[Any]) -> Node:
        return Literal(str(children[0])[1:-1].replace("''", "'"), "text")

    def _double_quoted(self, children: list[Any]) -> Node:
        return Literal(json.loads(str(children[0])), "text")

    def _guid(self, children: list[Any]) -> Node:
        return Literal(str(children[0]).lower(), "guid")

    def _moment(self, children: list[Any]) -> Node:
        try:
            return Literal(parse_moment(str(children[0])), "moment")
        except ValueRefused:
            raise self._unrecognized(children[0]) from None

    def _day(self, children: list[Any]) -> Node:
        try:
            return Literal(parse_moment(str(children[0])), "day")
        except ValueRefused:
            raise self._unrecognized(children[0]) from None

    def _number(self, children: list[Any]) -> Node:
        return Literal(Decimal(str(children[0]).rstrip("mMfFdDlL")), "number")

    def _constant(self, children: list[Any]) -> Node:
        word = str(children[0])
        return Literal(None, "null") if word == "null" else Literal(word == "true", "boolean")

    def _alias(self, children: list[Any]) -> Node:
        text = self._aliases.get(str(children[0]))
        # An alias without a value is null (docs page "Use Web API functions").
        return Literal(None, "null") if text is None else parse_operand(text)

    def _unrecognized(self, token: Any) -> DataverseFault:
        return bad_query(
            f"Unrecognized 'Edm.DateTimeOffset' literal '{token}' at '{token.start_pos}' "
            f"in '{self._source}'."
        )


def _array(text: str) -> Array:
    """An array of a ``PropertyValues`` argument that stands in a parameter alias."""
    try:
        values = json.loads(text)
    except ValueError:
        inner = _parse(f"Microsoft.Dynamics.CRM.In(PropertyValues={text})")
        node = _Builder({}, text).build(inner)
        found = node.arguments["PropertyValues"] if isinstance(node, CrmCall) else None
        return found if isinstance(found, Array) else Array(())
    return Array(tuple(str(value) for value in values))
