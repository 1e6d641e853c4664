"""The columns of a query's rows: names, types, and where each stands in a row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from dataverse_source.metadata.column_selection import readable_columns
from dataverse_source.metadata.model import Column, Table
from dataverse_source.metadata.queries.check import Checker, Joined
from dataverse_source.metadata.queries.xml import Element, Source

WHOLE_NUMBERS = frozenset({"IntegerType", "BigIntType"})


@dataclass(frozen=True)
class Output:
    """One column of the query.

    Attributes:
        column: as the query returns it.
        table: that it is of.
        origin: the column of that table.
    """

    column: Column
    table: Table
    origin: Column


def outputs_of(checked: Checker, source: Source, *, aggregate: bool) -> list[Output]:
    """The columns of the rows; elements for the columns of ``all-attributes`` are added.

    Docs "Query data using FetchXml": a column of a link is called ``alias.column``, one with an
    alias of its own by that alias; a lookup of the main table is ``_column_value``.

    Raises:
        ConfigurationError: two columns have one name, or Dataverse does not return a column.
    """
    found: list[Output] = []
    for joined in (checked.main, *checked.links):
        found += _of_table(joined, source, aggregate=aggregate)
    if not found:
        raise source.error("it returns no columns", checked.main.element)
    names: set[str] = set()
    for one in found:
        if one.column.name in names:
            raise source.error(
                f"two of its columns would be called {one.column.name!r}",
                checked.main.element,
                "Give one of them another alias: <attribute name=... alias=.../>.",
            )
        names.add(one.column.name)
    return found


def _of_table(joined: Joined, source: Source, *, aggregate: bool) -> Iterator[Output]:
    element, table = joined.element, joined.table
    asked = element.all("attribute")
    every = bool(element.all("all-attributes")) or (joined.alias is None and not asked)
    if every and aggregate:
        raise source.error("an aggregate query names the columns that it computes", element)
    if every:
        # Each by name: all-attributes would also return whole files and images.
        plain = [Element("attribute", {"name": one.name}) for one in readable_columns(table)]
        asked = [*plain, *(one for one in asked if "alias" in one.attributes)]
        others = [one for one in element.children if one.tag not in ("attribute", "all-attributes")]
        element.children = [*asked, *others]
    known: set[str] = set()
    for one in asked:
        output = _output(one, joined, source, aggregate=aggregate)
        if "alias" not in one.attributes and output.column.name in known:
            continue  # named twice
        known.add(output.column.name)
        yield output


def _output(one: Element, joined: Joined, source: Source, *, aggregate: bool) -> Output:
    table, alias = joined.table, one.attributes.get("alias")
    origin = table.column(one.attributes["name"])
    if not origin.in_rows:
        of = origin.attribute_of
        why = f"it belongs to {of!r}; for labels set labels = true" if of else origin.type
        raise source.error(
            f"Dataverse does not return the column {origin.name!r} in rows ({why})", one
        )
    name, in_rows = origin.name, None
    if alias:
        name = in_rows = alias
    elif joined.alias is not None:
        name, in_rows = f"{joined.alias}_{origin.name}", f"{joined.alias}.{origin.name}"
    column = replace(
        origin,
        name=name.lower(),
        name_in_rows=in_rows,
        attribute_of=None,
        is_primary_id=False,
    )
    if aggregate:
        column = _computed(one, column, source)
    return Output(column, table, origin)


def _computed(one: Element, column: Column, source: Source) -> Column:
    """The column of an aggregate query."""
    if "alias" not in one.attributes:
        raise source.error("a column of an aggregate query needs an alias", one)
    function, groups = one.attributes.get("aggregate"), one.flag("groupby")
    if (function is not None) == groups:
        raise source.error("a column of an aggregate query has either aggregate or groupby", one)
    type_ = column.type
    if function in ("count", "countcolumn") or one.attributes.get("rowaggregate"):
        type_ = "BigIntType"
    elif function in ("sum", "avg") and type_ != "DoubleType":
        whole = type_ in WHOLE_NUMBERS and function == "sum"
        type_ = "BigIntType" if whole else "ComputedType"
    elif groups and one.attributes.get("dategrouping"):
        type_ = "IntegerType"
    if type_ == column.type:
        return column
    return replace(column, type=type_, targets=(), precision=None, date_behavior=None)
