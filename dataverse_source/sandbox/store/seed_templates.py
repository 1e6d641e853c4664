"""Template rows of made-up values, which `seed` multiplies into the rows of a table."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from dataverse_source.sandbox.schema.tables import LOOKUP_TYPES, Column, Table
from dataverse_source.sandbox.store.layout import is_polymorphic
from dataverse_source.sandbox.store.seed_values import made_up_row
from dataverse_source.sandbox.store.values import encode, has_sort_key

Targets = dict[str, list[tuple[str, str]]]
"""The rows that lookups may be made to point at, by column."""


def templates(
    table: Table, columns: list[Column], targets: Targets, made_from: str, size: int
) -> Iterator[list[Any]]:
    """Template rows: their number and the cells of ``columns``.

    Args:
        table: of the rows.
        columns: of the table.
        targets: what lookups may be made to point at.
        made_from: the same text makes the same rows.
        size: how many.
    """
    random = Random(made_from)  # noqa: S311
    plain = [column for column in columns if column.type not in LOOKUP_TYPES]
    for number in range(size):
        values = made_up_row(table, plain, random, number)
        cells: list[Any] = [number]
        for column in columns:
            if column.type in LOOKUP_TYPES:
                cells += _link(column, targets[column.name], random)
            else:
                text, key = encode(column, values[column.name])
                cells += [text, key] if has_sort_key(column) else [text]
        yield cells


def _link(column: Column, rows: list[tuple[str, str]], random: Random) -> list[Any]:
    """A lookup's cells: mostly one of ``rows``, sometimes nothing."""
    required = column.type == "Owner" or column.name in (
        "transactioncurrencyid",
        "createdby",
        "modifiedby",
        "owningbusinessunit",
        "businessunitid",
    )
    filled = bool(rows) and (required or random.random() < 0.7)
    key, target = random.choice(rows) if filled else (None, None)
    return [key, target] if is_polymorphic(column) else [key]
