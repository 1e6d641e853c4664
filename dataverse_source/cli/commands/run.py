"""``dataverse-source run``: syncs tables to the destination and shows the progress."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dataverse_source.cli.failures import INTERRUPTED
from dataverse_source.cli.options import Where, environment_option, json_option, pipeline_options
from dataverse_source.cli.report_screen import draw_report
from dataverse_source.cli.screen import Screen

if TYPE_CHECKING:
    import dlt
    from dlt.extract import DltSource

    from dataverse_source.loading.report import LoadReport


class RunCommand(click.Command):
    """Takes ``--json`` with or without a file, whose name ends in ``.json``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parses; ``--json FILE.json`` is another option than ``--json``."""
        for index, (one, following) in enumerate(itertools.pairwise(args)):
            if one == "--json" and following.endswith(".json"):
                args = [*args[:index], "--results", *args[index + 1 :]]
                break
        return super().parse_args(ctx, args)


@click.command("run", cls=RunCommand)
@click.argument("tables", nargs=-1)
@environment_option
@pipeline_options
@click.option(
    "--start-over",
    is_flag=True,
    help="First drop the loaded tables and their history; needed when the settings lead to "
    "another environment than before.",
)
@click.option(
    "--bucket",
    metavar="N/COUNT",
    help="Only the tables of one bucket, such as 0/8 to 7/8, with a pipeline of its own; COUNT "
    "must never change.",
)
@click.option("--quiet", "-q", is_flag=True, help="Print only what failed.")
@click.option(
    "--results",
    type=click.Path(dir_okay=False, path_type=Path),
    hidden=True,
)
@json_option
@click.pass_obj
def command(
    screen: Screen,
    tables: tuple[str, ...],
    environment_url: str | None,
    where: Where,
    start_over: bool,
    bucket: str | None,
    quiet: bool,
    results: Path | None,
) -> None:
    """Sync TABLES, names or patterns, to the destination; by default those of the settings.

    The first run reads every row; later runs read only changes. Use the same table name or
    pattern as last time: with another one, the table is read in full again. If a table fails,
    the others are still loaded and the exit code is 1.

    --json FILE.json writes the results to a file, also if the run fails.
    """
    from dataverse_source.config.log import logger
    from dataverse_source.loading.malloc import return_freed_memory
    from dataverse_source.loading.memory import limit_duckdb_memory
    from dataverse_source.scale_out.sources import source_for

    screen.quiet = quiet
    screen.results = results
    return_freed_memory()
    limit_duckdb_memory()
    delete_loaded_files()
    silence = logger.only_errors() if quiet else contextlib.nullcontext()
    given = {"environment_url": environment_url, "bucket": _bucket(bucket, tables)}

    def source() -> DltSource:
        return source_for(tables, environment=where.environment, **given)

    with silence, _pipeline(given["bucket"], where) as pipeline:
        report = _load(screen, pipeline, source, start_over=start_over)
    if given["bucket"] and given["bucket"].startswith("0/"):
        with silence:
            _load_catalog(where, environment_url)
    screen.write_results(asdict(report))
    if not quiet or screen.json:
        screen.show(asdict(report), lambda console: draw_report(console, report))


def _bucket(given: str | None, tables: Sequence[str]) -> str | None:
    """The bucket of the option, or of the setting; None if all tables are synced.

    Raises:
        ConfigurationError: there is no such bucket.
        UsageError: tables are named as well.
    """
    import dlt

    from dataverse_source.config.setting_names import SECTION
    from dataverse_source.scale_out.buckets import known_bucket

    found = given or dlt.config.get(f"{SECTION}.bucket", str)
    if found is None:
        return None
    if tables:
        raise click.UsageError(
            "A bucket holds tables of the settings: leave TABLES out, or --bucket."
        )
    return known_bucket(found)


@contextlib.contextmanager
def _pipeline(bucket: str | None, where: Where) -> Iterator[dlt.Pipeline]:
    from dataverse_source.loading.project_pipeline import project_pipeline
    from dataverse_source.scale_out.buckets import bucket_pipeline

    if bucket is None:
        made = project_pipeline(where.pipeline, **where.place)
    else:
        made = bucket_pipeline(bucket, where.pipeline, **where.place)
    with made as pipeline:
        yield pipeline


def _load_catalog(where: Where, environment_url: str | None) -> None:
    """Loads the tables that describe those of all buckets."""
    from dataverse_source import load
    from dataverse_source.scale_out.buckets import catalog_pipeline, catalog_source

    with catalog_pipeline(where.pipeline, **where.place) as pipeline:
        load(
            pipeline,
            catalog_source(environment=where.environment, environment_url=environment_url),
        )


def _load(
    screen: Screen, pipeline: dlt.Pipeline, source: Callable[[], DltSource], *, start_over: bool
) -> LoadReport:
    """Loads; asks on a terminal before the rows of another environment are dropped."""
    from dataverse_source import load
    from dataverse_source.cli.progress import shown
    from dataverse_source.errors import OtherEnvironmentError

    if start_over:
        pipeline.refresh = "drop_sources"
    try:
        made = source()
        with shown(screen, pipeline):
            return load(pipeline, made)
    except OtherEnvironmentError as error:
        if screen.json or not sys.stdin.isatty():
            raise
        click.echo(f"{error.what}.", err=True)
        if not click.confirm("Drop these tables and read the new environment in full?", err=True):
            raise
    except KeyboardInterrupt as stopped:
        click.echo(str(stopped) or "Stopped.", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
    return _load(screen, pipeline, source, start_over=True)


def delete_loaded_files() -> None:
    """Has dlt delete the files of a load package once they are loaded, unless that is set.

    Otherwise the working folder keeps a copy of every row that was ever loaded.
    """
    import dlt

    if dlt.config.get("load.delete_completed_jobs", bool) is None:
        dlt.config["load.delete_completed_jobs"] = True
