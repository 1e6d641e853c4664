"""``dataverse-source finish``: loads the parts of a plan, and what has changed meanwhile."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from dataverse_source.cli.failures import INTERRUPTED
from dataverse_source.cli.options import Where, environment_option, json_option, pipeline_options
from dataverse_source.cli.report_screen import draw_report
from dataverse_source.cli.screen import Screen


@click.command("finish")
@click.argument("plan")
@environment_option
@pipeline_options
@click.option("--quiet", "-q", is_flag=True, help="Print only what failed.")
@click.option("--results", type=click.Path(dir_okay=False, path_type=Path), hidden=True)
@json_option
@click.pass_obj
def command(
    screen: Screen,
    plan: str,
    environment_url: str | None,
    where: Where,
    quiet: bool,
    results: Path | None,
) -> None:
    """Load all parts of PLAN, and then what has changed since it was made.

    PLAN is path or URL of the file that `plan` wrote. Rows and state are loaded together. If the
    table has been loaded since, it is an ordinary run.
    """
    from dataverse_source.cli.commands.run import delete_loaded_files
    from dataverse_source.cli.progress import shown
    from dataverse_source.loading.malloc import return_freed_memory
    from dataverse_source.loading.memory import limit_duckdb_memory
    from dataverse_source.loading.project_pipeline import project_pipeline
    from dataverse_source.scale_out.parts import finish_load

    screen.quiet, screen.results = quiet, results
    return_freed_memory()
    limit_duckdb_memory()
    delete_loaded_files()
    with project_pipeline(where.pipeline, **where.place) as pipeline:
        try:
            with shown(screen, pipeline):
                report = finish_load(
                    plan,
                    pipeline,
                    environment=where.environment,
                    environment_url=environment_url,
                )
        except KeyboardInterrupt as stopped:
            click.echo(str(stopped) or "Stopped.", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from None
    screen.write_results(asdict(report))
    if not quiet or screen.json:
        screen.show(asdict(report), lambda console: draw_report(console, report))
