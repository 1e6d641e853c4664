"""Version numbers and etags of rows: rowversions of standard tables, ticks of elastic ones."""

from __future__ import annotations

from dataverse_source.sandbox.schema.tables import Table

ELASTIC_BASE = 638_700_000_000_000_000
"""Elastic rows print a number like 638751549947120004 (docs sample), beyond 2 to the 53."""


def version_base(table: Table) -> int:
    """What a table's version numbers are above the numbers of the store's sequence."""
    return ELASTIC_BASE if table.table_type == "Elastic" else 0


TICKS_PER_SECOND = 10_000_000
SECONDS_TO_1970 = 62_135_596_800
"""Ticks are of 100 nanoseconds, since the year 1."""


def etag_text(table: Table, version: int) -> str:
    """What stands in a row's etag, ``W/"<text>"``.

    That of an elastic row ends in the seconds of its version number: 638751549947120004 was
    seen with ``e2011275-0000-0200-0000-67af8d320000``.
    """
    if table.table_type != "Elastic":
        return str(version)
    number, seconds = version - ELASTIC_BASE, version // TICKS_PER_SECOND - SECONDS_TO_1970
    return f"{number & 0xFFFFFFFF:08x}-0000-0200-0000-{seconds:08x}0000"


def etag_sql(table: Table, version: str) -> str:
    """SQL of the same, from the SQL of the version number."""
    if table.table_type != "Elastic":
        return version
    number = f"({version} - {ELASTIC_BASE})"
    seconds = f"({version} / {TICKS_PER_SECOND} - {SECONDS_TO_1970})"
    return f"printf('%08x-0000-0200-0000-%08x0000', {number} & 4294967295, {seconds})"
