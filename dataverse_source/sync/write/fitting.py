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
from dataverse_source.sync.write.column_types import changed

LONGEST_NVARCHAR = 4000
"""Characters that SQL Server takes in ``nvarchar(n)``; longer text is ``nvarchar(max)``."""

BYTES_A_CHARACTER = 3
"""Of UTF-8, at most: Dataverse counts characters as UTF-16 does, in which four bytes are two."""


def loaded_hints(
    hints: Mapping[str, TColumnSchema],
    wanted: Mapping[str, TColumnSchema],
    abilities: Abilities | None,
) -> dict[str, TColumnSchema]:
    """The hints of columns as they are loaded.

    Args:
        hints: from the metadata, by column.
        wanted: hints of the user that change types; they win.
        abilities: of the destination.
    """
    return fitted_hints(changed(fitted_lengths(hints, abilities), wanted), abilities)


def fitted_lengths(
    hints: Mapping[str, TColumnSchema], abilities: Abilities | None
) -> dict[str, TColumnSchema]:
    """The hints with lengths of text that the destination has: none where a text is too long."""
    if abilities is None or abilities.dialect not in ("tsql", "redshift"):
        return dict(hints)
    dialect = abilities.dialect
    longest = abilities.longest_text or LONGEST_NVARCHAR
    found: dict[str, TColumnSchema] = {}
    for name, hint in hints.items():
        length = hint.get("precision") if hint.get("data_type") == "text" else None
        if length is None:
            found[name] = hint
            continue
        if dialect == "redshift":  # counts bytes
            length *= BYTES_A_CHARACTER
        kept = {key: value for key, value in hint.items() if key != "precision"}
        if length <= longest:
            kept["precision"] = length
        found[name] = kept  # type: ignore[assignment]
    return found


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


def looks_at_values(abilities: Abilities) -> bool:
    """Whether a destination holds some values differently, or not at all."""
    return bool(
        abilities.rounds_decimals
        or abilities.refuses_nul
        or abilities.longest_text
        or abilities.years
        or abilities.empties_text
    )


def check_values(rows: pa.Table, abilities: Abilities | None, table: str, key: str) -> None:
    """Checks that no value is one that the destination refuses, cuts or changes.

    Args:
        rows: of the table.
        abilities: of the destination.
        table: its name in messages.
        key: its key column.

    Raises:
        DataError: there is one; names the row and the column.
    """
    if abilities is None:
        return
    place, longest, years = abilities.destination, abilities.longest_text, abilities.years
    checks: list[tuple[pa.ChunkedArray, str, str]] = []
    for name, column in _texts(rows) if abilities.refuses_nul or longest else ():
        if abilities.refuses_nul:
            found = pc.match_substring(column, "\0")
            checks.append((found, name, f"text with the character U+0000, which {place} refuses"))
        if longest:
            found = pc.greater(pc.binary_length(column), longest)
            what = f"text of more than {longest:,} bytes, the most that {place} takes"
            checks.append((found, name, what))
    for field in rows.schema if years else ():
        if years and pa.types.is_timestamp(field.type):
            year = pc.year(rows[field.name])
            found = pc.or_(pc.less(year, years[0]), pc.greater(year, years[1]))
            what = f"a time out of the years {years[0]} to {years[1]}, which {place} changes"
            checks.append((found, field.name, what))
    for found, name, what in checks:
        position = pc.index(found, True).as_py()
        if position >= 0:
            raise DataError(
                f"Table {table} has {what}",
                where=f"{table} {rows[key][position].as_py() if key else ''}, column {name}",
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
