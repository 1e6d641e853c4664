"""Computes aggregate FetchXML queries: groups, counts, sums, averages, extremes.

The rows are few by rule (50,000), so they are grouped here, with exact decimals.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, localcontext
from typing import Any

from dataverse_source.sandbox.fetchxml import UNKNOWN_ALIAS, Fetch, Sort, refused
from dataverse_source.sandbox.fetchxml_columns import ATTRIBUTE_NAME, output_annotations
from dataverse_source.sandbox.fetchxml_joins import Joins
from dataverse_source.sandbox.fetchxml_members import Member
from dataverse_source.sandbox.formats import formatted_value
from dataverse_source.sandbox.layout import key, wire
from dataverse_source.sandbox.messages import DataverseFault
from dataverse_source.sandbox.preferences import FORMATTED_VALUE, Preferences
from dataverse_source.sandbox.tables import CHOICE_TYPES, LOOKUP_TYPES, Column
from dataverse_source.sandbox.values import INTEGER_TYPES, decode, digits, fold, json_text

AGGREGATE_LIMIT = 50_000
LIMIT_EXCEEDED = "0x8004E023"
"""AggregateQueryRecordLimit (docs page "Aggregate data using FetchXml")."""

SUM_DIGITS = 9
"""Digits that sums and averages of money print (docs page "Aggregate data")."""

EXACT_DIGITS = 80
"""More digits than a sum of the most rows with the longest numbers has."""


@dataclass(frozen=True)
class Cell:
    """A value of an answer's row, or of a row that an answer is computed of.

    Attributes:
        key: what groups and extremes go by.
        text: its JSON text; None is null and left out.
        notes: JSON texts of its annotations by name.
        rank: what answers are sorted by: the label of a choice and a lookup, else the key.
    """

    key: Any
    text: str | None
    notes: dict[str, str]
    rank: Any


def aggregate_rows(
    fetch: Fetch, joins: Joins, members: Sequence[Member], preferences: Preferences
) -> list[bytes]:
    """The rows of an aggregate query as JSON texts, in order.

    Raises:
        DataverseFault: more rows match than may be aggregated, or an order of no alias.
    """
    grouped = [at for at, member in enumerate(members) if member.attribute.group_by]
    groups: dict[tuple[Any, ...], list[list[Cell]]] = {}
    for cells in _read(fetch, joins, members, preferences):
        groups.setdefault(tuple(cells[at].key for at in grouped), []).append(cells)
    if not grouped and not groups:
        groups[()] = []
    answers = [
        [
            _answer(member, [row[at] for row in rows], preferences)
            for at, member in enumerate(members)
        ]
        for rows in groups.values()
    ]
    _sort(answers, fetch, joins, members)
    return [_text(members, answer).encode() for answer in answers]


def _read(
    fetch: Fetch, joins: Joins, members: Sequence[Member], preferences: Preferences
) -> Iterator[list[Cell]]:
    """The values of all rows, member by member."""
    limit = min(fetch.aggregate_limit or AGGREGATE_LIMIT, AGGREGATE_LIMIT)
    noted = [output_annotations(member.output, preferences) for member in members]
    parts: list[str] = []
    for member, notes in zip(members, noted):  # noqa: B905
        alias, column = member.output.scope.alias, member.column
        parts += [key(alias, column), wire(alias, column), _label(member)]
        parts += [sql for _, sql in notes]
    statement = (
        f"SELECT {', '.join(parts)} FROM {joins.from_sql} "  # noqa: S608
        f"WHERE {joins.where} LIMIT {limit + 1}"
    )
    scope = joins.root.scope
    with scope.environment.store.reading() as connection:
        found = connection.execute(statement, scope.parameters.values).fetchall()
    if len(found) > limit:
        message = "AggregateQueryRecordLimit exceeded. Cannot perform this operation."
        raise DataverseFault(400, LIMIT_EXCEEDED, message)
    for row in found:
        values = iter(row)
        yield [_cell(member, notes, values) for member, notes in zip(members, noted)]  # noqa: B905


def _label(member: Member) -> str:
    """SQL of the label that a group is sorted by."""
    column, scope = member.column, member.output.scope
    if member.attribute.group_by and column.type in CHOICE_TYPES | LOOKUP_TYPES:
        return formatted_value(scope.schema, scope.table, scope.alias, column) or "NULL"
    return "NULL"


def _cell(member: Member, notes: list[tuple[str, str]], values: Iterator[Any]) -> Cell:
    """The next value of a row."""
    sort_key, text, label = next(values), next(values), next(values)
    shown = {name: next(values) for name, _ in notes}
    named = {name: note for name, note in shown.items() if note is not None}
    if text is None:
        return Cell(None, None, {}, None)
    part = member.attribute.date_grouping
    if part is not None:
        number = date_part(decode(member.column, text), part)
        if FORMATTED_VALUE in named:
            named[FORMATTED_VALUE] = json_text(f"{number:,}")
        return Cell(number, str(number), named, number)
    rank = sort_key if label is None else fold(json.loads(label))
    return Cell(sort_key, str(text), named, rank)


def date_part(moment: datetime, part: str) -> int:
    """A part of a date; weeks begin on Sunday and the first holds January 1st (SQL Server)."""
    if part == "quarter":
        return (moment.month + 2) // 3
    if part == "week":
        first = moment.replace(month=1, day=1)
        days_before = (first.weekday() + 1) % 7
        return (moment.timetuple().tm_yday - 1 + days_before) // 7 + 1
    return int(getattr(moment, part))


def _answer(member: Member, cells: list[Cell], preferences: Preferences) -> Cell:
    """The value of a group or a function over the rows of one group.

    Nulls are not considered. Over nothing but nulls a sum is left out, as a live organization
    answered; the docs page "Aggregate data using FetchXml" prints 0 for it.
    """
    function = member.attribute.aggregate
    if function is None:
        return cells[0]
    present = [cell for cell in cells if cell.text is not None]
    if function == "count":
        return _number(member, Decimal(len(cells)), "Integer", preferences)
    if function == "countcolumn":
        counted = {cell.key for cell in present} if member.attribute.distinct else present
        return _number(member, Decimal(len(counted)), "Integer", preferences)
    if not present:
        return Cell(None, None, {}, None)
    if function in ("min", "max"):
        ordered = sorted(present, key=_rank)
        return ordered[0] if function == "min" else ordered[-1]
    with localcontext() as context:
        context.prec = EXACT_DIGITS
        total = sum((Decimal(str(cell.text)) for cell in present), Decimal(0))
        value = total / len(present) if function == "avg" else total
        return _number(member, value, member.column.type, preferences)


def _number(member: Member, value: Decimal, type_: str, preferences: Preferences) -> Cell:
    """A computed number as a column of its type prints it; averages of integers are cut off."""
    if type_ in INTEGER_TYPES:
        value = value.to_integral_value(ROUND_DOWN)
        text, shown = f"{value:f}", f"{value:,}"
    elif type_ == "Double":
        text, shown = repr(float(value)), f"{float(value):,.{_shown_digits(member.column)}f}"
    else:
        places = SUM_DIGITS if type_ == "Money" else digits(member.column)
        value = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
        text, shown = f"{value:f}", _money(value) if type_ == "Money" else f"{value:,f}"
    notes: dict[str, str] = {}
    if preferences.wants(ATTRIBUTE_NAME):
        notes[ATTRIBUTE_NAME] = json_text(member.column.name)
    if preferences.wants(FORMATTED_VALUE):
        notes[FORMATTED_VALUE] = json_text(shown)
    return Cell(value, text, notes, value)


def _shown_digits(column: Column) -> int:
    return column.precision if column.precision is not None else 2


def _money(value: Decimal) -> str:
    """``$20,000.00``, negative amounts in parentheses."""
    shown = f"${abs(value.quantize(Decimal('0.01'), ROUND_HALF_UP)):,.2f}"
    return f"({shown})" if value < 0 else shown


def _sort(answers: list[list[Cell]], fetch: Fetch, joins: Joins, members: Sequence[Member]) -> None:
    """Sorts the answers by the aliases of the query's orders, else by their groups."""
    sorts = [sort for joined in (joins.root, *joins.links) for sort in joined.entity.sorts]
    if not sorts:
        groups = (member for member in members if member.attribute.group_by)
        sorts = [Sort(None, member.name, None, False) for member in groups]
    places = {member.name: at for at, member in enumerate(members)}
    for sort in reversed(sorts):
        if sort.alias not in places:
            name = sort.alias or sort.attribute
            raise refused(f"No attribute of the aggregate query has the alias '{name}'.",
                          UNKNOWN_ALIAS)  # fmt: skip
        at = places[sort.alias]
        raw = fetch.raw_order and members[at].column.type in CHOICE_TYPES
        keyed = [(_raw(row[at]) if raw else _rank(row[at]), row) for row in answers]
        keyed.sort(key=lambda pair: pair[0], reverse=sort.descending)
        answers[:] = [row for _, row in keyed]


def _rank(cell: Cell) -> tuple[bool, Any]:
    """What cells sort by: nulls are lowest."""
    return (cell.rank is not None, cell.rank)


def _raw(cell: Cell) -> tuple[bool, Any]:
    return (cell.key is not None, cell.key)


def _text(members: Sequence[Member], cells: list[Cell]) -> str:
    """The JSON text of an answer's row."""
    parts = []
    for member, cell in zip(members, cells):  # noqa: B905
        if cell.text is None:
            continue
        parts += [
            f"{json_text(f'{member.name}@{name}')}:{note}" for name, note in cell.notes.items()
        ]
        parts.append(f"{json_text(member.name)}:{cell.text}")
    return f"{{{','.join(parts)}}}"
