"""Parses the SELECT statements of the query option ``sql`` into small immutable dataclasses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataverse_source.sandbox.query.fetchxml.parser import refused

if TYPE_CHECKING:
    from lark import Lark, Token, Tree


@dataclass(frozen=True)
class Name:
    """A column's name, with the table's name or alias before the point, if there is one."""

    table: str | None
    column: str


@dataclass(frozen=True)
class Item:
    """What is returned: a column, or a function over one; None is ``*`` of ``COUNT(*)``."""

    column: Name | None
    alias: str | None
    function: str | None = None
    distinct: bool = False


@dataclass(frozen=True)
class TableName:
    """A table by its logical name, and what the statement calls it."""

    name: str
    alias: str


@dataclass(frozen=True)
class Join:
    """``[INNER | LEFT] JOIN``: ``kind`` is inner or outer."""

    table: TableName
    kind: str
    left: Name
    right: Name


@dataclass(frozen=True)
class Test:
    """A comparison of a column with constants, whose texts are ``values``; None is NULL."""

    column: Name
    operator: str
    values: tuple[str | None, ...] = ()
    negated: bool = False


@dataclass(frozen=True)
class Group:
    """Conditions joined by ``and`` or ``or``."""

    kind: str
    items: tuple[Test | Group, ...]


@dataclass(frozen=True)
class Select:
    """A statement."""

    items: tuple[Item, ...]
    table: TableName
    joins: tuple[Join, ...] = ()
    where: Test | Group | None = None
    groups: tuple[Name, ...] = ()
    sorts: tuple[tuple[Name, bool], ...] = ()
    distinct: bool = False


def parse_sql(text: str) -> Select:
    """What a statement asks for.

    Raises:
        DataverseFault: it is no SELECT, or more of one than Dataverse takes.
    """
    from lark.exceptions import UnexpectedInput

    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        position = error.pos_in_stream
        rest = "" if position is None or position < 0 else text[position:]
        word = (rest.split() or ["the end"])[0]
        raise refused(f"Incorrect syntax near '{word}'. It is not supported in sql.") from None
    select: Select = _Builder().build(tree)
    return select


@lru_cache(maxsize=1)
def _parser() -> Lark:
    from lark import Lark

    grammar = Path(__file__).with_name("sql_grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", lexer="contextual", maybe_placeholders=True)


class _Builder:
    """Turns lark's tree into dataclasses; what is left out in brackets is None."""

    def build(self, tree: Tree[Token]) -> Any:
        """What a tree says."""
        return getattr(self, f"_{tree.data}")(tree.children)

    def _start(self, children: list[Any]) -> Select:
        made: Select = self.build(children[0])
        return made

    def _select(self, children: list[Any]) -> Select:
        distinct, items, table, *rest = children
        joins = tuple(self.build(each) for each in rest[:-3])
        where, groups, sorts = (None if each is None else self.build(each) for each in rest[-3:])
        return Select(
            items=self.build(items),
            table=self.build(table),
            joins=joins,
            where=where,
            groups=groups or (),
            sorts=sorts or (),
            distinct=distinct is not None,
        )

    def _items(self, children: list[Any]) -> tuple[Item, ...]:
        return tuple(self.build(each) for each in children)

    def _item(self, children: list[Any]) -> Item:
        made, alias = self.build(children[0]), _text(children[-1]) if len(children) > 1 else None
        if isinstance(made, Item):
            return Item(made.column, alias, made.function, made.distinct)
        return Item(made, alias)

    def _aggregate(self, children: list[Any]) -> Item:
        function, *rest = children
        column = None if _text(rest[-1]) == "*" else self.build(rest[-1])
        distinct = len(rest) > 1 and rest[0] is not None
        return Item(column, None, str(function).upper(), distinct)

    def _table(self, children: list[Any]) -> TableName:
        name = _text(children[0]) or ""
        alias = _text(children[-1]) if len(children) > 1 else None
        return TableName(name.lower(), alias or name.lower())

    def _join(self, children: list[Any]) -> Join:
        kind, table, left, comparison, right = children
        if comparison != "=":
            raise refused(f"A join compares with '=', not with '{comparison}'.")
        outer = kind is not None and str(kind).upper().startswith("LEFT")
        named = (self.build(each) for each in (left, right))
        return Join(self.build(table), "outer" if outer else "inner", *named)

    def _where(self, children: list[Any]) -> Test | Group:
        made: Test | Group = self.build(children[0])
        return made

    def _any_of(self, children: list[Any]) -> Group:
        return Group("or", tuple(self.build(each) for each in children))

    def _all_of(self, children: list[Any]) -> Group:
        return Group("and", tuple(self.build(each) for each in children))

    def _compare(self, children: list[Any]) -> Test:
        column, operator, value = children
        return Test(self.build(column), str(operator), (self.build(value),))

    def _like(self, children: list[Any]) -> Test:
        column, negated, pattern = children
        return Test(self.build(column), "like", (self.build(pattern),), negated is not None)

    def _in(self, children: list[Any]) -> Test:
        column, negated, *values = children
        listed = tuple(self.build(each) for each in values)
        return Test(self.build(column), "in", listed, negated is not None)

    def _between(self, children: list[Any]) -> Test:
        column, negated, *values = children
        listed = tuple(self.build(each) for each in values)
        return Test(self.build(column), "between", listed, negated is not None)

    def _is_null(self, children: list[Any]) -> Test:
        column, negated = children
        return Test(self.build(column), "null", (), negated is not None)

    def _group(self, children: list[Any]) -> tuple[Name, ...]:
        return tuple(self.build(each) for each in children)

    def _order(self, children: list[Any]) -> tuple[tuple[Name, bool], ...]:
        return tuple(self.build(each) for each in children)

    def _term(self, children: list[Any]) -> tuple[Name, bool]:
        column, direction = children
        return self.build(column), str(direction).upper() == "DESC"

    def _column(self, children: list[Any]) -> Name:
        first, second = (_text(each) for each in children)
        if second is None:
            return Name(None, (first or "").lower())
        return Name(first, second.lower())

    def _text(self, children: list[Any]) -> str:
        return str(children[0])[1:-1].replace("''", "'")

    def _number(self, children: list[Any]) -> str:
        return str(children[0])

    def _null(self, _children: list[Any]) -> None:
        return None


def _text(token: Any) -> str | None:
    """A name without its brackets."""
    return None if token is None else str(token).strip("[]")
