"""``dataverse-source plan``: cuts a table's first load into parts, and forecasts what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from dataverse_source.cli.options import Where, environment_option, json_option, pipeline_options
from dataverse_source.cli.screen import Screen

if TYPE_CHECKING:
    from rich.console import Console

    from dataverse_source.loading.parts.forecast import Forecast


@click.command("plan")
@click.argument("table")
@click.option("--parts", type=int, default=64, show_default=True, help="Most parts.")
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    help="Write the plan to a file, for `part` and `finish`: a path, or the URL of a bucket.",
)
@click.option(
    "--users",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Application users that share the work, for the forecast.",
)
@click.option(
    "--servers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Web servers of the environment, for the forecast.",
)
@click.option("--forecast", "only", is_flag=True, help="Only forecast; plan nothing.")
@environment_option
@pipeline_options
@json_option
@click.pass_obj
def command(
    screen: Screen,
    table: str,
    parts: int,
    output: str | None,
    users: int,
    servers: int,
    only: bool,
    environment_url: str | None,
    where: Where,
) -> None:
    """Plan the first load of TABLE in parts, which many processes can read.

    It reads the keys of all rows, and counts them. Then each part is read with `part`, on any
    machine, and `finish` loads all of them. Once the table is loaded, a plan has no parts, and
    `finish` is an ordinary run.
    """
    from dataverse_source.cli.progress import shown
    from dataverse_source.loading.parts.landing import write_plan_file
    from dataverse_source.loading.project_pipeline import project_pipeline
    from dataverse_source.scale_out.parts import plan_load

    def told(name: str, found: Forecast) -> bool:
        if not screen.json:
            draw_forecast(screen.console(stderr=not only), name, found.to_json())
        return not only

    with (
        project_pipeline(where.pipeline, **where.place) as pipeline,
        shown(screen, pipeline),
    ):
        plan = plan_load(
            table,
            pipeline,
            parts,
            environment=where.environment,
            environment_url=environment_url,
            users=users,
            servers=servers,
            on_forecast=told,
        )
    if output is not None and not only:
        write_plan_file(output, plan)
    if screen.json:
        screen.print_json(plan["forecast"] if only else plan)
    elif not only:
        _draw(screen.console(), plan, output)


def _draw(console: Console, plan: Mapping[str, Any], output: str | None) -> None:
    count = len(plan["numbers"])
    name = output or (f"{plan['landing']}/plan.json" if plan["landing"] else None)
    console.print(f"{plan['table']}: {_parts(count)}; {plan['why']}.")
    if not count:
        if name:
            console.print(f"Next: dataverse-source finish {name}")
        else:
            console.print(f"Next: dataverse-source run {plan['table']}")
        return
    sizes = [one["rows"] for one in plan["parts"]]
    console.print(f"Rows in a part: {min(sizes):,} to {max(sizes):,}.")
    console.print(f"Next: dataverse-source part {name} N, with each N from 0 to {count - 1}")
    console.print(f"Then: dataverse-source finish {name}")


def draw_forecast(console: Console, table: str, found: Mapping[str, Any]) -> None:
    """Prints what the first load of a table costs."""
    rows = found["rows"]
    console.print(f"{table}: {'about ' if rows else ''}{_number(rows)} rows")
    console.print(
        f"  rows: {_of(found['requests'], 'request')}, {_time(found['execution_seconds'])} of "
        "execution time if all pages take as long as the first"
    )
    shares = f"{_of(found['users'], 'application user')} and {_of(found['servers'], 'web server')}"
    console.print(
        f"  time: at least {_time(found['seconds'])} with {shares}, by the limit on "
        f"{found['bound_by']}"
    )
    console.print(
        f"  keys: {_of(found['key_requests'], 'request')}, one after the other, before the parts; "
        "as many again at the end"
    )


def _number(count: int | None) -> str:
    return "an unknown number of" if count is None else f"{count:,}"


def _parts(count: int) -> str:
    return "no parts" if not count else _of(count, "part")


def _of(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
