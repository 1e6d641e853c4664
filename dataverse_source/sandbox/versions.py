"""Version numbers and etags of rows: rowversions of standard tables, ticks of elastic ones."""

from __future__ import annotations

from dataverse_source.sandbox.tables import Table

ELASTIC_BASE = 638_700_000_000_000_000
"""Elastic rows print a number like 638751549947120004 (docs sample), beyond 2 to the 53."""


def version_base(table: Table) -> int:
    """What a table's version numbers are above the numbers of the store's sequence."""
    return ELASTIC_BASE if table.table_type == "Elastic" else 0


def etag_text(table: Table, version: int) -> str:
    """What stands in a row's etag, ``W/"<text>"``.

    Elastic rows were seen with ``e2011275-0000-0200-0000-67af8d320000``.
    """
    if table.table_type != "Elastic":
        return str(version)
    number = version - ELASTIC_BASE
    return f"{number & 0xFFFFFFFF:08x}-0000-0200-0000-{number >> 32:012x}"


def etag_sql(table: Table, version: str) -> str:
    """SQL of the same, from the SQL of the version number."""
    if table.table_type != "Elastic":
        return version
    number = f"({version} - {ELASTIC_BASE})"
    return f"printf('%08x-0000-0200-0000-%012x', {number} & 4294967295, {number} >> 32)"
