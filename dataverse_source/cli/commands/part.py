"""``dataverse-source part``: reads one part of a plan into the landing place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from dataverse_source.cli.options import environment_option, json_option, name_option
from dataverse_source.cli.screen import Screen

if TYPE_CHECKING:
    from rich.console import Console


@click.command("part")
@click.argument("plan")
@click.argument("number", type=click.IntRange(min=0))
@environment_option
@name_option
@json_option
@click.pass_obj
def command(
    screen: Screen,
    plan: str,
    number: int,
    environment_url: str | None,
    environment: str | None,
) -> None:
    """Read part NUMBER, from 0, of PLAN: path or URL of the file that `plan` wrote.

    Any process on any machine may read it, at any time, and again. A number beyond the last part
    is accepted up to the number of parts that were asked for, so that a job of fixed size can run.
    """
    from dataverse_source.loading.malloc import return_freed_memory
    from dataverse_source.scale_out.parts import read_part

    return_freed_memory()
    report = read_part(plan, number, environment=environment, environment_url=environment_url)
    screen.show(report, lambda console: _draw(console, report))


def _draw(console: Console, report: Mapping[str, Any]) -> None:
    if not report["attempt"]:
        console.print(f"{report['table']}: there is no part {report['number']}; nothing to read.")
        return
    console.print(
        f"{report['table']}: part {report['number']} has {report['rows']:,} rows "
        f"({report['requests']:,} requests, {report['seconds']:.1f} s)."
    )
