"""``dataverse-source reset``: forces a full reload of a table on the next run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from dataverse_source.cli.failures import FAILED
from dataverse_source.cli.options import Where, json_option, pipeline_options
from dataverse_source.cli.screen import Screen

if TYPE_CHECKING:
    import dlt

    from dataverse_source.cli.states import KnownTable


@click.command("reset")
@click.argument("tables", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All tables of the pipeline.")
@pipeline_options
@click.option("--yes", is_flag=True, help="Skip the confirmation.")
@json_option
@click.pass_obj
def command(screen: Screen, tables: tuple[str, ...], every: bool, where: Where, yes: bool) -> None:
    """Force a full reload of TABLES on the next run.

    Their sync state is deleted in the pipeline's working folder and in the destination. Their
    rows stay until the next run replaces them.
    """
    from dataverse_source.cli.states import attached, known_tables
    from dataverse_source.loading.recovery import settle_pending

    if screen.json and not yes:
        raise click.UsageError("Add --yes: with --json there is no confirmation prompt.")
    if bool(tables) == every:
        raise click.UsageError("Name the tables, or give --all.")
    found = settle_pending(attached(where))
    chosen = (
        known_tables(found) if every else [one for name in tables for one in _chosen(found, name)]
    )
    names = ", ".join(sorted({one.name for one in chosen}))
    if not screen.json:
        click.echo(
            f"The next run reads all rows of {names} again.\n"
            f"The rows in dataset {found.dataset_name} stay until then."
        )
    if not yes and not click.confirm("Continue?"):
        raise click.exceptions.Exit(FAILED)
    _forget(found, {one.logical_name for one in chosen})
    done = [{"table": one.name, "configured_as": one.configured_as} for one in chosen]
    screen.show({"reset": done}, lambda console: console.print("Done."))


def _chosen(pipeline: dlt.Pipeline, name: str) -> list[KnownTable]:
    """The states of the table: one for each name or pattern that it was loaded with.

    Raises:
        UnknownNameError: the pipeline has not loaded such a table.
    """
    from dataverse_source.cli.states import known_tables
    from dataverse_source.errors import UnknownNameError, did_you_mean

    known = known_tables(pipeline)
    chosen = [one for one in known if name.lower() in (one.name, one.logical_name)]
    if not chosen:
        names = sorted({name for one in known for name in (one.name, one.logical_name)})
        raise UnknownNameError(
            f"Pipeline {pipeline.pipeline_name!r} has not loaded a table {name!r}",
            remedy=did_you_mean(name, names) or _choices(names),
        )
    return chosen


def _choices(names: Sequence[str]) -> str:
    if not names:
        return "Nothing to reset: this pipeline has not loaded any table yet."
    return f"Choose one of: {', '.join(names)}."


def _forget(pipeline: dlt.Pipeline, logical_names: set[str]) -> None:
    """Deletes the tables' state here and, with a load package, in the destination."""
    from dataverse_source.sync.state import table_states

    with pipeline.managed_state(extract_state=True) as state:
        for _, _, tables in table_states(dict(state)):
            for name in logical_names:
                tables.pop(name, None)
    pipeline.normalize()
    pipeline.load(raise_on_failed_jobs=True)
