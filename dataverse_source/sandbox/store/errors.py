"""Errors of the store."""

from __future__ import annotations

from dataverse_source.sandbox.schema.tables import Table


class NoSuchRow(LookupError):
    """There is no row with this key."""


class DuplicateRow(ValueError):
    """There is a row with this key already."""


def no_such_row(table: Table, key: str) -> NoSuchRow:
    """The error for a key that no row has, in Dataverse's words."""
    return NoSuchRow(f"{table.logical_name} With Id = {key} Does Not Exist")
