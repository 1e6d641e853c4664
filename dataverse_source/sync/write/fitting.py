"""Fits rows to what the destination can hold: exact decimals as text, or an error that names a row.

What fits is left as it is. Text that a destination would change in silence is found here, before it
is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
from dlt.common.schema.typing import TColumnSchema

from dataverse_source.arrow.schema import TEXT
from dataverse_source.errors import DataError
from dataverse_source.sync.abilities import Abilities


def fitted_hints(
    hints: Mapping[str, TColumnSchema], abilities: Abilities | None
) -> dict[str, TColumnSchema]:
    """The hints of `fitted` rows."""
    if abilities is None or not abilities.rounds_decimals:
        return dict(hints)
    return {
        name: {"name": name, "nullable": hint.get("nullable", True), "data_type": "text"}
        if hint.get("data_type") == "decimal"
        else hint
        for name, hint in hints.items()
    }


def fitted(rows: pa.Table, abilities: Abilities | None) -> pa.Table:
    """The rows, with decimals as text where the destination would round them."""
    if abilities is None or not abilities.rounds_decimals:
        return rows
    for number, field in enumerate(rows.schema):
        if pa.types.is_decimal(field.type):
            text = pa.field(field.name, TEXT, nullable=field.nullable)
            rows = rows.set_column(number, text, _digits(rows[field.name]))
    return rows


def _digits(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The decimals as text without an exponent: Arrow writes 0.0000000000 as 0E-10."""
    texts = column.cast(TEXT)
    if not pc.any(pc.match_substring(texts, "E")).as_py():
        return texts
    plain = [None if one is None else format(Decimal(one), "f") for one in texts.to_pylist()]
    return pa.chunked_array([pa.array(plain, TEXT)])


def check_text(rows: pa.Table, abilities: Abilities | None, table: str, key: str) -> None:
    """Checks that text has no character that the destination refuses.

    Args:
        rows: of the table.
        abilities: of the destination.
        table: its name in messages.
        key: its key column.

    Raises:
        DataError: it has; names the row and the column.
    """
    if abilities is None or not abilities.refuses_nul:
        return
    for name, column in _texts(rows):
        found = pc.index(pc.match_substring(column, "\0"), True).as_py()
        if found >= 0:
            raise DataError(
                f"Table {table} has text with the character U+0000, which {abilities.destination} "
                "refuses",
                where=f"{table} {rows[key][found].as_py()}, column {name}",
                remedy="Correct the row in Dataverse, or leave the column out: exclude_columns = "
                f'["{name}"] in [sources.dataverse.table_settings.{table}].',
            )


def has_empty_text(rows: pa.Table) -> bool:
    """Whether a column of text has empty text."""
    return any(pc.any(pc.equal(column, "")).as_py() for _name, column in _texts(rows))


def _texts(rows: pa.Table) -> Iterator[tuple[str, pa.ChunkedArray]]:
    for field in rows.schema:
        if field.type == TEXT:
            yield field.name, rows[field.name]
