"""What a FetchXML query returns: its columns, their names, and the text of a row.

Members without a value are left out of a row (docs page "Query data using FetchXml").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dataverse_source.sandbox.query.fetchxml.conditions import column_named
from dataverse_source.sandbox.query.fetchxml.joins import Joined, Joins
from dataverse_source.sandbox.query.fetchxml.parser import INVALID_ALIAS, Attribute, refused
from dataverse_source.sandbox.query.filter.relationships import navigation_of
from dataverse_source.sandbox.query.filter.scope import Scope
from dataverse_source.sandbox.query.rows.rows import (
    Text,
    column_annotations,
    printable,
    printed_value,
)
from dataverse_source.sandbox.query.syntax.preferences import NAVIGATION_PROPERTY, Preferences
from dataverse_source.sandbox.schema.tables import LOOKUP_TYPES, Column
from dataverse_source.sandbox.store.layout import literal, wire
from dataverse_source.sandbox.store.values import json_text
from dataverse_source.sandbox.store.versions import etag_sql

ATTRIBUTE_NAME = "OData.Community.Display.V1.AttributeName"
CURRENT_ENTITY_FIELD = "OData.Community.Display.V1.CurrentEntityField"


@dataclass(frozen=True)
class Output:
    """A member of a row.

    Attributes:
        name: its name in the row.
        column: the column.
        scope: the table that the column is of.
        aliased: it has a name other than the column's own, which an annotation then tells.
        linked: it is of a link, not of the entity.
    """

    name: str
    column: Column
    scope: Scope
    aliased: bool
    linked: bool


def read_outputs(joins: Joins, *, distinct: bool) -> tuple[Output, ...]:
    """The members of a row: the entity's own, its aliased ones, then those of the links.

    A Money column brings the row's currency along, and the primary key always comes, except
    where ``distinct`` makes one row of several.

    Raises:
        DataverseFault: an unknown column, or a name that is not unique.
    """
    root = joins.root
    asked = list(_of_table(root, linked=False))
    if not (root.entity.attributes or root.entity.all_attributes):
        asked = [_plain(root, column) for column in printable(root.scope.table)]
    own = [output for output in asked if not output.aliased]
    if not distinct:
        table = root.scope.table
        own = list(_with_currency(own, root))
        if table.primary_id not in (output.name for output in own):
            own.append(_plain(root, table.by_name[table.primary_id]))
    linked = (output for joined in joins.links for output in _of_table(joined, linked=True))
    outputs = (*own, *(output for output in asked if output.aliased), *linked)
    return _once(outputs)


def _of_table(joined: Joined, *, linked: bool) -> Iterator[Output]:
    """The members that an entity or a link asks for."""
    entity, table = joined.entity, joined.scope.table
    attributes: Iterable[Attribute] = entity.attributes
    if entity.all_attributes:
        every = [Attribute(column.name) for column in printable(table)]
        attributes = (*every, *(each for each in entity.attributes if each.alias))
    for attribute in attributes:
        column = column_named(table, attribute.name)
        if attribute.alias:
            yield Output(attribute.alias, column, joined.scope, True, linked)
        elif linked:
            yield Output(f"{joined.alias}.{column.name}", column, joined.scope, True, True)
        else:
            yield _plain(joined, column)


def _plain(joined: Joined, column: Column) -> Output:
    return Output(column.wire_name, column, joined.scope, False, False)


def _with_currency(outputs: list[Output], root: Joined) -> Iterator[Output]:
    currency = root.scope.table.by_wire_name.get("_transactioncurrencyid_value")
    names = {output.name for output in outputs}
    for output in outputs:
        yield output
        if output.column.type == "Money" and currency and currency.wire_name not in names:
            names.add(currency.wire_name)
            yield _plain(root, currency)


def _once(outputs: Iterable[Output]) -> tuple[Output, ...]:
    """Each member once; two different ones may not have the same name."""
    by_name: dict[str, Output] = {}
    for output in outputs:
        known = by_name.setdefault(output.name, output)
        if (known.column, known.scope.alias) != (output.column, output.scope.alias):
            raise refused(f"The column name '{output.name}' is not unique.", INVALID_ALIAS)
    return tuple(by_name.values())


def row_sql(outputs: tuple[Output, ...], preferences: Preferences, etag: Scope | None) -> str:
    """The SQL of a row's JSON text; ``etag`` is the scope whose version number it tells."""
    text = Text()
    version = etag.table.by_wire_name.get("versionnumber") if etag is not None else None
    if etag is not None and version is not None:
        text.add(',"@odata.etag":"W/\\"')
        text.gap(etag_sql(etag.table, wire(etag.alias, version)))
        text.add('\\""')
    for output in outputs:
        _add(text, output, preferences)
    # Every member brings its comma before it: the first comma is one too many.
    return f"'{{' || substr({text.sql}, 2) || '}}'"


def _add(text: Text, output: Output, preferences: Preferences) -> None:
    if output.scope.is_hidden(output.column):
        return
    value = output.scope.wire(output.column)
    for name, sql in output_annotations(output, preferences):
        mark = literal(f",{json_text(f'{output.name}@{name}')}:")
        text.gap(f"CASE WHEN {value} IS NULL THEN '' ELSE coalesce({mark} || {sql}, '') END")
    shown = printed_value(value, output.column, preferences)
    text.gap(f"coalesce({literal(f',{json_text(output.name)}:')} || {shown}, '')")


def output_annotations(output: Output, preferences: Preferences) -> list[tuple[str, str]]:
    """Names and SQL texts of a member's annotations."""
    found = list(column_annotations(output.scope, output.column, preferences))
    if not output.aliased:
        return found
    if preferences.wants(ATTRIBUTE_NAME):
        found.insert(0, (ATTRIBUTE_NAME, literal(json_text(output.column.name))))
    return [item for item in found if item[0] != NAVIGATION_PROPERTY]


def context_columns(outputs: Iterable[Output], printed: Iterable[str]) -> str:
    """The columns of ``@odata.context``.

    Those that the first row prints come first, in its order, then the others; a lookup is
    listed with its navigation properties, which come once more with parentheses at the end
    (docs page "Page results using FetchXml", whose pages differ in this way).

    Args:
        outputs: the members.
        printed: names that the first row prints.
    """
    own = [output for output in outputs if not output.linked]
    shown = [output for output in own if output.name in set(printed)]
    names: list[str] = []
    ends: list[str] = []
    for output in (*shown, *(output for output in own if output not in shown)):
        if output.aliased:
            names.append(output.column.name)
        else:
            names.append(output.name)
        if output.column.type in LOOKUP_TYPES:
            steps = _steps(output)
            ends.extend(f"{step}()" for step in steps)
            names.extend(steps if not output.aliased else ())
    return ",".join((*names, *ends))


def _steps(output: Output) -> list[str]:
    """The navigation properties of a lookup, each once."""
    schema, table = output.scope.schema, output.scope.table
    steps = (navigation_of(schema, table, output.column, t) for t in output.column.targets)
    return list(dict.fromkeys(step for step in steps if step is not None))
