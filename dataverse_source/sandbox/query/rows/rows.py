"""Renders rows as JSON: compiles columns and annotations to one SQL expression.

SQLite builds the text of a row outside Python's global lock, so that many connections
are served at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dataverse_source.sandbox.query.filter.relationships import navigation, navigation_of
from dataverse_source.sandbox.query.filter.scope import PRINCIPALS, Scope, column_of
from dataverse_source.sandbox.query.rows.formats import UNFRAMED, Frame, formatted_value
from dataverse_source.sandbox.query.syntax.options import split_top
from dataverse_source.sandbox.query.syntax.preferences import (
    FORMATTED_VALUE,
    LOOKUP_LOGICAL_NAME,
    NAVIGATION_PROPERTY,
    Preferences,
)
from dataverse_source.sandbox.schema.tables import LOOKUP_TYPES, Column, Schema, Table
from dataverse_source.sandbox.store.layout import is_polymorphic, literal, quote, target_table, wire
from dataverse_source.sandbox.store.values import EXACT_TYPES, json_text
from dataverse_source.sandbox.store.versions import etag_sql

ARGUMENTS_PER_CALL = 90
"""Arguments of one printf; SQLite takes 127 in all."""

AUDIT_ALWAYS = ("transactionid", "attributemask")
ELASTIC_ALWAYS = ("versionnumber", "partitionid", "_ownerid_value", "_owningbusinessunit_value")


@dataclass
class Text:
    """Text with gaps that SQL fills: a printf format and its arguments, piece by piece."""

    pieces: list[tuple[str, str | None]] = field(default_factory=list)

    def add(self, plain: str) -> None:
        """Adds text."""
        self.pieces.append((plain.replace("%", "%%"), None))

    def gap(self, sql: str) -> None:
        """Adds a gap for the text that ``sql`` gives."""
        self.pieces.append(("%s", sql))

    @property
    def sql(self) -> str:
        """The SQL expression of the whole text."""
        calls: list[str] = []
        shape, arguments = "", list[str]()
        for piece, sql in self.pieces:
            shape += piece
            if sql is not None:
                arguments.append(sql)
            if len(arguments) == ARGUMENTS_PER_CALL:
                calls.append(_printf(shape, arguments))
                shape, arguments = "", []
        calls.append(_printf(shape, arguments))
        return " || ".join(calls)


def _printf(shape: str, arguments: list[str]) -> str:
    return f"printf({', '.join([literal(shape), *arguments])})"


@dataclass(frozen=True)
class Selection:
    """Which columns a row prints.

    Attributes:
        asked: names as ``$select`` has them, empty without a ``$select``; for the context.
        columns: the columns, in order.
    """

    asked: tuple[str, ...]
    columns: tuple[Column, ...]


def read_select(text: str | None, table: Table, schema: Schema) -> Selection:
    """The selection of a decoded ``$select``, with what Dataverse adds to it.

    Raises:
        DataverseFault: an unknown column.
    """
    if text is None or text.strip() == "*":
        return Selection((), tuple(printable(table)))
    asked, columns = [], list[Column]()
    for name in filter(None, (part.strip() for part in split_top(text, ","))):
        if name not in table.by_wire_name and navigation(schema, table, name):
            asked.append(name)
            continue
        column = column_of(table, name)
        if name not in asked:
            asked.append(name)
        if column not in columns:
            columns.append(column)
    for column in [*columns, table.by_name[table.primary_id], *_always(table)]:
        for added in (*_brought_along(table, column), column):
            if added not in columns:
                columns.append(added)
    return Selection(tuple(asked), tuple(columns))


def printable(table: Table) -> list[Column]:
    """The columns that a row prints when none are chosen."""
    return [column for column in table.by_wire_name.values() if _is_printed(column)]


def _is_printed(column: Column) -> bool:
    return column.type not in ("PartyList", "CalendarRules", "Virtual")


def _always(table: Table) -> list[Column]:
    """Columns that rows print, selected or not.

    Sources: PowerApps-Samples, elastic tables; docs page "Retrieve the history of audited
    data changes".
    """
    names: tuple[str, ...] = ELASTIC_ALWAYS if table.table_type == "Elastic" else ()
    if table.logical_name == "audit":
        names = AUDIT_ALWAYS
    return [table.by_wire_name[name] for name in names if name in table.by_wire_name]


def _brought_along(table: Table, column: Column) -> list[Column]:
    """Columns that come with a selected one (docs page "Select columns")."""
    names = []
    if column.type == "Money":
        names.append("_transactioncurrencyid_value")
    if column.is_logical and column.name.startswith("address"):
        names.append(f"{column.name.split('_')[0]}_composite")
    return [table.by_wire_name[name] for name in names if name in table.by_wire_name]


def row_text(
    scope: Scope, selection: Selection, preferences: Preferences, *, etag: bool = True
) -> Text:
    """The text of a row object without its closing brace."""
    text = Text()
    text.add("{")
    first = True
    table, alias = scope.table, scope.alias
    version = table.by_wire_name.get("versionnumber")
    if etag and version is not None:
        text.add('"@odata.etag":"W/\\"')
        text.gap(etag_sql(table, wire(alias, version)))
        text.add('\\""')
        first = False
    omitted = scope.environment.switches.secured_columns == "omitted"
    for column in selection.columns:
        if omitted and scope.is_hidden(column):
            continue
        text.add("" if first else ",")
        first = False
        _add_column(text, scope, column, preferences)
    if table.logical_name in PRINCIPALS and "ownerid" not in table.by_wire_name:
        text.add("" if first else ",")
        text.add('"ownerid":')
        text.gap(wire(alias, table.by_name[table.primary_id]))
    return text


def _add_column(text: Text, scope: Scope, column: Column, preferences: Preferences) -> None:
    """A column with its annotations before it."""
    name, value = column.wire_name, scope.wire(column)
    if scope.is_hidden(column):
        text.add(f"{json_text(name)}:null")
        return

    def framed(annotation: str) -> Frame:
        return Frame(f"{json_text(f'{name}@{annotation}')}:", ",")

    for _, sql in column_annotations(scope, column, preferences, framed):
        text.gap(f"CASE WHEN {value} IS NULL THEN '' ELSE coalesce({sql}, '') END")
    text.add(f"{json_text(name)}:")
    value = printed_value(value, column, preferences)
    text.gap(f"coalesce({value}, 'null')")


def printed_value(value: str, column: Column, preferences: Preferences) -> str:
    """SQL of a column's value as JSON: as a string where the caller wants numbers so."""
    if preferences.numbers_as_text and (column.type in EXACT_TYPES or column.type == "BigInt"):
        return f"""'"' || {value} || '"'"""
    return value


def column_annotations(
    scope: Scope,
    column: Column,
    preferences: Preferences,
    framed: Callable[[str], Frame] = lambda _: UNFRAMED,
) -> Sequence[tuple[str, str]]:
    """Names and SQL texts of the annotations that a column is printed with.

    Args:
        scope: where the column's row is.
        column: the column.
        preferences: say which annotations are wanted.
        framed: gives what is printed around an annotation, by its name.
    """
    found: list[tuple[str, str]] = []
    if preferences.wants(FORMATTED_VALUE):
        frame = framed(FORMATTED_VALUE)
        shown = formatted_value(scope, column, frame)
        if shown is not None:
            found.append((FORMATTED_VALUE, shown))
    if column.type in LOOKUP_TYPES:
        # Rows of audit have none (docs page "Retrieve the history of audited data changes").
        if preferences.wants(NAVIGATION_PROPERTY) and scope.table.logical_name != "audit":
            navigated = _navigation(scope, column, framed(NAVIGATION_PROPERTY))
            found.append((NAVIGATION_PROPERTY, navigated))
        if preferences.wants(LOOKUP_LOGICAL_NAME):
            found.append((LOOKUP_LOGICAL_NAME, _target(scope, column, framed(LOOKUP_LOGICAL_NAME))))
    return found


def _target(scope: Scope, column: Column, frame: Frame) -> str:
    """SQL of the logical name of the table that a lookup points at."""
    if not is_polymorphic(column):
        return frame.text(json_text(column.targets[0] if column.targets else ""))
    quoted = Frame(f'{frame.before}"', f'"{frame.after}')
    return quoted.around(target_table(scope.alias, column))


def _navigation(scope: Scope, column: Column, frame: Frame) -> str:
    """SQL of the navigation property that a lookup's value is expanded with."""
    names = [
        (target, navigation_of(scope.schema, scope.table, column, target))
        for target in column.targets
    ]
    if not is_polymorphic(column):
        name = names[0][1] if names else None
        return "NULL" if name is None else frame.text(json_text(name))
    kind = f"{scope.alias}.{quote(column.name + '@table')}"
    cases = " ".join(
        f"WHEN {literal(target)} THEN {frame.text(json_text(name))}"
        for target, name in names
        if name
    )
    return f"CASE {kind} {cases} END" if cases else "NULL"
