"""``dataverse-source reset``: has a table read again in full by the next run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dataverse_source.cli.failures import FAILED
from dataverse_source.cli.options import json_option, pipeline_option
from dataverse_source.cli.screen import Screen

if TYPE_CHECKING:
    import dlt

    from dataverse_source.cli.states import KnownTable


@click.command("reset")
@click.argument("table")
@pipeline_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def command(screen: Screen, table: str, pipeline: str, yes: bool) -> None:
    """Have TABLE read again in full by the next run.

    What is remembered of the table is forgotten, in the pipeline's working folder and in the
    destination. Its rows stay until the next run puts those in their place that Dataverse has.
    """
    from dataverse_source.cli.states import attached
    from dataverse_source.loading.packages import settle_pending

    if screen.json and not yes:
        raise click.UsageError("With --json, say --yes as well: nobody can be asked.")
    found = settle_pending(attached(pipeline))
    chosen = _chosen(found, table)
    names = ", ".join(sorted({one.name for one in chosen}))
    if not screen.json:
        click.echo(
            f"The next run reads all rows of {names} again.\n"
            f"The rows in dataset {found.dataset_name} stay until then."
        )
    if not yes and not click.confirm("Go on?"):
        raise click.exceptions.Exit(FAILED)
    _forget(found, {one.logical_name for one in chosen})
    done = [{"table": one.name, "configured_as": one.configured_as} for one in chosen]
    screen.show({"reset": done}, lambda console: console.print("Done."))


def _chosen(pipeline: dlt.Pipeline, name: str) -> list[KnownTable]:
    """What is remembered of the table; more than once if it was asked for in several ways.

    Raises:
        UnknownNameError: the pipeline has not read such a table.
    """
    from dataverse_source.cli.states import known_tables
    from dataverse_source.errors import UnknownNameError, did_you_mean

    known = known_tables(pipeline)
    chosen = [one for one in known if name.lower() in (one.name, one.logical_name)]
    if not chosen:
        names = sorted({name for one in known for name in (one.name, one.logical_name)})
        raise UnknownNameError(
            f"The pipeline {pipeline.pipeline_name!r} has not read a table {name!r}",
            remedy=did_you_mean(name, names) or f"It has read {', '.join(names) or 'none'}.",
        )
    return chosen


def _forget(pipeline: dlt.Pipeline, logical_names: set[str]) -> None:
    """Takes the tables out of the state, here and, with a load package of its own, there."""
    from dataverse_source.cli.states import states

    with pipeline.managed_state(extract_state=True) as state:
        for _, tables in states(dict(state)):
            for name in logical_names:
                tables.pop(name, None)
    pipeline.normalize()
    pipeline.load().raise_on_failed_jobs()
