"""Checks hints that users put on a table's resource: those that keep the table right are taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dlt.common.schema.typing import TColumnSchema

from dataverse_source.errors import ConfigurationError
from dataverse_source.sync.abilities import DELETE_INSERT, merge_by

MERGE = merge_by(DELETE_INSERT)
"""The write disposition of a table's resource, unless the user gives it another."""

OF_THE_MERGE = ("merge_key", "hard_delete", "dedup_sort", "row_key", "root_key", "unique")
"""Column hints that decide which rows a merge removes."""


def check_hints(table: str, given: Mapping[str, Any]) -> None:
    """Checks hints, or arguments of ``pipeline.run``, as soon as they are given.

    Args:
        table: name of the table's resource.
        given: arguments of dlt's ``apply_hints``.

    Raises:
        ConfigurationError: a hint would break the table.
    """
    for hint, value in given.items():
        if hint != "incremental" and callable(value) and not isinstance(value, type):
            raise _refused(table, hint, "its value would depend on the rows", "Give a value.")
    if given.get("table_name") not in (None, "", table):
        raise _refused(
            table,
            "table_name",
            f"{table} is what its state, the catalog and comparisons call it",
            "Leave it out. For another name make a view, or set another dataset_name.",
        )
    if given.get("parent_table_name"):
        raise _refused(table, "parent_table_name", "it is no nested table", "Leave it out.")
    if given.get("merge_key"):
        raise _refused(table, "merge_key", "merges would remove other rows", "Leave it out.")
    _check_write_disposition(table, given.get("write_disposition"))


def _check_write_disposition(table: str, given: Any) -> None:
    wanted = dict(given) if isinstance(given, Mapping) else {"disposition": given}
    disposition, strategy = wanted.get("disposition"), wanted.get("strategy")
    if disposition in (None, "replace"):
        return
    if disposition == "merge" and strategy in (None, DELETE_INSERT):
        return
    why, remedy = f"{disposition} is no way to follow changes and deletes", "Leave it out."
    if disposition == "append":
        why = "a row would come again with each of its changes, and deleted rows would stay"
        remedy = "Leave it out. To keep every version of a row set write = 'append' or history."
    elif disposition == "skip":
        why = "rows would be taken as loaded that are not"
        remedy = "Do not select the resource: source.with_resources(...)."
    elif strategy == "scd2":
        why = "it would end the versions of all rows that have not changed"
        remedy = "Set history = true for the table."
    elif disposition == "merge":
        why = f"with {strategy}, deletes of rows that were never loaded would become rows"
    raise _refused(table, f"write_disposition = {given!r}", why, remedy)


def check_columns(
    table: str, key: Sequence[str], columns: Mapping[str, TColumnSchema], primary_key: Any
) -> None:
    """Checks hints that need the table's metadata, when it is read.

    Args:
        table: its name.
        key: its key columns.
        columns: hints of the user by column.
        primary_key: hint of the user.

    Raises:
        ConfigurationError: a hint would break the table.
    """
    wanted = [primary_key] if isinstance(primary_key, str) else list(primary_key or key)
    wanted += [name for name, hint in columns.items() if hint.get("primary_key")]
    if set(wanted) - set(key):
        raise _refused(
            table,
            f"primary_key = {sorted(set(wanted) - set(key))}",
            f"Dataverse tells rows apart by {' and '.join(key)}, and deletes have nothing else",
            "Leave it out.",
        )
    for name, hint in columns.items():
        own = next((one for one in OF_THE_MERGE if hint.get(one)), None)
        if own is not None and name not in key:
            raise _refused(table, f"{own} of column {name}", "merges would remove other rows", "")
        if name in key and hint.get("data_type", "text") != "text":
            raise _refused(table, f"data_type of {name}", "it is the key", "")
        if hint.get("nullable") is False and name not in key:
            raise _refused(table, f"nullable = False of {name}", "deletes have only the key", "")


def _refused(table: str, what: str, why: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(
        f"Table {table} cannot be loaded with the hint {what}: {why}",
        where=table,
        remedy=remedy or "Leave the hint out.",
    )
