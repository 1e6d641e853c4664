"""Prints the report of a run: a table of what was done, and one line that closes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataverse_source.cli.screen import grid

if TYPE_CHECKING:
    from rich.console import Console

    from dataverse_source.loading.report import LoadReport

COUNTS = ("inserted", "updated", "deleted")
"""What screens of runs and tables show of `dataverse_source.loading.report.CHANGES`."""


def draw_report(console: Console, report: LoadReport) -> None:
    """The table of the run's tables, then requests, destination and the closing line."""
    from dataverse_source.loading.report import CHANGES, number

    words = (*CHANGES, "rows_now")
    rows = [
        (one.name, *(number(getattr(one, word)) for word in words))
        if one.error is None
        else (one.name, "failed", *([""] * (len(words) - 1)))
        for one in report.tables
    ]
    console.print(grid(("table", *(word.replace("_", " ") for word in words)), rows, right=1))
    console.print()
    for line in report.lines_below:
        console.print(line, soft_wrap=True)
