"""``dataverse-source freshness``: how old the tables are, with an exit code for alerts."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import click

from dataverse_source.cli.failures import FAILED
from dataverse_source.cli.freshness_facts import STYLES, freshness_of, freshness_options
from dataverse_source.cli.options import Where, json_option, pipeline_options
from dataverse_source.cli.screen import Screen, grid
from dataverse_source.cli.times import in_words

if TYPE_CHECKING:
    from rich.console import Console


@click.command("freshness")
@click.argument("tables", nargs=-1)
@freshness_options
@pipeline_options
@json_option
@click.pass_obj
def command(
    screen: Screen, tables: tuple[str, ...], warn: timedelta, error: timedelta, where: Where
) -> int:
    """Tell how long ago TABLES were last synced; the exit code is 1 if one is too old.

    By default all that the pipeline has ever loaded: name TABLES if you no longer sync some.

    A table is as old as the begin of the last run that loaded it. SPAN is a number with a unit,
    such as 30m, 2h or 7d. A table that is older than --warn is named; one that is older than
    --error, or has never been synced, fails. Nothing is requested from Dataverse.
    """
    from dataverse_source.cli.states import attached, destination_open, known_tables
    from dataverse_source.loading.history_queries import last_of_each

    pipeline = attached(where)
    with destination_open(pipeline):
        synced = last_of_each(pipeline, "ok")
        failed = last_of_each(pipeline)
        names = sorted({one.name for one in known_tables(pipeline)} | set(failed))
    now = datetime.now(timezone.utc)
    # a table that is named and was never loaded is not fresh either
    asked = tables or names
    found = [freshness_of(name, synced.get(name), now, warn, error) for name in asked]
    worst = max((one["status"] for one in found), key=list(STYLES).index, default="error")
    value = {"status": worst, "tables": found}
    screen.show(value, lambda console: _draw(console, found))
    return FAILED if worst == "error" else 0


def _draw(console: Console, tables: list[dict[str, Any]]) -> None:
    rows = [
        (
            one["table"],
            "never"
            if one["age_seconds"] is None
            else f"{in_words(timedelta(seconds=one['age_seconds']))} ago",
            one["status"],
        )
        for one in tables
    ]
    console.print(grid(("table", "last synced", "freshness"), rows))
    counts = {status: sum(one["status"] == status for one in tables) for status in STYLES}
    console.print("\n" + ", ".join(f"{count} {status}" for status, count in counts.items()))
    if not tables:
        console.print("No table has been synced yet.")
