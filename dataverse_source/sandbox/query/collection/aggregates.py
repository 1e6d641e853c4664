"""Groups rows and computes figures over each group: counts, sums, averages, extremes.

``$apply`` and aggregate FetchXML share it. A query may see 50,000 rows at
most, so Python groups them, with exact decimals.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, localcontext
from typing import Any

from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.query.filter.comparisons import Place
from dataverse_source.sandbox.query.filter.scope import Scope
from dataverse_source.sandbox.query.rows.formats import formatted_value
from dataverse_source.sandbox.query.rows.rows import column_annotations
from dataverse_source.sandbox.query.syntax.preferences import FORMATTED_VALUE, Preferences
from dataverse_source.sandbox.schema.tables import CHOICE_TYPES, LOOKUP_TYPES, Column
from dataverse_source.sandbox.store.time_zones import TimeZone
from dataverse_source.sandbox.store.values import INTEGER_TYPES, decode, digits, fold, json_text

RECORD_LIMIT = 50_000
LIMIT_EXCEEDED = "0x8004E023"
LIMIT_TEXT = "AggregateQueryRecordLimit exceeded. Cannot perform this operation."
"""Docs page "Aggregate data using FetchXML": limits."""

SUM_DIGITS = 9
"""Digits after the point of a sum of amounts: the docs print ``440000.000000000``."""

EXACT_DIGITS = 80
"""More digits than a sum of the most rows with the longest numbers has."""


@dataclass(frozen=True)
class Figure:
    """A member of an aggregate row.

    Attributes:
        name: its name in the row.
        method: count, countcolumn, sum, avg, min or max; None for what rows are grouped by.
        column: the column; None for a count of rows.
        key: SQL of what groups and extremes go by.
        text: SQL of its JSON text.
        label: SQL of the label of a group, as JSON; NULL for what has none.
        notes: names and SQL texts of the annotations of a value.
        constants: names and JSON texts of annotations that every value has.
        formatted: a formatted value is wanted.
        part: the part of a date that rows are grouped by.
        zone: the time zone that the date is taken apart in; None for that of the value.
        distinct: countcolumn counts each value once.
    """

    name: str
    method: str | None
    column: Column | None = None
    key: str = "1"
    text: str = "1"
    label: str = "NULL"
    notes: tuple[tuple[str, str], ...] = ()
    constants: Mapping[str, str] = field(default_factory=dict)
    formatted: bool = False
    part: str | None = None
    zone: TimeZone | None = None
    distinct: bool = False


def figure(name: str, method: str | None, found: Place, preferences: Preferences) -> Figure:
    """A figure over a column."""
    scope, column = found.scope, found.column
    notes = column_annotations(scope, column, preferences)
    label = None
    if method is None and column.type in CHOICE_TYPES | LOOKUP_TYPES:
        label = formatted_value(scope, column)
    return Figure(
        name,
        method,
        column,
        found.key,
        found.wire,
        found.wrap(label) if label else "NULL",
        tuple((note, found.wrap(sql)) for note, sql in notes),
        formatted=preferences.wants(FORMATTED_VALUE),
    )


def row_count(name: str, preferences: Preferences) -> Figure:
    """The number of rows of a group."""
    return Figure(name, "count", formatted=preferences.wants(FORMATTED_VALUE))


@dataclass(frozen=True)
class Cell:
    """A value of an aggregate row, or of a row that one is computed of.

    Attributes:
        key: what groups and extremes go by.
        text: its JSON text; None is null and left out.
        notes: JSON texts of its annotations by name.
        label: sort key of a group's label, None for what has none.
    """

    key: Any
    text: str | None
    notes: Mapping[str, str]
    label: str | None = None


EMPTY = Cell(None, None, {})


def aggregate(
    figures: Sequence[Figure], scope: Scope, source: str, limit: int = RECORD_LIMIT
) -> list[list[Cell]]:
    """The rows of an aggregate query, in the order in which their groups are met.

    Args:
        figures: what a row has.
        scope: holds the statement's parameters.
        source: the SQL from FROM on.
        limit: rows that may take part.

    Raises:
        DataverseFault: more rows take part than may.
    """
    grouped = [at for at, each in enumerate(figures) if each.method is None]
    groups: dict[tuple[Any, ...], list[list[Cell]]] = {}
    for cells in _read(figures, scope, source, limit):
        groups.setdefault(tuple(cells[at].key for at in grouped), []).append(cells)
    if not grouped and not groups:
        groups[()] = []
    return [
        [_value(each, [row[at] for row in rows]) for at, each in enumerate(figures)]
        for rows in groups.values()
    ]


def _read(figures: Sequence[Figure], scope: Scope, source: str, limit: int) -> Iterator[list[Cell]]:
    """The values of all rows, figure by figure."""
    parts: list[str] = []
    for each in figures:
        parts += [each.key, each.text, each.label, *(sql for _, sql in each.notes)]
    statement = f"SELECT {', '.join(parts)} FROM {source} LIMIT {limit + 1}"  # noqa: S608
    with scope.environment.store.reading() as connection:
        found = connection.execute(statement, scope.parameters.values).fetchall()
    if len(found) > limit:
        raise DataverseFault(400, LIMIT_EXCEEDED, LIMIT_TEXT)
    for row in found:
        values = iter(row)
        yield [_cell(each, values) for each in figures]


def _cell(each: Figure, values: Iterator[Any]) -> Cell:
    """The next value of a row."""
    key, text, label = next(values), next(values), next(values)
    shown = {name: next(values) for name, _ in each.notes}
    if text is None:
        return EMPTY
    notes = {**each.constants, **{name: note for name, note in shown.items() if note is not None}}
    if each.part is not None and each.column is not None:
        moment = decode(each.column, text)
        number = date_part(moment if each.zone is None else each.zone.wall_clock(moment), each.part)
        if FORMATTED_VALUE in notes:
            notes[FORMATTED_VALUE] = json_text(f"{number:,}")
        return Cell(number, str(number), notes)
    return Cell(key, str(text), notes, None if label is None else fold(json.loads(label)))


def date_part(moment: datetime, part: str) -> int:
    """A part of a date; weeks begin on Sunday and the first holds January 1st (SQL Server)."""
    if part == "quarter":
        return (moment.month + 2) // 3
    if part == "week":
        first = moment.replace(month=1, day=1)
        days_before = (first.weekday() + 1) % 7
        return (moment.timetuple().tm_yday - 1 + days_before) // 7 + 1
    return int(getattr(moment, part))


def _value(each: Figure, cells: list[Cell]) -> Cell:
    """The value of a figure over the rows of one group.

    Nulls are not considered. Over nothing but nulls a sum is left out, as a live organization
    answered; the docs page "Aggregate data using FetchXml" prints 0 for it.
    """
    if each.method is None:
        return cells[0]
    present = [cell for cell in cells if cell.text is not None]
    if each.method == "count":
        return _number(each, Decimal(len(cells)), "Integer")
    if each.method == "countcolumn":
        counted = {cell.key for cell in present} if each.distinct else present
        return _number(each, Decimal(len(counted)), "Integer")
    if not present or each.column is None:
        return EMPTY
    if each.method in ("min", "max"):
        ordered = sorted(present, key=lambda cell: cell.key)
        return ordered[0] if each.method == "min" else ordered[-1]
    with localcontext() as context:
        context.prec = EXACT_DIGITS
        total = sum((Decimal(str(cell.text)) for cell in present), Decimal(0))
        value = total / len(present) if each.method == "avg" else total
        return _number(each, value, each.column.type)


def _number(each: Figure, value: Decimal, type_: str) -> Cell:
    """A computed number as a column of its type prints it; averages of integers are cut off."""
    if type_ in INTEGER_TYPES or each.column is None:
        value = value.to_integral_value(ROUND_DOWN)
        text, shown = f"{value:f}", f"{value:,}"
    elif type_ == "Double":
        places = each.column.precision if each.column.precision is not None else 2
        text, shown = repr(float(value)), f"{float(value):,.{places}f}"
    elif type_ == "Money":
        value = value.quantize(Decimal(1).scaleb(-SUM_DIGITS), ROUND_HALF_UP)
        text, shown = f"{value:f}", _money(value)
    else:
        shown_value = value.quantize(Decimal(1).scaleb(-digits(each.column)), ROUND_HALF_UP)
        value = value.quantize(Decimal(1).scaleb(-SUM_DIGITS), ROUND_HALF_UP)
        text, shown = f"{value:f}", f"{shown_value:,f}"
    notes = dict(each.constants)
    if each.formatted:
        notes[FORMATTED_VALUE] = json_text(shown)
    return Cell(value, text, notes)


def _money(value: Decimal) -> str:
    """``$20,000.00``, negative amounts in parentheses."""
    shown = f"${abs(value.quantize(Decimal('0.01'), ROUND_HALF_UP)):,.2f}"
    return f"({shown})" if value < 0 else shown


def rank(cell: Cell, *, by_label: bool) -> tuple[bool, Any]:
    """What cells sort by: nulls are lowest."""
    key = cell.label if by_label and cell.label is not None else cell.key
    return (cell.text is not None, key)


def json_row(figures: Sequence[Figure], cells: Sequence[Cell]) -> str:
    """The JSON text of an aggregate row."""
    parts = []
    for each, cell in zip(figures, cells):  # noqa: B905
        if cell.text is None:
            continue
        notes = cell.notes.items()
        parts += [f"{json_text(f'{each.name}@{name}')}:{note}" for name, note in notes]
        parts.append(f"{json_text(each.name)}:{cell.text}")
    return f"{{{','.join(parts)}}}"
