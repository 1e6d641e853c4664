"""Maps a table's columns to its Arrow schema and to dlt's column hints: the one type mapping.

Both come from one place, because dlt imports a Parquet file unchanged only if the two agree.
Microsoft's docs "Web API types and operations" describe the types on the wire; "Column data
types" describes the range of each column type.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
from dlt.common.data_types import TDataType
from dlt.common.schema.typing import TColumnSchema

from dataverse_source.metadata.model import Column, Table

LOOKUP_TABLE_ANNOTATION = "Microsoft.Dynamics.CRM.lookuplogicalname"
"""Annotation of a lookup: logical name of the table that it refers to."""

DECIMAL_SCALE = 10
DECIMAL_WHOLE_DIGITS = 13
"""Docs "Column data types": decimal numbers have up to 10 decimal places, from -100 billion to
100 billion; stored as SQL decimal(23, 10). Exchange rates have more places."""

MONEY_SCALE = 10
MONEY_WHOLE_DIGITS = 15
"""Docs "Column data types": currency goes from -922,337,203,685,477 to 922,337,203,685,477.
Docs "Currency data-type migration for dual-write": it may have up to 10 decimal places, and
if they are set per currency or environment, a column's own precision does not say how many. The
type has room for all of them, so the destination's type never has to change."""

MAX_DECIMAL_DIGITS = 38
"""Most digits of a 128-bit decimal."""

GUID_LENGTH = 36
NAME_LENGTH = 128
"""Characters of a table's logical name, at most (docs: SQL Server's identifiers)."""

TEXT = pa.string()
INTEGER = pa.int64()
MOMENT = pa.timestamp("us", "UTC")
WALL_CLOCK = pa.timestamp("us")

SIMPLE_TYPES: dict[str, pa.DataType] = {
    "BigIntType": INTEGER,
    "BooleanType": pa.bool_(),
    "ComputedType": pa.decimal128(MAX_DECIMAL_DIGITS, DECIMAL_SCALE),
    "DoubleType": pa.float64(),
    "ImageType": pa.binary(),
    "IntegerType": INTEGER,
    "PicklistType": INTEGER,
    "StateType": INTEGER,
    "StatusType": INTEGER,
}
"""Column types whose Arrow type depends on nothing else. Types not listed here (String, Memo,
EntityName, Uniqueidentifier, lookups, File, MultiSelectPicklist, and types that don't exist yet)
are text, which holds everything. A ManagedProperty is the text of its JSON. Computed is not of
Dataverse: it is the sum or average of a query."""

DATE_TYPES: dict[str | None, pa.DataType] = {
    "DateOnly": pa.date32(),
    "TimeZoneIndependent": WALL_CLOCK,
}
"""By date behavior. UserLocal, and any other, is a time in UTC. Values of TimeZoneIndependent end
in Z too, but they are clock times without a time zone (docs: "Behavior and format of the date and
time column")."""


@dataclass(frozen=True)
class Field:
    """One column of the destination.

    Attributes:
        name: column of the destination, the logical name.
        wire_name: property of a row that holds the value.
        arrow_type: type in Arrow; Dataverse sends binary as base64.
        column: the Dataverse column.
    """

    name: str
    wire_name: str
    arrow_type: pa.DataType
    column: Column


@dataclass(frozen=True)
class TableSchema:
    """The schema of a table's pages, and dlt's hints for it.

    Attributes:
        fields: in the order of the destination's columns.
        arrow: schema of every page; all columns but the key may be null, so that a deleted row,
            which has only its key, fits.
        hints: dlt's column hints, in the same order.
        primary_key: name of the key column.
        key: all columns of the key; an elastic table has two.
    """

    table: Table
    fields: tuple[Field, ...]
    arrow: pa.Schema
    hints: dict[str, TColumnSchema]
    primary_key: str
    key: tuple[str, ...]

    @cached_property
    def fields_of_ids(self) -> tuple[str, ...]:
        """Names of the columns that hold ids: the key's and those of lookups."""
        return tuple(
            one.name
            for one in self.fields
            if (one.column.type == "UniqueidentifierType" or one.column.is_lookup)
            and one.wire_name == one.column.wire_name
        )


def table_schema(table: Table, columns: Sequence[Column], *, lengths: bool = False) -> TableSchema:
    """The schema of ``table`` for these columns.

    Args:
        table: with its columns.
        columns: see `dataverse_source.metadata.column_selection.select_columns`; the primary key
            is among them.
        lengths: hints of text say how long it can be.
    """
    own = (column for column in table.columns if column.in_rows and not column.attribute_of)
    taken = {column.name for column in (*own, *columns)}
    fields: list[Field] = []
    for column in columns:
        fields.append(Field(column.name, column.wire_name, _arrow_type(column), column))
        if column.polymorphic:
            name = _lookup_table_name(column, taken)
            taken.add(name)
            wire_name = f"{column.wire_name}@{LOOKUP_TABLE_ANNOTATION}"
            fields.append(Field(name, wire_name, TEXT, column))
    read = {field.name for field in fields}
    key = tuple(name for name in table.key_columns if name in read)
    arrow = pa.schema(
        [pa.field(field.name, field.arrow_type, nullable=field.name not in key) for field in fields]
    )
    hints = {
        field.name: _hint(field.name, field.arrow_type, nullable=field.name not in key)
        for field in fields
    }
    for field in fields if lengths else ():
        length = _length(field)
        if length and hints[field.name].get("data_type") == "text":
            hints[field.name]["precision"] = length
    return TableSchema(table, tuple(fields), arrow, hints, table.primary_id, key)


def _arrow_type(column: Column) -> pa.DataType:
    if column.type == "DateTimeType":
        return DATE_TYPES.get(column.date_behavior, MOMENT)
    if column.type == "DecimalType":
        return _decimal(column, DECIMAL_WHOLE_DIGITS, DECIMAL_SCALE)
    if column.type == "MoneyType":
        return _decimal(column, MONEY_WHOLE_DIGITS, MONEY_SCALE)
    return SIMPLE_TYPES.get(column.type, TEXT)


def _decimal(column: Column, whole_digits: int, least_scale: int) -> pa.DataType:
    scale = max(column.precision or 0, least_scale)
    scale = min(scale, MAX_DECIMAL_DIGITS - whole_digits)
    return pa.decimal128(whole_digits + scale, scale)


def _lookup_table_name(column: Column, taken: set[str]) -> str:
    """``<name>type``, as in Dataverse's SQL endpoint, unless a column has that name."""
    names = (f"{column.name}{ending}" for ending in _endings())
    return next(name for name in names if name not in taken)


def _endings() -> Iterator[str]:
    yield "type"
    yield from (f"_type{number}" for number in itertools.count(2))


def _length(field: Field) -> int | None:
    """The most characters of a text column; None if there is no such number."""
    if field.column.type == "UniqueidentifierType":
        return GUID_LENGTH
    if field.column.is_lookup:
        is_key = field.wire_name == field.column.wire_name
        return GUID_LENGTH if is_key else NAME_LENGTH
    return field.column.max_length


def hints_of(schema: pa.Schema) -> dict[str, TColumnSchema]:
    """Dlt's column hints of a table whose columns are no columns of Dataverse."""
    return {field.name: _hint(field.name, field.type, nullable=field.nullable) for field in schema}


def _hint(name: str, kind: pa.DataType, *, nullable: bool) -> TColumnSchema:
    hint: TColumnSchema = {"name": name, "nullable": nullable}
    if pa.types.is_decimal(kind):
        hint.update({"data_type": "decimal", "precision": kind.precision, "scale": kind.scale})
    elif pa.types.is_timestamp(kind):
        hint["data_type"] = "timestamp"
        if kind.tz is None:
            # Without this hint dlt stores a naive timestamp as UTC.
            hint["timezone"] = False
    else:
        hint["data_type"] = _DATA_TYPES[kind]
    return hint


_DATA_TYPES: dict[pa.DataType, TDataType] = {
    TEXT: "text",
    INTEGER: "bigint",
    pa.bool_(): "bool",
    pa.float64(): "double",
    pa.date32(): "date",
    pa.binary(): "binary",
}
