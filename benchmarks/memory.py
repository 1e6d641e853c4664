"""Peak memory of whole loads by their number of rows: it must not grow with the table."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.compare import run_once
from benchmarks.contenders import contenders
from benchmarks.pages import make_pages
from benchmarks.serving import page_server

DUCKDB = {"memory_limit": "150MB"}
"""DuckDB takes what it finds, up to four fifths of the machine's memory, unless it is told."""

DLT = {"data_writer.file_max_items": 250_000, "load.parallelism_strategy": "table-sequential"}
"""Several files, as the table of contents of a long one takes memory; loaded one after the other,
as DuckDB can't share its limit among several."""


def measure_memory(
    sizes: Sequence[int], *, folder: Path | None = None, say: Callable[[str], None] = print
) -> list[dict[str, Any]]:
    """One load for each number of rows."""
    (ours,) = (each for each in contenders() if each.name == "ours")
    ours = replace(ours, arguments=(json.dumps({"duckdb": DUCKDB, "dlt": DLT}),))
    made = make_pages(max(sizes), ("lookups", "keys", "versions"), folder=folder, say=say)
    results = []
    for rows in sizes:
        with page_server(made, rows) as server:
            run = run_once(ours, server)
        if run.rows != rows:
            raise RuntimeError(f"{run.rows} rows arrived, not {rows}")
        results.append({"rows": rows, "peak_bytes": run.peak_bytes, "seconds": run.seconds})
        say(f"memory  {rows:>9,} rows  {run.peak_bytes / 1e6:,.0f} MB  {run.seconds:.1f} s")
    return results
