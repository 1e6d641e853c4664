"""``dataverse-source tables``: the tables of the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dataverse_source.cli.options import environment_option, json_option
from dataverse_source.cli.screen import Screen, grid

if TYPE_CHECKING:
    from rich.console import Console

    from dataverse_source.metadata.model import Table


@click.command("tables")
@click.argument("pattern", default="*")
@click.option("--all", "everything", is_flag=True, help="List tables that patterns skip, too.")
@environment_option
@json_option
@click.pass_obj
def command(screen: Screen, pattern: str, everything: bool, environment_url: str | None) -> None:
    """List the tables of the environment that match PATTERN, such as 'new_*'.

    The pattern is matched against entity set names and logical names.
    """
    from dataverse_source.cli.opening import open_connection
    from dataverse_source.metadata.table_selection import (
        matches_pattern,
        select_tables,
        why_left_out,
    )

    metadata = open_connection([pattern], environment_url=environment_url).metadata
    chosen = [one for one in metadata.tables() if everything and matches_pattern(one, pattern)]
    tables = chosen or list(select_tables([pattern], metadata.tables()))
    tables.sort(key=lambda one: one.entity_set_name or one.logical_name)
    found = [_facts(one, why_left_out(one)) for one in tables]
    screen.show(found, lambda console: _draw(console, found))


def _facts(table: Table, left_out: str | None) -> dict[str, Any]:
    return {
        "entity_set_name": table.entity_set_name,
        "logical_name": table.logical_name,
        "kind": table.kind,
        "change_tracking": table.change_tracking,
        "left_out_by_patterns": left_out,
    }


def _draw(console: Console, found: list[dict[str, Any]]) -> None:
    rows = []
    for one in found:
        tracking = "tracked" if one["change_tracking"] else ""
        notes = one["left_out_by_patterns"] or tracking
        rows.append((one["entity_set_name"] or "-", one["logical_name"], one["kind"], notes))
    console.print(grid(("table", "logical name", "kind", "changes"), rows))
    console.print(f"\n{len(found):,} tables")
