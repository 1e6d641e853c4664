"""Peak memory of whole loads by their number of rows: it must not grow with the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.compare import run_once
from benchmarks.contenders import this_package
from benchmarks.pages import make_pages
from benchmarks.serving import page_server

SEVERAL_FILES = {
    "dlt": {
        "data_writer.file_max_items": 250_000,
        "load.parallelism_strategy": "table-sequential",
    },
    "duckdb": {"memory_limit": "150MB"},
}
"""Several files, as the table of contents of a long one takes memory; loaded one after the other,
as DuckDB can't share its limit among several."""

WAYS: dict[str, dict[str, Any]] = {"defaults": {}, "small": SEVERAL_FILES}
"""As the scripts and the command do it, and as small as the documentation tells how to."""


def measure_memory(
    sizes: Sequence[int], *, folder: Path | None = None, say: Callable[[str], None] = print
) -> list[dict[str, Any]]:
    """Loads of each number of rows, with the defaults and with the settings for little memory."""
    made = make_pages(max(sizes), ("lookups", "keys", "versions", "dated"), folder=folder, say=say)
    results = []
    for rows in sizes:
        with page_server(made, rows) as server:
            for way, options in WAYS.items():
                run = run_once(this_package(options), server)
                if run.rows != rows:
                    raise RuntimeError(f"{run.rows} rows arrived, not {rows}")
                results.append(
                    {
                        "rows": rows,
                        "way": way,
                        "peak_bytes": run.peak_bytes,
                        "seconds": run.seconds,
                    }
                )
                say(f"memory  {rows:>9,} rows  {way:8}  {run.peak_bytes / 1e6:,.0f} MB")
    return results
