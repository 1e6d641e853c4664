"""Says in terms of FetchXML what an SQL statement asks for, so that both are answered alike.

Nulls are SQL's: what is compared with null is neither true nor false, so that ``<>`` and
``NOT LIKE`` leave rows without a value out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from dataverse_source.sandbox.query.fetchxml.parser import (
    Attribute,
    Condition,
    Entity,
    Fetch,
    Filter,
    Link,
    Sort,
    refused,
)
from dataverse_source.sandbox.query.fetchxml.sql_parser import (
    Group,
    Item,
    Join,
    Name,
    Select,
    TableName,
    Test,
)
from dataverse_source.sandbox.schema.tables import Schema, Table

FUNCTIONS = {"SUM": "sum", "AVG": "avg", "MIN": "min", "MAX": "max"}
OPERATORS = {
    "=": "eq",
    "!=": "ne",
    "<>": "ne",
    "<": "lt",
    "<=": "le",
    ">": "gt",
    ">=": "ge",
}
NEGATED = {"like": "not-like", "in": "not-in", "between": "not-between", "null": "not-null"}


@dataclass(frozen=True)
class _Sources:
    """The tables of a statement by what it calls them; the first is the one that it is from."""

    select: Select
    tables: Mapping[str, Table]

    @property
    def root(self) -> str:
        """What the statement calls its first table."""
        return self.select.table.alias

    def place(self, name: Name) -> tuple[str, str]:
        """What the table of a column is called, and the column.

        A column without a table is the first table's, if that has it.

        Raises:
            DataverseFault: no table, or more than one, has it.
        """
        if name.table is not None:
            called = next(
                (each for each in self.tables if each.lower() == name.table.lower()), None
            )
            if called is None:
                raise refused(f"The statement has no table '{name.table}'.")
            return called, name.column
        having = [called for called, table in self.tables.items() if name.column in table.by_name]
        if self.root in having or not having:
            return self.root, name.column
        if len(having) > 1:
            raise refused(f"Ambiguous column name '{name.column}'.")
        return having[0], name.column


def fetch_of(select: Select, schema: Schema) -> Fetch:
    """The FetchXML query that a statement means.

    Raises:
        DataverseFault: it names a table that is not there, or what FetchXML can't say.
    """
    sources = _Sources(select, dict(_tables(select, schema)))
    aggregate = bool(select.groups) or any(item.function for item in select.items)
    if aggregate and select.distinct:
        raise refused("DISTINCT together with aggregates is not supported in sql.")
    attributes: dict[str, list[Attribute]] = {called: [] for called in sources.tables}
    for item in select.items:
        called, attribute = _attribute(item, sources, aggregate=aggregate)
        attributes[called].append(attribute)
    filters = () if select.where is None else (Filter("and", (_item(select.where, sources),)),)
    sorts = tuple(_sort(name, down, sources, aggregate) for name, down in select.sorts)
    root = _entity(sources.root, sources, attributes)
    return Fetch(
        entity=replace(root, filters=filters, sorts=sorts),
        aggregate=aggregate,
        distinct=select.distinct,
        raw_order=True,
    )


def _tables(select: Select, schema: Schema) -> Iterator[tuple[str, Table]]:
    named: list[TableName] = [select.table, *(join.table for join in select.joins)]
    if len({each.alias.lower() for each in named}) < len(named):
        raise refused("The tables of a statement need different names.")
    for each in named:
        table = schema.by_logical_name.get(each.name)
        if table is None:
            raise refused(f"Invalid object name '{each.name}'.")
        yield each.alias, table


def _attribute(item: Item, sources: _Sources, *, aggregate: bool) -> tuple[str, Attribute]:
    """What the table of an item is called, and the attribute that it is."""
    if item.function is None and item.column is not None:
        called, column = sources.place(item.column)
        if aggregate:
            if (called, column) not in [sources.place(name) for name in sources.select.groups]:
                raise refused(f"The column '{column}' is neither aggregated nor in GROUP BY.")
            return called, Attribute(column, item.alias or column, group_by=True)
        return called, Attribute(column, item.alias)
    if item.alias is None:
        raise refused(f"{item.function} needs a name: {item.function}(...) AS name.")
    if item.column is None:
        if item.function != "COUNT":
            raise refused(f"{item.function}(*) is not supported in sql.")
        key = sources.tables[sources.root].primary_id
        return sources.root, Attribute(key, item.alias, "count")
    called, column = sources.place(item.column)
    if item.distinct and item.function != "COUNT":
        raise refused(f"DISTINCT in {item.function} is not supported in sql.")
    function = FUNCTIONS.get(item.function or "", "countcolumn")
    return called, Attribute(column, item.alias, function, distinct=item.distinct)


def _entity(called: str, sources: _Sources, attributes: Mapping[str, list[Attribute]]) -> Entity:
    """A table of the statement with what is joined to it, and to that."""
    links = tuple(
        Link(
            _entity(join.table.alias, sources, attributes),
            near=near,
            far=far,
            kind=join.kind,
            alias=join.table.alias,
        )
        for join in sources.select.joins
        for outer, near, far in [_ends(join, sources)]
        if outer == called
    )
    return Entity(sources.tables[called].logical_name, tuple(attributes[called]), links=links)


def _ends(join: Join, sources: _Sources) -> tuple[str, str, str]:
    """What the outer table is called, and the columns of the outer and of the joined table."""
    own = join.table.alias
    left, right = sources.place(join.left), sources.place(join.right)
    if left[0] == own:
        left, right = right, left
    known = list(sources.tables)
    if right[0] != own or known.index(left[0]) >= known.index(own):
        raise refused(f"The join of '{own}' needs a column of it and one of a table before it.")
    return left[0], left[1], right[1]


def _item(part: Test | Group, sources: _Sources) -> Condition | Filter:
    if isinstance(part, Group):
        return Filter(part.kind, tuple(_item(each, sources) for each in part.items))
    called, column = sources.place(part.column)
    entity = None if called == sources.root else called
    given = Condition(column, "not-null", entity=entity)
    values = tuple(value for value in part.values if value is not None)
    is_any = part.operator == "in" and not part.negated and bool(values)
    if len(values) < len(part.values) and not is_any:
        # Nothing equals NULL, nor does anything differ from it.
        return Filter("and", (given, replace(given, operator="null")))
    operator = NEGATED[part.operator] if part.negated else OPERATORS.get(part.operator)
    test = replace(given, operator=operator or part.operator, values=values)
    if part.negated or test.operator == "ne":
        return Filter("and", (given, test))
    return test


def _sort(name: Name, descending: bool, sources: _Sources, aggregate: bool) -> Sort:
    """A term of ORDER BY: an item by its alias or its column, or any other column."""
    items = sources.select.items
    by_alias = next((each for each in items if each.alias and each.alias.lower() == name.column
                     and name.table is None), None)  # fmt: skip
    if by_alias is not None and (aggregate or by_alias.column is None):
        return Sort(None, by_alias.alias, None, descending)
    called, column = sources.place(by_alias.column if by_alias and by_alias.column else name)
    if not aggregate:
        return Sort(column, None, None if called == sources.root else called, descending)
    for each in items:
        if each.function is None and each.column and sources.place(each.column) == (called, column):
            return Sort(None, each.alias or column, None, descending)
    raise refused(f"The column '{column}' of ORDER BY is not one of those that are returned.")
