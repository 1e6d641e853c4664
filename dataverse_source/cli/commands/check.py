"""``dataverse-source check``: checks settings, sign-in, permissions and tables."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click

from dataverse_source.cli.failures import FAILED, WRONG
from dataverse_source.cli.options import Where, environment_option, json_option, pipeline_options
from dataverse_source.cli.screen import Screen
from dataverse_source.errors import printable

if TYPE_CHECKING:
    from rich.console import Console

    from dataverse_source.cli.checks.findings import Finding, Findings

MARKS = {"ok": "✓", "warning": "!", "failed": "✗", "not_tried": "-"}
PLAIN_MARKS = {"ok": "+", "warning": "!", "failed": "x", "not_tried": "-"}
"""For terminals whose encoding has no check marks."""

STYLES = {"ok": "green", "warning": "yellow", "failed": "red", "not_tried": "dim"}

INDENT = 2

MOST_TABLES = 3
"""More tables without a finding are counted, not listed."""


@click.command("check")
@click.argument("tables", nargs=-1)
@click.option("--all", "every", is_flag=True, help="List the tables without a finding, too.")
@environment_option
@pipeline_options
@json_option
@click.pass_obj
def command(
    screen: Screen,
    tables: tuple[str, ...],
    every: bool,
    environment_url: str | None,
    where: Where,
) -> int:
    """Check settings, sign-in, permissions, TABLES and the destination.

    TABLES are names or patterns; by default those of the settings. At most six requests are
    sent, and nothing is loaded. The exit code is 1 if a check failed, 2 if the configuration is
    wrong.
    """
    from dataverse_source.cli.checks.destination import check_destination
    from dataverse_source.cli.checks.examination import examine
    from dataverse_source.cli.opening import settings_for
    from dataverse_source.scale_out.sources import configured_tables, settings_of

    with settings_of(where.environment):
        names = tables or configured_tables()
        settings, credentials = settings_for(names, environment_url=environment_url)
    found = examine(settings, credentials, names)
    check_destination(found, where)
    value = {"ok": not found.failed, "steps": [asdict(one) for one in found.all]}
    screen.show(value, lambda console: _draw(console, found, every=every))
    if not found.failed:
        return 0
    return WRONG if found.all[0].status == "failed" else FAILED


def _draw(console: Console, found: Findings, *, every: bool) -> None:
    fine = [one for one in found.all if one.step == "table" and one.status == "ok"]
    hidden = [] if every or len(fine) <= MOST_TABLES else fine
    for one in found.all:
        if one not in hidden:
            _draw_one(console, one)
        elif one is hidden[0]:
            text = f"{len(hidden):,} more without a finding; --all lists them"
            _draw_one(console, replace(one, title="Tables", details=text))
    failed = sum(one.status == "failed" for one in found.all)
    warnings = sum(one.status == "warning" for one in found.all)
    noted = f"{warnings:,} warning{'' if warnings == 1 else 's'}"
    console.print()
    if failed:
        console.print(f"Some checks failed: see above{f'; {noted}' if warnings else ''}.")
    else:
        console.print(f"No check failed; {noted}." if warnings else "All checks passed.")


def _draw_one(console: Console, finding: Finding) -> None:
    """One or more lines; those after the first are indented."""
    from rich.text import Text

    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    mark = Text((MARKS if unicode else PLAIN_MARKS)[finding.status], STYLES[finding.status])
    text = Text.assemble((finding.title, "bold"))
    if finding.status == "not_tried":
        text.append(": not tried")
    if finding.details:
        text.append(f": {printable(finding.details)}")
    if finding.remedy:
        text.append("\nwhat to do: ", "bold").append(printable(finding.remedy))
    for line in text.wrap(console, console.width - INDENT):
        line.rstrip()
        console.print(Text.assemble(mark, " " * (INDENT - len(mark)), line), no_wrap=True)
        mark = Text()
