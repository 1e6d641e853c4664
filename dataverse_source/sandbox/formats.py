"""SQL of formatted values: what ``...FormattedValue`` says of a column, for an English user.

Only what Dataverse formats has one: choices, yes/no, lookups, numbers, money and dates; texts
and GUIDs have none (docs page "Select columns", formatted values). Times are shown in UTC,
the time zone of the sandbox's users.
"""

from __future__ import annotations

from dataverse_source.sandbox.layout import key, literal, sql_table, wire
from dataverse_source.sandbox.relationships import name_of_target
from dataverse_source.sandbox.tables import LOOKUP_TYPES, Column, Schema, Table
from dataverse_source.sandbox.values import MONEY_DIGITS, json_text

SHOWN_MONEY_DIGITS = 2
_MONEY_SCALE = 10 ** (MONEY_DIGITS - SHOWN_MONEY_DIGITS)


def formatted_value(schema: Schema, table: Table, alias: str, column: Column) -> str | None:
    """SQL of a column's formatted value as a JSON string; None when the type has none."""
    if column.type in LOOKUP_TYPES:
        return name_of_target(schema, alias, column, sort_key=False)
    if column.type in ("Picklist", "State", "Status", "Boolean"):
        return _label(alias, column)
    if column.type == "MultiSelectPicklist":
        return _labels(alias, column)
    if column.type == "Money":
        return _money(schema, table, alias, column)
    if column.type in ("Integer", "BigInt"):
        return f"""printf('"%,d"', {wire(alias, column)})"""
    if column.type == "Decimal":
        return _number(wire(alias, column))
    if column.type == "Double":
        digits = column.precision if column.precision is not None else 2
        return _number(f"printf('%.{digits}f', {key(alias, column)})")
    if column.type == "DateTime":
        return _moment(alias, column)
    return None


def _label(alias: str, column: Column) -> str:
    value = wire(alias, column)
    cases = []
    for option in column.options:
        raw = option.value
        tested = literal("true" if raw else "false") if column.type == "Boolean" else str(raw)
        cases.append(f"WHEN {tested} THEN {literal(json_text(option.label))}")
    other = f"""printf('"%s"', {value})"""
    return f"CASE {value} {' '.join(cases)} ELSE {other} END" if cases else other


def _labels(alias: str, column: Column) -> str:
    """Labels in the order of the values, as in ``"Crm 4; Crm 2011"``."""
    cases = " ".join(
        f"WHEN {option.value} THEN {literal(json_text(option.label)[1:-1])}"
        for option in column.options
    )
    label = f"CASE value {cases} ELSE value END" if cases else "value"
    listed = f"'[' || trim({wire(alias, column)}, '\"') || ']'"
    return f"""(SELECT '"' || group_concat({label}, '; ') || '"' FROM json_each({listed}))"""  # noqa: S608


def _money(schema: Schema, table: Table, alias: str, column: Column) -> str:
    """``$20,000.00``, negative amounts in parentheses; the symbol is the row's currency's."""
    text = wire(alias, column)
    cut = f"substr({text}, 1, instr({text}, '.') + {MONEY_DIGITS})"
    units = f"CAST(replace({cut}, '.', '') AS INTEGER)"
    cents = f"((abs({units}) + {_MONEY_SCALE // 2}) / {_MONEY_SCALE})"
    symbol = _symbol(schema, table, alias, column)
    amount = f"{symbol}, {cents} / 100, {cents} % 100"
    return (
        f"CASE WHEN {units} < 0 THEN printf('\"(%s%,d.%02d)\"', {amount}) "
        f"ELSE printf('\"%s%,d.%02d\"', {amount}) END"
    )


def _symbol(schema: Schema, table: Table, alias: str, column: Column) -> str:
    """The row's currency symbol; base amounts show the organization's, a dollar."""
    currency = schema.by_logical_name.get("transactioncurrency")
    pointer = table.by_name.get("transactioncurrencyid")
    if currency is None or pointer is None or column.calculation_of:
        return "'$'"
    if "currencysymbol" not in currency.by_name:
        return "'$'"
    return (
        f"coalesce((SELECT trim(money.currencysymbol, '\"') FROM "  # noqa: S608
        f"{sql_table('transactioncurrency')} AS money "
        f"WHERE money.transactioncurrencyid = {wire(alias, pointer)}), '$')"
    )


def _number(text: str) -> str:
    """A decimal's text with thousands separated."""
    whole = f"CAST({text} AS INTEGER)"
    fraction = f"CASE WHEN instr({text}, '.') THEN substr({text}, instr({text}, '.')) ELSE '' END"
    sign = f"CASE WHEN {text} LIKE '-%' THEN '-' ELSE '' END"
    return f"""printf('"%s%,d%s"', {sign}, abs({whole}), {fraction})"""


def _moment(alias: str, column: Column) -> str:
    """``4/7/2023 2:59 PM``, or ``4/7/2023`` for a column that shows the date only."""
    text = wire(alias, column)
    year, month, day = (f"substr({text}, 2, 4)", _digits(text, 7), _digits(text, 10))
    if column.date_behavior == "DateOnly" or column.format == "DateOnly":
        return f"""printf('"%d/%d/%s"', {month}, {day}, {year})"""
    hour = _digits(text, 13)
    half = f"CASE WHEN {hour} < 12 THEN 'AM' ELSE 'PM' END"
    return (
        f"""printf('"%d/%d/%s %d:%s %s"', {month}, {day}, {year}, """
        f"""({hour} + 11) % 12 + 1, substr({text}, 16, 2), {half})"""
    )


def _digits(text: str, start: int) -> str:
    return f"CAST(substr({text}, {start}, 2) AS INTEGER)"
