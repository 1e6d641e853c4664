"""``dataverse-source report``: the history of a pipeline as one HTML file to look at."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import click

from dataverse_source.cli.freshness_facts import freshness_options
from dataverse_source.cli.options import Where, json_option, pipeline_options
from dataverse_source.cli.screen import Screen


@click.command("report")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--last", type=click.IntRange(1), default=50, show_default=True, metavar="N",
              help="Runs to show.")  # fmt: skip
@freshness_options
@pipeline_options
@json_option
@click.pass_obj
def command(
    screen: Screen,
    file: Path | None,
    last: int,
    warn: timedelta,
    error: timedelta,
    where: Where,
) -> None:
    """Write tables, runs, failures, freshness and schema changes to one HTML FILE.

    FILE is PIPELINE_report.html by default; an earlier report is replaced, any other file is not.
    Everything comes from the history of runs in the destination: nothing is requested from
    Dataverse. The file needs no network to be read. Needs the extra: pip install
    'dlt-dataverse[report]'.
    """
    from dataverse_source.cli.states import attached
    from dataverse_source.errors import DataverseError

    _check_packages()
    from dataverse_source.cli.html_report.facts import read_facts
    from dataverse_source.cli.html_report.page import render

    pipeline = attached(where)
    path = file or Path(f"{pipeline.pipeline_name}_report.html")
    _check_place(path)
    facts = read_facts(pipeline, last, datetime.now(timezone.utc), warn, error)
    if not facts.runs:
        raise DataverseError(
            "There is no run in the history of this destination",
            where=f"dataset {facts.dataset} in {facts.destination}",
            remedy="Run dataverse-source run first. Destinations without SQL have no history.",
        )
    text = render(facts)
    _write(path, text)
    value = {"file": str(path.absolute()), "runs": len(facts.runs), "tables": len(facts.tables)}
    screen.show(value, lambda console: console.print(f"wrote {value['file']}", soft_wrap=True))


def _check_packages() -> None:
    """Checks that the extra is installed.

    Raises:
        ConfigurationError: it is not.
    """
    from dataverse_source.errors import ConfigurationError

    try:
        import jinja2  # noqa: F401
        import vl_convert  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(
            "The report needs packages that are not installed",
            why=str(error),
            remedy="Install the extra: pip install 'dlt-dataverse[report]'.",
        ) from error


def _check_place(path: Path) -> None:
    """Checks that no file but an earlier report is replaced.

    Raises:
        ConfigurationError: another file is there.
    """
    from dataverse_source.cli.html_report.page import GENERATOR
    from dataverse_source.errors import ConfigurationError

    if not path.exists():
        return
    with path.open("rb") as stream:
        head = stream.read(1000)
    if GENERATOR.encode() not in head:
        raise ConfigurationError(
            "Nothing was written, as the file is no report of an earlier time",
            where=str(path),
            remedy="Choose another file: dataverse-source report FILE.",
        )


def _write(path: Path, text: str) -> None:
    from dataverse_source.errors import ConfigurationError

    try:
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise ConfigurationError(
            "The report cannot be written", where=str(path), why=str(error)
        ) from error
