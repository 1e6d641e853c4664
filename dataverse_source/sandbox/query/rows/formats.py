"""SQL of formatted values: what ``...FormattedValue`` says of a column, for an English user.

Only what Dataverse formats has one: choices, yes/no, lookups, names of tables, numbers, money and
dates; texts and GUIDs have none (docs page "Select columns", formatted values). Times are shown
in the user's time zone.
"""

from __future__ import annotations

from dataclasses import dataclass

from dataverse_source.sandbox.query.filter.relationships import name_of_target
from dataverse_source.sandbox.query.filter.scope import Scope
from dataverse_source.sandbox.schema.tables import LOOKUP_TYPES, Column, Schema, Table
from dataverse_source.sandbox.store.layout import key, literal, sql_table, wire
from dataverse_source.sandbox.store.values import MONEY_DIGITS, digits, json_text

SHOWN_MONEY_DIGITS = 2
_MONEY_SCALE = 10 ** (MONEY_DIGITS - SHOWN_MONEY_DIGITS)


_MINUTE = 60_000
_HOUR = 60 * _MINUTE
_YEAR_ONE = 62_135_596_800_000
"""Milliseconds from the year 1 to 1970: added, they make every moment positive."""


@dataclass(frozen=True)
class Frame:
    """Plain text around a value. It goes into the value's own SQL, which saves copies of text."""

    before: str = ""
    after: str = ""

    def text(self, plain: str) -> str:
        """SQL of plain text in the frame."""
        return literal(f"{self.before}{plain}{self.after}")

    def around(self, sql: str) -> str:
        """SQL of a text in the frame, NULL when it is NULL."""
        ends = (literal(self.before) if self.before else "", literal(self.after))
        return " || ".join(part for part in (ends[0], sql, ends[1] if self.after else "") if part)

    def printf(self, shape: str, *arguments: str) -> str:
        """SQL of a printf format in the frame."""
        before, after = (text.replace("%", "%%") for text in (self.before, self.after))
        return f"printf({', '.join((literal(before + shape + after), *arguments))})"


UNFRAMED = Frame()


def formatted_value(scope: Scope, column: Column, frame: Frame = UNFRAMED) -> str | None:
    """SQL of a column's formatted value as a JSON string; None when the type has none."""
    schema, table, alias = scope.schema, scope.table, scope.alias
    if column.type in LOOKUP_TYPES:
        return frame.around(name_of_target(schema, alias, column, sort_key=False))
    if column.type in ("Picklist", "State", "Status", "Boolean"):
        return _label(alias, column, frame)
    if column.type == "MultiSelectPicklist":
        return _labels(alias, column, frame)
    if column.type == "Money":
        return _money(schema, table, alias, column, frame)
    if column.type in ("Integer", "BigInt"):
        return frame.printf('"%,d"', wire(alias, column))
    if column.type == "Decimal":
        return _number(wire(alias, column), frame)
    if column.type == "Double":
        places = column.precision if column.precision is not None else 2
        return _number(f"printf('%.{places}f', {key(alias, column)})", frame)
    if column.type == "DateTime":
        return _moment(scope, column, frame)
    if column.type == "EntityName":
        return _table_name(schema, alias, column, frame)
    return None


def _label(alias: str, column: Column, frame: Frame) -> str:
    value = wire(alias, column)
    cases = []
    for option in column.options:
        raw = option.value
        tested = literal("true" if raw else "false") if column.type == "Boolean" else str(raw)
        cases.append(f"WHEN {tested} THEN {frame.text(json_text(option.label))}")
    other = frame.printf('"%s"', value)
    return f"CASE {value} {' '.join(cases)} ELSE {other} END" if cases else other


def _labels(alias: str, column: Column, frame: Frame) -> str:
    """Labels in the order of the values, as in ``"Crm 4; Crm 2011"``."""
    cases = " ".join(
        f"WHEN {option.value} THEN {literal(json_text(option.label)[1:-1])}"
        for option in column.options
    )
    label = f"CASE value {cases} ELSE value END" if cases else "value"
    listed = f"'[' || trim({wire(alias, column)}, '\"') || ']'"
    shown = f"(SELECT group_concat({label}, '; ') FROM json_each({listed}))"  # noqa: S608
    return Frame(f'{frame.before}"', f'"{frame.after}').around(shown)


def _money(schema: Schema, table: Table, alias: str, column: Column, frame: Frame) -> str:
    """``$20,000.00``, negative amounts in parentheses; the symbol is the row's currency's."""
    text = wire(alias, column)
    places = digits(column)
    symbol = _symbol(schema, table, alias, column)
    cut = f"substr({text}, 1, instr({text}, '.') + {MONEY_DIGITS})"
    units = f"CAST(replace({cut}, '.', '') AS INTEGER)"
    cents = f"((abs({units}) + {_MONEY_SCALE // 2}) / {_MONEY_SCALE})"
    rounded = f"{symbol}, {cents} / 100, {cents} % 100"
    # Most amounts are whole cents, of which nothing is to be rounded.
    beyond = literal("0" * (places - SHOWN_MONEY_DIGITS))
    is_whole = f"substr({text}, {SHOWN_MONEY_DIGITS - places}) = {beyond} AND {text} >= '0'"
    whole = (symbol, f"CAST({text} AS INTEGER)", f"substr({text}, -{places}, 2)")
    exactly = frame.printf('"%s%,d.%s"', *whole)
    negative = frame.printf('"(%s%,d.%02d)"', rounded)
    positive = frame.printf('"%s%,d.%02d"', rounded)
    return (
        f"CASE WHEN {is_whole} THEN {exactly} WHEN {units} < 0 THEN {negative} ELSE {positive} END"
    )


def _symbol(schema: Schema, table: Table, alias: str, column: Column) -> str:
    """The row's currency symbol; base amounts show the organization's, a dollar."""
    currency = schema.by_logical_name.get("transactioncurrency")
    pointer = table.by_name.get("transactioncurrencyid")
    if currency is None or pointer is None or column.calculation_of:
        return "'$'"
    if "currencysymbol" not in currency.by_name:
        return "'$'"
    money = sql_table("transactioncurrency")
    used = wire(alias, pointer)
    # Nearly all rows are in one currency. What does not depend on the row, SQLite looks up
    # once; without an index both lookups find the same row.
    first = f"FROM {money} AS money NOT INDEXED LIMIT 1"
    return (
        f"coalesce(CASE {used} WHEN (SELECT money.transactioncurrencyid {first}) "  # noqa: S608
        f"THEN (SELECT trim(money.currencysymbol, '\"') {first}) "
        f"ELSE (SELECT trim(money.currencysymbol, '\"') FROM {money} AS money "
        f"WHERE money.transactioncurrencyid = {used}) END, '$')"
    )


def _number(text: str, frame: Frame) -> str:
    """A decimal's text with thousands separated."""
    whole = f"CAST({text} AS INTEGER)"
    fraction = f"CASE WHEN instr({text}, '.') THEN substr({text}, instr({text}, '.')) ELSE '' END"
    sign = f"CASE WHEN {text} < '0' THEN '-' ELSE '' END"
    return frame.printf('"%s%,d%s"', sign, f"abs({whole})", fraction)


def _table_name(schema: Schema, alias: str, column: Column, frame: Frame) -> str:
    """The display name of the table whose logical name the column holds."""
    cases = " ".join(
        f"WHEN {literal(json_text(table.logical_name))} "
        f"THEN {frame.text(json_text(table.display_name or table.schema_name))}"
        for table in schema.tables
    )
    return f"CASE {wire(alias, column)} {cases} END" if cases else "NULL"


def _moment(scope: Scope, column: Column, frame: Frame) -> str:
    """``4/7/2023 2:59 PM``, or ``4/7/2023`` for a column that shows the date only."""
    text, moment = wire(scope.alias, column), key(scope.alias, column)
    zone = scope.zone
    if column.date_behavior == "UserLocal" and not zone.is_utc:
        moment = f"local_milliseconds({moment}, {literal(zone.key)})"
        text = f"""strftime('"%Y-%m-%dT%H:%M:%SZ"', {moment} / 1000, 'unixepoch')"""
    # printf reads the numbers out of the text.
    day = (f"substr({text}, 7, 2)", f"substr({text}, 10, 2)", f"substr({text}, 2, 4)")
    if column.date_behavior == "DateOnly" or column.format == "DateOnly":
        return frame.printf('"%d/%d/%s"', *day)
    positive = f"({moment} + {_YEAR_ONE})"
    hour = f"({positive} / {_HOUR} + 11) % 12 + 1"
    half = f"CASE WHEN {positive} % {24 * _HOUR} < {12 * _HOUR} THEN 'AM' ELSE 'PM' END"
    minute = f"substr({text}, 16, 2)"
    return frame.printf('"%d/%d/%s %d:%s %s"', *day, hour, minute, half)
