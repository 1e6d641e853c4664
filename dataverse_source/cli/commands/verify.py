"""``dataverse-source verify``: whether the destination is equal to Dataverse, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from dataverse_source.cli.failures import FAILED
from dataverse_source.cli.options import Where, environment_option, json_option, pipeline_options
from dataverse_source.cli.screen import Screen

if TYPE_CHECKING:
    import dlt
    from rich.console import Console

    from dataverse_source.loading.connection import Connection
    from dataverse_source.loading.verification import Verdict
    from dataverse_source.sync.cells import CellReport
    from dataverse_source.sync.reconcile import Report

ALL = "all"
MOST_SHOWN = 10
"""Rows with lost files that are named."""


def _rows(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """A number of rows, or all."""
    if value is None or value == ALL or (value.isdecimal() and int(value)):
        return value
    raise click.BadParameter(f"{value!r} is neither a number of rows nor 'all'.")


@click.command("verify")
@click.argument("tables", nargs=-1)
@click.option(
    "--values",
    callback=_rows,
    metavar="N|all",
    help="Compare every cell too, of N rows chosen at random or of all rows.",
)
@click.option("--repair", is_flag=True, help="Correct what differs, and verify again.")
@click.option(
    "--list",
    "examples",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    metavar="N",
    help="Keys to list of each kind of difference; counts are always exact.",
)
@pipeline_options
@environment_option
@json_option
@click.pass_obj
def command(
    screen: Screen,
    tables: tuple[str, ...],
    values: str | None,
    repair: bool,
    examples: int,
    where: Where,
    environment_url: str | None,
) -> None:
    """Compare TABLES, names or patterns, with Dataverse; by default all that are loaded.

    Keys and versions of all rows are compared; nothing is changed. Rows that have changed since
    the last run differ too, so verify right after a run. The exit code is 1 if a table differs or
    can't be compared.
    """
    from dataverse_source.cli.opening import open_connection
    from dataverse_source.cli.states import attached
    from dataverse_source.loading.verification import Depth, loaded_tables, verify
    from dataverse_source.scale_out.sources import configured_tables, settings_of

    found = attached(where)
    with settings_of(where.environment):
        configured = configured_tables(environment_url=environment_url)
    loaded = loaded_tables(found, configured)
    wanted = [*dict.fromkeys([*configured, *(one.resource for one in loaded)])]
    sample = None if values in (None, ALL) else int(values or 0)
    depth = Depth(values is not None, sample, examples)

    def connect() -> Connection:
        with settings_of(where.environment):
            return open_connection(wanted, environment_url=environment_url)

    verdicts = list(verify(found, connect(), loaded, tables, depth))
    repaired = [one.table for one in verdicts if one.loaded and one.report and not one.is_equal]
    if not repair or not repaired:
        _show(screen, verdicts, [])
        return
    if not screen.json:
        console = screen.console()
        _draw(console, verdicts, [])
        console.print(f"\nRepairing {', '.join(repaired)}\n")
    _repair(screen, found, verdicts, where, environment_url)
    found = attached(where)
    loaded = loaded_tables(found, configured)
    _show(screen, list(verify(found, connect(), loaded, tables, depth)), repaired)


def _repair(
    screen: Screen,
    pipeline: dlt.Pipeline,
    verdicts: list[Verdict],
    where: Where,
    environment_url: str | None,
) -> None:
    """A run of the tables that differ, which corrects every difference."""
    from dataverse_source import load
    from dataverse_source.cli.progress import shown
    from dataverse_source.loading.run_context import running
    from dataverse_source.loading.verification import repairing
    from dataverse_source.scale_out.sources import source_for

    names = [one.table for one in verdicts if one.loaded and not one.is_equal]
    source = source_for(
        [*dict.fromkeys(names)], environment=where.environment, environment_url=environment_url
    )
    with shown(screen, pipeline), running(repairing(verdicts, pipeline)):
        load(pipeline, source)


def _show(screen: Screen, verdicts: list[Verdict], repaired: list[str]) -> None:
    equal = all(one.is_equal for one in verdicts)
    facts = {
        "equal": equal,
        "tables": [_facts(one) for one in verdicts],
        "repaired": repaired,
    }
    screen.show(facts, lambda console: _draw(console, verdicts, repaired))
    if not equal:
        raise click.exceptions.Exit(FAILED)


def _facts(verdict: Verdict) -> dict[str, Any]:
    report, cells = verdict.report, verdict.cells
    return {
        "table": verdict.table,
        "logical_name": verdict.loaded.logical_name if verdict.loaded else None,
        "equal": verdict.is_equal,
        "not_compared_because": verdict.why_not,
        "compared_by": verdict.compared_by,
        "dataverse": report.dataverse if report else None,
        "destination": report.destination if report else None,
        "missing": _difference(report, "missing"),
        "outdated": _difference(report, "outdated"),
        "extra": _difference(report, "extra"),
        "lost_files": len(verdict.lost_files),
        "cells": None
        if cells is None
        else {
            "compared": cells.compared,
            "different": cells.different,
            "examples": [
                {"key": key, "columns": columns} for key, columns in cells.examples.items()
            ],
            "not_loaded": cells.not_loaded,
        },
    }


def _difference(report: Report | None, kind: Any) -> dict[str, Any] | None:
    if report is None:
        return None
    return {"count": report.counts[kind], "keys": report.examples[kind]}


def _draw(console: Console, verdicts: list[Verdict], repaired: list[str]) -> None:
    from dataverse_source.errors import printable

    if not verdicts:
        console.print("This pipeline has not loaded any table yet.")
    for one in verdicts:
        after = " (repaired)" if one.table in repaired else ""
        for line in _lines(one, after):
            console.print(printable(line), soft_wrap=True)


def _lines(verdict: Verdict, after: str) -> list[str]:
    name, report = verdict.table, verdict.report
    if report is None:
        return [f"{name}: not compared: {verdict.why_not}"]
    by = "" if verdict.compared_by else ", by keys alone"
    lines = []
    if report.is_equal:
        rows, digest = report.dataverse.rows, report.dataverse.digest
        lines.append(f"{name}: proved equal: {rows:,} rows, digest {digest}{by}{after}")
    else:
        counts = ", ".join(f"{count:,} {kind}" for kind, count in report.counts.items() if count)
        lines.append(
            f"{name}: differs: {counts} ({report.dataverse.rows:,} rows in Dataverse, "
            f"{report.destination.rows:,} in the destination){after}"
        )
        lines += _keys(report)
    if verdict.lost_files:
        count = len(verdict.lost_files)
        named = _named(verdict.lost_files[:MOST_SHOWN], count)
        lines.append(f"{name}: the files of {count:,} rows are lost: {named}")
    return [*lines, *_cells(name, verdict.cells)]


def _keys(report: Report) -> list[str]:
    lines = []
    for kind, count in report.counts.items():
        keys = report.examples[kind]
        if count and keys:
            lines.append(f"  {kind}: {_named(keys, count)}")
    return lines


def _named(keys: Sequence[str], count: int) -> str:
    """Some keys, and how many more there are of ``count``."""
    more = f" and {count - len(keys):,} more" if count > len(keys) else ""
    return f"{', '.join(keys)}{more}"


def _cells(name: str, cells: CellReport | None) -> list[str]:
    if cells is None:
        return []
    lines = []
    if cells.not_loaded:
        lines.append(f"  columns not in the destination: {', '.join(cells.not_loaded)}")
    if not cells.different:
        return [*lines, f"{name}: every cell equal in {cells.compared:,} rows"]
    lines.append(
        f"{name}: {cells.different:,} of {cells.compared:,} rows have other values under the same "
        "version"
    )
    lines += [f"  {key}: {', '.join(columns)}" for key, columns in cells.examples.items()]
    more = cells.different - len(cells.examples)
    return [*lines, f"  and {more:,} more"] if more and cells.examples else lines
