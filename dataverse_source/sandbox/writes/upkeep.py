"""Changes that Dataverse makes itself: merges, rollup recalculation, bulk deletes.

Switches decide how each shows in version numbers and changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dataverse_source.sandbox.environment.environment import Environment
from dataverse_source.sandbox.store.layout import quote, sql_table
from dataverse_source.sandbox.store.values import json_text

INACTIVE = {"statecode": 1, "statuscode": 2}


def merge(
    environment: Environment,
    logical_name: str,
    kept: str,
    merged: str,
    content: Mapping[str, Any] | None = None,
) -> None:
    """Merges two rows: one is deactivated and points at the other; it is not deleted.

    Args:
        environment: where.
        logical_name: account, contact or another table with ``merged`` and ``masterid``.
        kept: key of the row that stays.
        merged: key of the row that is deactivated.
        content: columns that the row that stays is given.

    Raises:
        ValueError: the table's rows can't be merged.
        NoSuchRow: there is no such row.
    """
    store = environment.store
    table = store.table(logical_name)
    if not {"merged", "masterid", "statecode", "statuscode"} <= table.by_name.keys():
        raise ValueError(f"Rows of {logical_name} can't be merged.")
    with store.transaction():
        both = environment.switches.merged_rows == "both"
        if content or both:
            store.update(logical_name, kept, content or {})
        store.update(logical_name, merged, {**INACTIVE, "merged": True, "masterid": kept})


def recalculate(
    environment: Environment, logical_name: str, key: str, values: Mapping[str, Any]
) -> None:
    """Writes rollup columns as their recalculation does: modifiedon stays as it is.

    Source: docs page "Calculated and rollup attributes". Whether the version number moves is
    a switch.

    Raises:
        NoSuchRow: there is no such row.
    """
    store = environment.store
    with store.transaction() as connection:
        before = store.row(logical_name, key)
        store.update(logical_name, key, values, touch=False)
        if before is not None and environment.switches.rollup_recalculation == "nothing":
            primary_id = store.table(logical_name).primary_id
            connection.execute(
                f"UPDATE {sql_table(logical_name)} SET versionnumber = ? "  # noqa: S608
                f"WHERE {quote(primary_id)} = ?",
                (before["versionnumber"], json_text(key)),
            )


def delete_in_bulk(environment: Environment, logical_name: str, keys: Iterable[str]) -> None:
    """Deletes rows as bulk delete jobs and long-term retention do.

    Raises:
        NoSuchRow: there is no such row.
    """
    for key in keys:
        environment.store.delete(logical_name, key, in_bulk=True)
