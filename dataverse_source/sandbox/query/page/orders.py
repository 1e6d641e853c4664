"""``$orderby``: the terms that rows are sorted by, and where a page goes on."""

from __future__ import annotations

from dataclasses import dataclass

from dataverse_source.sandbox.query.filter.comparisons import place
from dataverse_source.sandbox.query.filter.elastic import is_elastic, refuse_order
from dataverse_source.sandbox.query.filter.relationships import name_of_target
from dataverse_source.sandbox.query.filter.scope import Scope
from dataverse_source.sandbox.query.syntax.odata import Path, bad_query, parse_operand
from dataverse_source.sandbox.query.syntax.options import split_top
from dataverse_source.sandbox.schema.tables import LOOKUP_TYPES, Column
from dataverse_source.sandbox.store.layout import is_partitioned, key, wire
from dataverse_source.sandbox.store.values import TEXT_TYPES, SqlValue


@dataclass(frozen=True)
class Term:
    """One thing that rows are sorted by.

    Attributes:
        name: what the paging cookie calls it.
        sql: its sort key; nulls are lowest, as in SQL Server.
        shown: SQL of what a cookie shows: the wire text of texts, else the sort key.
        descending: the direction.
        column: the column, None for the name of a related row.
        index: the SQL column that an index can serve, None when there is none.
    """

    name: str
    sql: str
    shown: str
    descending: bool
    column: Column | None
    index: str | None = None


@dataclass(frozen=True)
class Order:
    """The terms, the primary key last; ``has_cookie`` is False for related columns."""

    terms: tuple[Term, ...]
    has_cookie: bool = True

    @property
    def sql(self) -> str:
        """The text after ORDER BY."""
        return ", ".join(f"{t.sql} DESC" if t.descending else t.sql for t in self.terms)

    def after(self, values: tuple[SqlValue, ...], scope: Scope) -> str:
        """SQL of the condition that a row comes after the one with these sort keys."""
        return _after(list(zip(self.terms, values, strict=True)), scope)


def read_order(text: str | None, scope: Scope) -> Order:
    """The order of a decoded ``$orderby``, with the primary key as the last term.

    Raises:
        DataverseFault: an unknown column, or a direction other than asc and desc.
    """
    terms: list[Term] = []
    has_cookie = True
    for item in split_top(text, ",") if text is not None else []:
        words = item.split()
        if not words or len(words) > 2 or (len(words) == 2 and words[1] not in ("asc", "desc")):
            raise bad_query(f"Syntax error at position {len(item)} in '{text}'.")
        path = parse_operand(words[0], scope.aliases)
        if not isinstance(path, Path):
            raise bad_query("The query option $orderby takes columns only.")
        if is_elastic(scope.table):
            refuse_order(path.segments, scope.table)
        descending = words[-1] == "desc" and len(words) == 2
        term = term_of(path, descending, scope)
        has_cookie = has_cookie and len(path.segments) == 1
        if term.sql not in (known.sql for known in terms):
            terms.append(term)
    return Order(_with_partition(with_primary_key(terms, scope), scope), has_cookie)


def with_primary_key(terms: list[Term], scope: Scope) -> tuple[Term, ...]:
    """The terms, with the primary key as the last one unless it is among them."""
    primary = scope.table.by_name[scope.table.primary_id]
    primary_sql = key(scope.alias, primary)
    if primary_sql in (term.sql for term in terms):
        return tuple(terms)
    index = f"{primary.name}$"
    return (*terms, Term(primary.name, primary_sql, primary_sql, False, primary, index))


def _with_partition(terms: tuple[Term, ...], scope: Scope) -> tuple[Term, ...]:
    """The terms, with the partition after the key where keys are not unique without it."""
    if not is_partitioned(scope.table) or any(term.name == "partitionid" for term in terms):
        return terms
    column = scope.table.by_name["partitionid"]
    own, shown = key(scope.alias, column), wire(scope.alias, column)
    return (*terms, Term(column.name, own, shown, False, column, f"{column.name}$"))


def term_of(path: Path, descending: bool, scope: Scope) -> Term:
    """The term of a column, possibly of a related row; a lookup sorts by its row's name."""
    found = place(path, scope)
    column = found.column
    if column.type in LOOKUP_TYPES:
        # Lookups sort by the name of the row they point at (docs page "Order rows").
        named, shown = (
            found.wrap(name_of_target(scope.schema, found.scope.alias, column, sort_key=sort_key))
            for sort_key in (True, False)
        )
        return Term(f"{column.name}name", named, shown, descending, None)
    plain = len(path.segments) == 1
    index = key("", column).removeprefix(".").strip('"') if plain else None
    shown = found.wire if column.type in TEXT_TYPES else found.key
    return Term(column.name, found.key, shown, descending, column, index)


def _after(terms: list[tuple[Term, SqlValue]], scope: Scope) -> str:
    (term, value), rest = terms[0], terms[1:]
    if not rest:
        return _beyond(term, value, scope)
    mark = scope.add(value)
    same = f"({term.sql} IS {mark} AND {_after(rest, scope)})"
    either = f"({_beyond(term, value, scope)} OR {same})"
    if term.descending or value is None:
        return either
    # The same once more, in a form that an index can serve.
    return f"({term.sql} >= {mark} AND {either})"


def _beyond(term: Term, value: SqlValue, scope: Scope) -> str:
    if value is None:
        return "0" if term.descending else f"({term.sql} IS NOT NULL)"
    mark = scope.add(value)
    if term.descending:
        return f"({term.sql} < {mark} OR {term.sql} IS NULL)"
    return f"({term.sql} > {mark})"
