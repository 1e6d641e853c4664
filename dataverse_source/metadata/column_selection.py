"""Selects the columns to read: all that rows carry, or those that settings name."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence

from dataverse_source.config.values import is_pattern
from dataverse_source.errors import UnknownNameError, did_you_mean
from dataverse_source.metadata.model import Column, Table

HEAVY_COLUMNS = frozenset({("annotation", "documentbody"), ("activitymimeattachment", "body")})
"""(table, column) with whole files as base64; read only if ``select`` names them."""

ALWAYS_READ = ("modifiedon", "versionnumber")
"""Columns that tell when a row changed; always read if the table has them."""


def holds_files(table: Table, column: Column) -> bool:
    """Whether values of the column are whole files or images as base64."""
    return column.type == "ImageType" or (table.logical_name, column.name) in HEAVY_COLUMNS


def readable_columns(table: Table) -> tuple[Column, ...]:
    """The columns that are read if ``select`` is not set.

    Left out are columns that no row carries, columns that accompany others (labels and names),
    images, and columns with whole files.
    """
    return tuple(
        column
        for column in table.columns
        if column.in_rows and column.attribute_of is None and not holds_files(table, column)
    )


def select_columns(
    table: Table, names: Sequence[str] | None, exclude: Sequence[str] = ()
) -> tuple[Column, ...]:
    """The columns to read: the key first, the others in the table's order.

    The key, modifiedon and versionnumber are always included if the table has them.

    Args:
        table: with its columns.
        names: logical names (``parentcustomerid``) or names in rows
            (``_parentcustomerid_value``); None: `readable_columns`.
        exclude: names or patterns of columns that are not read.

    Raises:
        UnknownNameError: lists all columns that do not exist or cannot be read; or the table has
            no primary key.
    """
    if names is None:
        chosen = {column.name for column in readable_columns(table)}
    else:
        chosen = _named(table, names)
    chosen -= _excluded(table, exclude)
    if names is not None or exclude:
        always = (*ALWAYS_READ, *table.key_columns)
        chosen |= {name for name in always if table.has(name) and table.column(name).in_rows}
    if not table.has(table.primary_id):
        raise UnknownNameError(
            f"Table {table.logical_name!r} cannot be read: it has no primary key column",
            remedy="Remove it from tables.",
        )
    key = tuple(table.column(name) for name in table.key_columns)
    others = (one for one in table.columns if one.name in chosen and one not in key)
    return (*key, *others)


def _excluded(table: Table, exclude: Sequence[str]) -> set[str]:
    """Logical names of the columns that ``exclude`` matches; a name must match one."""
    names = {column.name for column in table.columns}
    matched = {one: set(fnmatch.filter(names, one.lower())) for one in exclude}
    unknown = [one for one, found in matched.items() if not found and not is_pattern(one)]
    if unknown:
        hints = (did_you_mean(name, names) for name in unknown)
        raise UnknownNameError(
            f"Table {table.logical_name!r} has no column {', '.join(map(repr, unknown))}, which "
            "exclude_columns names",
            remedy=" ".join(filter(None, hints)) or "Remove it from exclude_columns.",
        )
    return set().union(*matched.values())


def _named(table: Table, names: Sequence[str]) -> set[str]:
    """Logical names of the columns called ``names``."""
    known = {column.wire_name: column for column in table.columns}
    known |= {column.name: column for column in table.columns}
    wanted = {name: known.get(name) or known.get(name.lower()) for name in names}
    bad = [name for name, column in wanted.items() if column is None or not column.in_rows]
    if bad:
        fit = sorted(column.name for column in table.columns if column.in_rows)
        raise UnknownNameError(
            f"Table {table.logical_name!r} has no readable column "
            + ", ".join(repr(name) for name in bad),
            remedy=" ".join(filter(None, (_column_hint(name, known, fit) for name in bad))) or None,
        )
    return {column.name for column in wanted.values() if column is not None}


def _column_hint(name: str, known: Mapping[str, Column], fit: Sequence[str]) -> str:
    column = known.get(name) or known.get(name.lower())
    if column is None:
        return did_you_mean(name, fit)
    why = f"Dataverse does not return {name!r} ({column.type}) in rows"
    if column.attribute_of:
        why = f"{name!r} accompanies {column.attribute_of!r} and is in no row"
    return f"Remove it from select: {why}."
