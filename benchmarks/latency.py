"""Many tables whose pages take their time, against the lower bound.

The service is that of `benchmarks.limited`: a page takes 1.5 s, three web servers, documented
limits, time x 0.2. Pages hold few rows, so that waiting is what counts.

    uv run python -m benchmarks.latency
    uv run python -m benchmarks.latency --sync auto --requests

Lower bound: requests that depend on each other can't overlap. A table's pages are a chain. In a
first load by changes the chain of keys that yields the delta link runs beside them, and a delta
follows. Before any table, the list of tables has to be known, then their columns.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from benchmarks.compare import run_once
from benchmarks.contenders import this_package
from benchmarks.limited import MODEL, asked_of
from benchmarks.many_tables import PREFIX
from benchmarks.serving import served

TABLES, PAGES, ROWS_A_PAGE = 50, 8, 20

STEPS_BEFORE = 2
"""Requests before the first page: the list of tables, and their columns."""


def measure_latency(
    tables: int = TABLES, pages: int = PAGES, *, say: Callable[[str], None] = print
) -> list[dict[str, Any]]:
    """First loads of many tables, by cursor and by changes, and a run without changes.

    Args:
        tables: how many.
        pages: of each table.
        say: shows progress.
    """
    cases = (("cursor", 1), ("auto", 1), ("auto", 3))
    results = []
    for sync, runs in cases:
        found = _one(tables, pages, sync, runs)[0]
        results.append(found)
        say(_line(found))
    return results


def _line(found: dict[str, Any]) -> str:
    return (
        f"latency  {found['what']:10} {found['sync']:7} {found['tables']} tables x "
        f"{found['pages']} pages: {found['seconds']:5.1f} s, lower bound {found['bound']:.1f} s: "
        f"{found['ratio']:.2f}x; {found['requests']} requests, {found['throttled']} answered 429, "
        f"{found['twice']} of them twice in a row; {found['cpu_seconds']:.1f} CPU s"
    )


def _one(tables: int, pages: int, sync: str, runs: int) -> tuple[dict[str, Any], list[Any]]:
    limits = asdict(MODEL.limits)
    settings = {"tables": [f"{PREFIX}*"], "sync": sync, "page_size": ROWS_A_PAGE}
    options = {
        "settings": settings, "limits": limits, "time_scale": MODEL.scale, "runs": runs,
    }  # fmt: skip
    ours = this_package(options)
    enforced = {**limits, "requests": int(limits["requests"]), "servers": MODEL.servers}
    page = MODEL.seconds * MODEL.scale
    command = [sys.executable, "-m", "benchmarks.many_tables", str(tables)]
    command += ["--rows", str(pages * ROWS_A_PAGE), "--limits", json.dumps(enforced)]
    with served([*command, "--latency", str(page)]) as server:
        run = run_once(ours, server)
        log = [entry for entry in asked_of(server) if "/api/" in entry["path"]]
    refused = Counter((entry["path"], entry["query"]) for entry in log if entry["status"] == 429)
    steps = STEPS_BEFORE + (pages + (sync == "auto") if runs == 1 else 0)
    at_once = len(log) * page / (MODEL.limits.concurrent * MODEL.servers)
    bound = max(steps * page, at_once if runs == 1 else 0.0)
    return {
        "what": "first load" if runs == 1 else "no changes",
        "sync": sync,
        "tables": tables,
        "pages": pages,
        "seconds": run.seconds,
        "bound": bound,
        "ratio": run.seconds / bound,
        "requests": run.more["counters"]["requests"],
        "throttled": sum(refused.values()),
        "twice": sum(times > 1 for times in refused.values()),
        "cpu_seconds": run.cpu_seconds,
        "steps": run.more["steps"],
    }, log


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--tables", type=int, default=TABLES)
    parser.add_argument("--pages", type=int, default=PAGES)
    parser.add_argument("--sync", choices=("auto", "cursor"), help="this first load alone")
    parser.add_argument("--requests", action="store_true", help="list what was asked, with --sync")
    options = parser.parse_args()
    if options.sync is None:
        measure_latency(options.tables, options.pages)
        return
    found, log = _one(options.tables, options.pages, options.sync, 1)
    print(_line(found))
    for entry in log if options.requests else ():
        print(entry["method"], entry["path"], entry["query"])


if __name__ == "__main__":
    main()
