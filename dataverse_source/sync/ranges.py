"""Reads a range of rows that the user has put on a resource with ``dlt.sources.incremental``.

An external scheduler uses it to load the past piece by piece. Rows are merged by their key; the
table's own state does not change, and deleted rows are not looked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from dlt.common.time import ensure_datetime
from dlt.extract.incremental import Incremental

from dataverse_source.errors import ConfigurationError
from dataverse_source.metadata.literals import text_literal
from dataverse_source.metadata.model import Column
from dataverse_source.sync.context import RowBatch, TableRun
from dataverse_source.sync.read.query import MODIFIED_ON, literal, modified_filters

NUMBERS = frozenset(
    {"BigIntType", "IntegerType", "DecimalType", "DoubleType", "MoneyType"}
    | {"PicklistType", "StateType", "StatusType"}
)
TEXTS = frozenset({"StringType"})
SORTABLE = NUMBERS | TEXTS | {"DateTimeType"}
"""Types of columns that Dataverse compares and sorts by their values."""

_OPERATORS: Mapping[Any, tuple[Mapping[str, str], Mapping[str, str]]] = {
    max: ({"closed": "ge", "open": "gt"}, {"closed": "le", "open": "lt"}),
    min: ({"closed": "le", "open": "lt"}, {"closed": "ge", "open": "gt"}),
}


def read_range(run: TableRun, cursor: Incremental[Any]) -> Iterator[RowBatch]:
    """Rows in a range of a column.

    dlt's filter of rows is off (``advance(None)``), as Dataverse has applied the range.

    Raises:
        ConfigurationError: there is no such column, or no such range of it.
    """
    column = _column(run, cursor)
    _check_bounds(run, cursor, column)
    cursor.advance(None)
    began = run.now()
    filters, order = _filters(run, cursor, column), None
    if cursor.row_order:
        order = f"{column.wire_name} {cursor.row_order}"
    in_order = cursor.row_order == ("asc" if cursor.last_value_func is max else "desc")
    last = None
    for rows in run.reader.batches(filters, order=order):
        last = _furthest(cursor, [last, _last(cursor, rows[column.name])])
        if in_order and cursor.end_value is None and last is not None:
            cursor.advance(_like(cursor, last))  # the rest may not be taken: add_limit
        yield RowBatch(rows)
    if cursor.end_value is None:
        if column.name == MODIFIED_ON and cursor.last_value_func is max:
            last = began
        if last is not None:
            cursor.advance(_like(cursor, last))


def _column(run: TableRun, cursor: Incremental[Any]) -> Column:
    name, table = cursor.get_cursor_column_name(), run.reader.table
    remedy = "Name a column of numbers, text or times, such as modifiedon or createdon."
    if name is None or name not in run.reader.schema.arrow.names or not table.has(name):
        raise ConfigurationError(
            f"Table {run.name} is not read with a column {cursor.cursor_path}, which incremental "
            "names",
            where=run.name,
            remedy=f"{remedy} It must be among the columns that are read (select).",
        )
    column = table.column(name)
    if column.type not in SORTABLE:
        raise ConfigurationError(
            f"Table {run.name} cannot be read by ranges of {name}: Dataverse does not sort "
            f"{column.type} by value",
            where=run.name,
            remedy=remedy,
        )
    if cursor.last_value_func not in _OPERATORS:
        raise ConfigurationError(
            f"Table {run.name} cannot be read by a last_value_func of your own: Dataverse knows "
            "only ranges",
            where=run.name,
            remedy="Use max, which is the default, or min.",
        )
    return column


def _check_bounds(run: TableRun, cursor: Incremental[Any], column: Column) -> None:
    """Checks that the range can hold a row.

    Raises:
        ConfigurationError: it ends where it starts, or before.
    """
    start: Any = cursor.start_value
    end: Any = cursor.end_value
    if start is None or end is None:
        return
    try:
        if column.type == "DateTimeType":
            start, end = _moment(start), _moment(end)
        first, last = (start, end) if cursor.last_value_func is max else (end, start)
        both_included = (cursor.range_start, cursor.range_end) == ("closed", "closed")
        holds_some = first < last or (first == last and both_included)
    except (TypeError, ValueError):  # `_text` says which value cannot be used
        return
    if not holds_some:
        raise ConfigurationError(
            f"The range of {column.name} to read of table {run.name} is empty: it starts at "
            f"{start} and ends at {end}",
            where=run.name,
            remedy="Set an end_value after initial_value. In Airflow, give the DAG a schedule with "
            "data intervals, such as CronDataIntervalTimetable: by default, an interval ends where "
            "it starts.",
        )


def _filters(run: TableRun, cursor: Incremental[Any], column: Column) -> list[str]:
    start, end = cursor.start_value, cursor.end_value
    closed = (cursor.range_start, cursor.range_end) == ("closed", "open")
    if column.name == MODIFIED_ON and cursor.last_value_func is max and closed:
        return modified_filters(_moment(start), _moment(end))
    from_, to = _OPERATORS[cursor.last_value_func]
    filters = []
    if start is not None:
        bound = f"{column.wire_name} {from_[cursor.range_start]} {_text(run, column, start)}"
        includes = cursor.on_cursor_value_missing == "include"
        filters.append(f"{bound} or {column.wire_name} eq null" if includes else bound)
    if end is not None:
        filters.append(f"{column.wire_name} {to[cursor.range_end]} {_text(run, column, end)}")
    return filters


def _text(run: TableRun, column: Column, value: Any) -> str:
    """A bound as Dataverse writes it in a filter."""
    try:
        if column.type == "DateTimeType":
            moment = _moment(value)
            if moment is not None and column.date_behavior == "DateOnly":
                return moment.date().isoformat()
            return literal(moment) if moment is not None else "null"
        if column.type in NUMBERS:
            return f"{Decimal(str(value)):f}"  # settings may be text
    except (ArithmeticError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"Table {run.name} cannot be read by {column.name} from or to {value!r}",
            where=run.name,
            why=str(error),
            remedy="Give initial_value and end_value as values of the column.",
        ) from error
    return text_literal(str(value))


def _moment(value: Any) -> datetime | None:
    """A time of any form; one without a time zone is in UTC, as everywhere in dlt."""
    if value is None:
        return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    moment = value if isinstance(value, datetime) else ensure_datetime(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _last(cursor: Incremental[Any], column: pa.ChunkedArray) -> Any:
    found = pc.min_max(column)
    return found["max" if cursor.last_value_func is max else "min"].as_py()


def _furthest(cursor: Incremental[Any], values: list[Any]) -> Any:
    known = [value for value in values if value is not None]
    if not known:
        return None
    return max(known) if cursor.last_value_func is max else min(known)


def _like(cursor: Incremental[Any], value: Any) -> Any:
    """The value in the form of the initial one, which dlt compares it with."""
    if isinstance(cursor.initial_value, str) and isinstance(value, (date, datetime)):
        return value.isoformat()
    return value
