"""Finds what has changed in the metadata of the loaded tables since the catalog was last loaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import dlt
import pyarrow as pa

from dataverse_source.config.log import logger
from dataverse_source.loading.destination_queries import Query, select, where_own

Changes = dict[str, list[str]]
"""By the table's name in the destination, such as ``column added: new_code (String)``."""

_TABLES = ("table", "metadata_id")
_COLUMNS = ("table", "column", "type", "readable", "secured")


def changes_since_last_load(pipeline: dlt.Pipeline, tables: pa.Table, columns: pa.Table) -> Changes:
    """What differs from the catalog in the destination; nothing if that cannot be read.

    Args:
        pipeline: that loads the catalog; call it on dlt's own thread.
        tables: the new rows of ``_dataverse_tables``.
        columns: those of ``_dataverse_columns``.
    """
    try:
        known = pipeline.default_schema.get_table("_dataverse_columns")["columns"]
        loaded = tuple(name for name in _COLUMNS if name in known)  # earlier versions lack the last
        own = where_own(pipeline)
        queries = [
            Query("_dataverse_tables", _TABLES, where=own),
            Query("_dataverse_columns", loaded, where=own),
        ]
        old_tables, old_columns = select(pipeline, queries)
    except Exception as error:  # each destination's driver has errors of its own
        logger.info("Changes of the schema are not found: %s", error)
        return {}
    found: Changes = {}
    for name, text in (
        *renamed(old_tables or (), _rows(tables, _TABLES)),
        *changed(old_columns or (), _rows(columns, _COLUMNS)),
    ):
        found.setdefault(name, []).append(text)
    return found


def renamed(
    old: Iterable[Sequence[Any]], new: Iterable[Sequence[Any]]
) -> Iterator[tuple[str, str]]:
    """Tables whose entity set has another name."""
    before = {metadata_id: name for name, metadata_id in old if metadata_id}
    for name, metadata_id in new:
        earlier = before.get(metadata_id)
        if earlier is not None and earlier != name:
            yield str(name), f"table renamed: it was {earlier}"


def changed(
    old: Iterable[Sequence[Any]], new: Iterable[Sequence[Any]]
) -> Iterator[tuple[str, str]]:
    """Columns that are new, gone, of another type or secured, of tables that were there before."""
    before, after = _by_table(old), _by_table(new)
    for table, columns in after.items():
        earlier = before.get(table)
        if earlier is None:
            continue
        for column, (kind, secured) in columns.items():
            if column not in earlier:
                yield table, f"column added: {column} ({kind})"
                continue
            old_kind, was_secured = earlier[column]
            if old_kind != kind:
                yield table, f"column retyped: {column} ({old_kind} -> {kind})"
            if was_secured is not None and secured != was_secured:
                yield table, f"column {'became' if secured else 'no longer'} secured: {column}"
        for column, (kind, _) in earlier.items():
            if column not in columns:
                yield table, f"column dropped: {column} ({kind})"


def _by_table(
    rows: Iterable[Sequence[Any]],
) -> Mapping[str, dict[str, tuple[str, bool | None]]]:
    """Type of each column that rows have, and whether it is secured if that is known, by table."""
    found: dict[str, dict[str, tuple[str, bool | None]]] = {}
    for table, column, kind, readable, *secured in rows:
        columns = found.setdefault(str(table), {})
        if readable:
            known = bool(secured[0]) if secured and secured[0] is not None else None
            columns[str(column)] = str(kind), known
    return found


def _rows(table: pa.Table, columns: Sequence[str]) -> Iterator[Sequence[Any]]:
    return zip(*(table[name].to_pylist() for name in columns), strict=True)
