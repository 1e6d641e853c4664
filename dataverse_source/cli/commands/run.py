"""``dataverse-source run``: syncs tables to the destination and shows the progress."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from dataverse_source.cli.failures import INTERRUPTED
from dataverse_source.cli.options import environment_option, json_option, pipeline_option
from dataverse_source.cli.screen import Screen, grid

if TYPE_CHECKING:
    import dlt
    from rich.console import Console

    from dataverse_source.loading.report import LoadReport

DATASET = "dataverse"


@click.command("run")
@click.argument("tables", nargs=-1)
@environment_option
@pipeline_option
@click.option(
    "--destination",
    metavar="NAME",
    help="A dlt destination, such as postgres.  [default: the setting destination_type, else "
    "duckdb]",
)
@click.option(
    "--dataset",
    metavar="NAME",
    default=DATASET,
    show_default=True,
    help="Schema in the destination.",
)
@json_option
@click.pass_obj
def command(
    screen: Screen,
    tables: tuple[str, ...],
    environment_url: str | None,
    pipeline: str,
    destination: str | None,
    dataset: str,
) -> None:
    """Sync TABLES, names or patterns, to the destination; by default those of the settings.

    The first run reads every row; later runs read only changes. Use the same table name or
    pattern as last time: with another one, the table is read in full again. If a table fails,
    the others are still loaded and the exit code is 1.
    """
    from dataverse_source import load
    from dataverse_source.cli.opening import source_for
    from dataverse_source.cli.progress import shown
    from dataverse_source.loading.malloc import return_freed_memory

    return_freed_memory()
    delete_loaded_files()
    made = make_pipeline(pipeline, destination, dataset)
    source = source_for(tables, environment_url=environment_url)
    try:
        with shown(screen, made):
            report = load(made, source)
    except KeyboardInterrupt:
        click.echo("Stopped. The next run reads what was not loaded.", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
    screen.show(asdict(report), lambda console: _draw(console, report))


def delete_loaded_files() -> None:
    """Has dlt delete the files of a load package once they are loaded, unless that is set.

    Otherwise the working folder keeps a copy of every row that was ever loaded.
    """
    import dlt

    if dlt.config.get("load.delete_completed_jobs", bool) is None:
        dlt.config["load.delete_completed_jobs"] = True


def make_pipeline(name: str, destination: str | None, dataset: str) -> dlt.Pipeline:
    """The pipeline, as pipelines/environment.py makes it.

    Raises:
        ConfigurationError: dlt has no such destination.
    """
    import dlt
    from dlt.common.destination.exceptions import UnknownDestinationModule

    from dataverse_source.errors import ConfigurationError, did_you_mean

    kind = destination or dlt.config.get("destination_type", str) or "duckdb"
    try:
        return dlt.pipeline(name, destination=kind, dataset_name=dataset)
    except UnknownDestinationModule:
        known = [one for one in dir(dlt.destinations) if one.islower()]
        raise ConfigurationError(
            f"dlt has no destination {kind!r}",
            where="--destination, or destination_type in .dlt/config.toml",
            remedy=did_you_mean(kind, known) or "Use one of dlt's, such as duckdb or postgres.",
        ) from None


def _draw(console: Console, report: LoadReport) -> None:
    rows = [
        (one.name, _number(one.rows_read), _gained(one.rows_before, one.rows_after),
         _number(one.rows_after))
        for one in report.tables
    ]  # fmt: skip
    console.print(grid(("table", "rows read", "gained", "rows now"), rows, right=1))
    # The rest of the report: requests, time, destination.
    rest = str(report).splitlines()[len(report.tables) :]
    console.print()
    for line in rest:
        console.print(line, soft_wrap=True)


def _gained(before: int | None, after: int | None) -> str:
    if before is None or after is None:
        return "?"
    return f"{after - before:+,}" if after != before else "0"


def _number(value: Any) -> str:
    return "?" if value is None else f"{value:,}"
