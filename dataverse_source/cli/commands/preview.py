"""``dataverse-source preview``: a few rows of a table as they would be loaded."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from dataverse_source.cli.options import columns_like, environment_option, json_option
from dataverse_source.cli.screen import Screen, grid

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import Console

    from dataverse_source.loading.connection import Connection

LONGEST_CELL = 60
"""Characters of a value that are shown; --json shows all."""


@click.command("preview")
@click.argument("table")
@click.option("--rows", type=click.IntRange(1, 5000), default=3, show_default=True, metavar="N")
@click.option("--columns", metavar="NAMES", help="Names or patterns of columns, apart by commas.")
@environment_option
@json_option
@click.pass_obj
def command(
    screen: Screen, table: str, rows: int, columns: str | None, environment_url: str | None
) -> None:
    """Show a few rows of TABLE as they would be loaded: same columns, types and labels.

    Nothing is loaded.
    """
    from dataverse_source.cli.opening import open_connection

    found = _rows(open_connection([table], environment_url=environment_url), table, rows)
    if columns:
        found = found.select(columns_like(columns, found.column_names))
    screen.show(found.to_pylist(), lambda console: _draw(console, found))


def _rows(connection: Connection, name: str, count: int) -> pa.Table:
    """The first rows by key, read and decoded as in a run."""
    import pyarrow as pa

    from dataverse_source.loading.table_reading import labels_for, open_table

    reader = open_table(connection, name, page_size=count)
    batches: list[pa.Table] = []
    for batch in reader.batches():  # a page can be smaller than what was asked for
        batches.append(batch)
        if sum(one.num_rows for one in batches) >= count:
            break
    found = pa.concat_tables(batches).slice(0, count)
    return labels_for(connection, reader).add_to(found)


def _draw(console: Console, found: pa.Table) -> None:
    """One line per column, as tables of Dataverse have too many columns for one line per row."""
    if not found.num_rows:
        console.print("The table has no rows that the user may read.")
        return
    rows = found.to_pylist()
    headings = ("column", *(f"row {number}" for number in range(1, len(rows) + 1)))
    filled = [name for name in found.column_names if found[name].null_count < found.num_rows]
    console.print(grid(headings, ((name, *(_cell(row[name]) for row in rows)) for name in filled)))
    empty = found.num_columns - len(filled)
    if empty:
        console.print(f"\n{empty:,} more columns are empty in these rows (--json shows them)")


def _cell(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, Decimal):
        return f"{value:f}"
    text = '""' if value == "" else str(value).replace("\n", "\\n")
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…"
