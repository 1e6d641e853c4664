"""Gives columns the types that hints of the user ask for in place of those of the metadata."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
from dlt.common.schema.typing import TColumnSchema

from dataverse_source.errors import ConfigurationError

TYPE_HINTS = ("data_type", "precision", "scale", "timezone")
"""The hints that say what a column holds."""

_TYPES: Mapping[str, pa.DataType] = {
    "text": pa.string(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "binary": pa.binary(),
}


def changed(
    hints: Mapping[str, TColumnSchema], wanted: Mapping[str, TColumnSchema]
) -> dict[str, TColumnSchema]:
    """The hints of columns with those of the user, which win.

    Args:
        hints: from the metadata, by column.
        wanted: hints of the user; those of columns that are not read change nothing.
    """
    found: dict[str, TColumnSchema] = {}
    for name, hint in hints.items():
        own = wanted.get(name, {})
        kept = dict(hint)
        if "data_type" in own:
            kept = {key: value for key, value in kept.items() if key not in TYPE_HINTS}
        kept.update({key: value for key, value in own.items() if key in TYPE_HINTS})
        found[name] = kept  # type: ignore[assignment]
    return found


def cast_to(rows: pa.Table, wanted: Mapping[str, TColumnSchema], table: str) -> pa.Table:
    """``rows`` with the types that the user's hints ask for.

    Args:
        rows: with the types of the metadata.
        wanted: hints of the user, by column.
        table: its name in messages.

    Raises:
        ConfigurationError: a value does not fit the wanted type.
    """
    for name, hint in wanted.items():
        kind = _arrow_type(hint)
        if kind is None or name not in rows.column_names or rows.schema.field(name).type == kind:
            continue
        position, field = rows.schema.get_field_index(name), rows.schema.field(name)
        try:
            # floats are approximate by nature; everything else has to fit exactly
            column = rows[name].cast(kind, safe=not pa.types.is_floating(kind))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise ConfigurationError(
                f"Column {name} of {table} cannot be loaded as {hint.get('data_type')}",
                where=table,
                why=str(error),
                remedy=f"Remove the hint of {name}, or name a type that holds all its values, such "
                "as text.",
            ) from error
        rows = rows.set_column(position, pa.field(name, kind, nullable=field.nullable), column)
    return rows


def _arrow_type(hint: TColumnSchema) -> pa.DataType | None:
    kind = hint.get("data_type")
    if kind == "decimal":
        return pa.decimal128(hint.get("precision") or 38, hint.get("scale") or 0)
    if kind == "timestamp":
        return pa.timestamp("us", None if hint.get("timezone") is False else "UTC")
    return None if kind is None else _TYPES.get(kind)
