"""Builds the pages, runs the benchmarks, prints tables and writes results and a chart.

    uv run --group benchmarks python -m benchmarks
    uv run --group benchmarks python -m benchmarks --only compare --rows 1000000 --rounds 3
    uv run --group benchmarks python -m benchmarks --only memory --memory 500000,5000000

Everything runs on this machine, one thing after the other. Results go to ``--results``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.compare import compare
from benchmarks.contenders import Contender, contenders, package_and_floor
from benchmarks.imports import measure_imports
from benchmarks.latency import measure_latency
from benchmarks.limited import measure_limited
from benchmarks.memory import measure_memory
from benchmarks.reconcile import measure_reconcile
from benchmarks.report import PARTS, document
from benchmarks.rows import NARROW
from benchmarks.unchanged import measure_unchanged

RESULTS = Path(__file__).parent / "results"
LARGE_ROUNDS = 2
"""Rounds of the large tables, in which only the floor and this package run."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what was asked for; the exit code is 1 when a contender failed."""
    options = _options(arguments)
    parts: dict[str, Callable[[argparse.Namespace], Any]] = {
        "compare": _compare,
        "large": _large,
        "narrow": lambda given: _large(given, NARROW, "narrow"),
        "limits": lambda given: measure_limited(
            {"cursor": given.limits_rows, "auto": given.limits_rows // 10}, folder=given.cache
        ),
        "latency": lambda _: measure_latency(),
        "imports": lambda given: measure_imports(max(given.rounds, 5)),
        "unchanged": lambda given: measure_unchanged(given.tables),
        "memory": lambda given: measure_memory(given.memory, folder=given.cache),
        "reconcile": lambda given: measure_reconcile(given.rows, given.rounds, folder=given.cache),
    }
    wanted = options.only or list(parts)
    machine = _machine()
    print(_caption(machine), flush=True)
    options.results.mkdir(parents=True, exist_ok=True)
    path = options.results / "results.json"
    results = json.loads(path.read_text("utf-8")) if path.exists() else {}
    failed = False
    for name in wanted:
        began = time.perf_counter()
        results[name] = {"machine": machine, "measured": parts[name](options)}
        print(f"\n{PARTS[name][1](results[name]['measured'])}\n", flush=True)
        print(f"[{name}: {time.perf_counter() - began:.0f} s]\n", flush=True)
        failed |= '"failure": "' in json.dumps(results[name])
        path.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
        (options.results / "results.md").write_text(document(results, _caption), "utf-8")
    if "compare" in wanted and not options.no_chart:
        from benchmarks.chart import draw

        draw(results["compare"]["measured"], _caption(machine), options.results)
    return int(failed)


def _compare(options: argparse.Namespace) -> dict[str, Any]:
    wanted = [each for each in contenders() if options.who is None or each.name in options.who]
    return _measured(wanted, options.rows, options.rounds, folder=options.cache)


def _large(
    options: argparse.Namespace, selected: Sequence[str] = (), variant: str = "lookups"
) -> dict[str, Any]:
    wanted = package_and_floor(selected)
    rounds = min(options.rounds, LARGE_ROUNDS)
    return _measured(wanted, options.large_rows, rounds, variant=variant, folder=options.cache)


def _measured(wanted: Sequence[Contender], rows: int, rounds: int, **pages: Any) -> dict[str, Any]:
    outcomes = compare(wanted, rows, rounds, **pages)
    return {each.contender.name: each.as_json() for each in outcomes}


def _machine() -> dict[str, Any]:
    packages = ("dlt-dataverse", "dlt", "duckdb", "pyarrow")
    return {
        "processors": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "load_before": round(os.getloadavg()[0], 1),
    }


def _caption(machine: Mapping[str, Any]) -> str:
    versions = machine["versions"]
    return (
        f"{machine['processors']} processors, Python {machine['python']}, dlt {versions['dlt']}, "
        f"DuckDB {versions['duckdb']}, pyarrow {versions['pyarrow']}, {machine['date']}"
    )


def _sizes(text: str) -> list[int]:
    return [int(size.replace("_", "")) for size in text.split(",")]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--only", action="append", choices=list(PARTS), help="one part; may be repeated")
    add("--rows", type=int, default=200_000, help="accounts in the comparison")
    add("--large-rows", type=int, default=2_000_000, help="accounts in the large ones")
    add("--limits-rows", type=int, default=800_000, help="accounts under limits")
    add("--rounds", type=int, default=5, help="how often each contender runs")
    add("--who", action="append", help="a contender of the comparison; may be repeated")
    add("--tables", type=int, default=300, help="tables of the run without changes")
    add("--memory", type=_sizes, default=[100_000, 500_000, 1_000_000], help="numbers of rows")
    add("--cache", type=Path, help="where pages are kept (default: the user's cache)")
    add("--results", type=Path, default=RESULTS, help="where results go")
    add("--no-chart", action="store_true", help="draw nothing: needs no matplotlib")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
