"""What a comparison of a whole table with the destination takes, against the table's first load."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.compare import run_once
from benchmarks.contenders import this_package
from benchmarks.pages import make_pages
from benchmarks.serving import page_server

WITHOUT, WITH = "without", "with"
"""Runs in which nothing has changed, without and with a comparison."""

FIELDS = ("seconds", "cpu_seconds", "busy_seconds", "request_seconds", "requests")


def measure_reconcile(
    rows: int, rounds: int, *, folder: Path | None = None, say: Callable[[str], None] = print
) -> dict[str, Any]:
    """Loads a table, then runs in turn with and without a comparison.

    Args:
        rows: of the table.
        rounds: pairs of runs after the first load; medians count.
        folder: where pages are kept; None for the usual place.
        say: shows progress.
    """
    made = make_pages(rows, ("lookups", "keys", "versions", "dated"), folder=folder, say=say)
    run_of_each = [[WITHOUT, {}], [WITH, {"reconcile_interval": 0}]]
    ours = this_package({"then": run_of_each * rounds})
    with page_server(made, rows) as server:
        run = run_once(ours, server)
    if run.rows != rows:
        raise RuntimeError(f"{run.rows} rows arrived, not {rows}")
    first = _costs(run.more["first"])
    then = [(each["name"], _costs(each)) for each in run.more["then"]]
    taken = {field: _median(then, WITH, field) - _median(then, WITHOUT, field) for field in FIELDS}
    ratios = {field: first[field] / max(taken[field], 1e-9) for field in FIELDS}
    say(
        f"reconcile  {rows:,} rows: first load {first['seconds']:.1f} s, comparison "
        f"{taken['seconds']:.2f} s: 1/{ratios['seconds']:.1f} of its time, "
        f"1/{ratios['request_seconds']:.1f} of its requests' time"
    )
    return {"rows": rows, "first": first, "comparison": taken, "ratios": ratios}


def _costs(run: dict[str, Any]) -> dict[str, float]:
    return {field: float({**run["counters"], **run}[field]) for field in FIELDS}


def _median(runs: list[tuple[str, dict[str, float]]], name: str, field: str) -> float:
    return statistics.median(costs[field] for each, costs in runs if each == name)
