"""Gives rows from a destination's driver the Arrow types in which Dataverse's rows come.

Drivers return the same value in different types: a decimal as a float, a boolean as 0 or 1, a
moment as text. Values are compared only after that.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timezone
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa


def typed(rows: Sequence[Sequence[Any]], schema: pa.Schema) -> tuple[pa.Table, dict[int, set[str]]]:
    """The rows as a table, and the columns whose value does not fit, by number of the row.

    Args:
        rows: as a driver returns them.
        schema: the types of Dataverse's rows; a value that does not fit becomes null.
    """
    values = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    misfits: dict[int, set[str]] = {}
    columns = []
    for field, column in zip(schema, values, strict=True):
        try:
            columns.append(pa.array(column, field.type))
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            found = [_value_or_misfit(value, field.type) for value in column]
            for number, (_, fits) in enumerate(found):
                if not fits:
                    misfits.setdefault(number, set()).add(field.name)
            columns.append(pa.array([value for value, _ in found], field.type))
    fields = [pa.field(field.name, field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields)), misfits


def _value_or_misfit(value: Any, kind: pa.DataType) -> tuple[Any, bool]:
    """The value in Python's type for ``kind``, and whether it fits."""
    try:
        found = None if value is None else _value(value, kind)
        return pa.scalar(found, kind).as_py(), True
    except (pa.ArrowException, TypeError, ValueError, OverflowError, InvalidOperation):
        return None, False


def _value(value: Any, kind: pa.DataType) -> Any:
    if pa.types.is_boolean(kind):
        return {"0": False, "1": True, "false": False, "true": True}[str(value).lower()]
    if pa.types.is_integer(kind):
        whole = int(value)
        if whole != Decimal(str(value)):
            raise ValueError(value)
        return whole
    if pa.types.is_floating(kind):
        return float(value)
    if pa.types.is_decimal(kind):
        exact = Decimal(str(value))
        rounded = exact.quantize(Decimal(1).scaleb(-kind.scale))
        if exact != rounded:
            raise ValueError(value)
        return rounded
    if pa.types.is_timestamp(kind):
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        aware = aware.astimezone(timezone.utc)
        return aware if kind.tz else aware.replace(tzinfo=None)
    if pa.types.is_date(kind):
        return date.fromisoformat(value[:10]) if isinstance(value, str) else value
    if pa.types.is_binary(kind):
        return bytes(value)
    return str(value)
