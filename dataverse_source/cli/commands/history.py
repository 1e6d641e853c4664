"""``dataverse-source history``: the last runs, or the last runs of one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dataverse_source.cli.options import Where, json_option, pipeline_options
from dataverse_source.cli.report_screen import COUNTS
from dataverse_source.cli.screen import Screen, grid

if TYPE_CHECKING:
    from rich.console import Console


@click.command("history")
@click.argument("table", required=False)
@click.option("--last", type=click.IntRange(1), default=10, show_default=True, metavar="N")
@pipeline_options
@json_option
@click.pass_obj
def command(screen: Screen, table: str | None, last: int, where: Where) -> None:
    """Show the last runs, or the last runs of TABLE.

    They are in the destination, in _dataverse_runs and _dataverse_run_tables. Nothing is requested
    from Dataverse.
    """
    from dataverse_source.cli.states import attached, destination_open
    from dataverse_source.loading.history_queries import last_runs, last_runs_of

    pipeline = attached(where)
    with destination_open(pipeline):
        found = last_runs_of(pipeline, table, last) if table else last_runs(pipeline, last)
    screen.show(found, lambda console: _draw(console, found, of_table=table is not None))


def _draw(console: Console, found: list[dict[str, Any]], *, of_table: bool) -> None:
    from dataverse_source.loading.report import duration, number

    if not found:
        console.print("There is no run in the history of this destination.")
        return
    last = "rows now" if of_table else "tables"
    rows = [
        (
            f"{one['started_at']:%Y-%m-%d %H:%M:%S}",
            one["status"],
            duration(one["seconds"]),
            *(number(one[word]) for word in COUNTS),
            number(one["rows_now"] if of_table else one["tables"]),
        )
        for one in found
    ]
    console.print(grid(("started (UTC)", "status", "took", *COUNTS, last), rows, right=2))
    for one in found:
        for word in ("error", "schema_changes"):
            if one.get(word):
                console.print(f"{one['started_at']:%Y-%m-%d %H:%M:%S}: {one[word]}")
