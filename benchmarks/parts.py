"""A huge table's first load in parts, against the same load by one process: CPU and memory.

The plan, each part and the finish are processes of their own, one after the other, as are the load
by one process and the server. What counts is the processor time of these processes from start to
end, imports of packages included, and the most resident memory of each.

    uv run python -m benchmarks.parts --rows 200000 --parts 4
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.contenders import DRIVERS
from benchmarks.measure import Measured, measured
from benchmarks.pages import make_pages
from benchmarks.serving import Server, page_server

WHOLE, PARTS = "whole", "parts"


def measure_parts(
    rows: int,
    parts: int,
    *,
    folder: Path | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Loads a table by one process, then in parts, and compares all cells.

    Args:
        rows: of the table.
        parts: most parts.
        folder: where pages are kept; None for the usual place.
        say: shows progress.
    """
    made = make_pages(rows, ("lookups", "keys", "versions", "dated"), folder=folder, say=say)
    with (
        page_server(made, rows) as server,
        tempfile.TemporaryDirectory(prefix="benchmark-parts-") as place,
    ):
        work = Path(place)

        def step(name: str, *arguments: str) -> Measured:
            run = _step(server, work, name, *arguments)
            say(
                f"{' '.join([name, *arguments[1:]]):10} {run.rows:>9,} rows {run.seconds:7.1f} s "
                f"{run.cpu_seconds:6.1f} s CPU  {run.peak_bytes / 1e6:6,.0f} MB"
            )
            return run

        whole = step(WHOLE)
        plan = step("plan", str(parts))
        text = json.dumps(plan.more["result"])
        numbers = plan.more["result"]["numbers"]
        each = [step("part", text, str(number)) for number in numbers]
        finish = step("finish", text)
        if not whole.rows == finish.rows == sum(one.rows for one in each) == rows:
            raise RuntimeError(f"{whole.rows} and {finish.rows} rows arrived, not {rows}")
        _check_equal(work)
    cpu = plan.cpu_seconds + sum(one.cpu_seconds for one in each) + finish.cpu_seconds
    found = {
        "rows": rows,
        "parts": len(numbers),
        "whole": _costs(whole),
        "plan": _costs(plan),
        "each": [_costs(one) for one in each],
        "finish": _costs(finish),
        "cpu_seconds": cpu,
        "ratio": cpu / whole.cpu_seconds,
        "peak_bytes": max(one.peak_bytes for one in (plan, finish, *each)),
    }
    say(
        f"parts  {rows:,} rows, {len(numbers)} parts: {cpu:.1f} CPU s (plan "
        f"{plan.cpu_seconds:.1f}, parts {sum(one.cpu_seconds for one in each):.1f}, finish "
        f"{finish.cpu_seconds:.1f}) against {whole.cpu_seconds:.1f} of one process: "
        f"{found['ratio']:.2f}; memory {finish.peak_bytes / 1e6:,.0f} MB in finish, "
        f"{max(one.peak_bytes for one in each) / 1e6:,.0f} MB in a part, "
        f"{whole.peak_bytes / 1e6:,.0f} MB in one process"
    )
    return found


def _step(server: Server, work: Path, name: str, *arguments: str) -> Measured:
    script = str(DRIVERS / "parts.py")
    command = [sys.executable, script, json.dumps(server.connection), name, *arguments]
    return measured(command, work, server.ca_bundle)


def _costs(run: Measured) -> dict[str, float]:
    return {
        "seconds": run.seconds,
        "cpu_seconds": run.cpu_seconds,
        "peak_bytes": run.peak_bytes,
    }


def _check_equal(work: Path) -> None:
    """Compares all cells of both databases.

    Raises:
        RuntimeError: they differ.
    """
    with duckdb.connect() as database:
        for name in (WHOLE, PARTS):
            database.execute(f"ATTACH '{work / name}.duckdb' AS {name} (READ_ONLY)")
        one, other = (f"FROM {name}.dataverse.accounts" for name in (WHOLE, PARTS))
        for first, second in ((one, other), (other, one)):
            sql = f"SELECT count(*) FROM ({first} EXCEPT ALL {second})"  # noqa: S608
            ((differ,),) = database.execute(sql).fetchall()
            if differ:
                raise RuntimeError(f"{differ} rows differ")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--parts", type=int, default=4)
    parser.add_argument("--cache", type=Path, help="where pages are kept")
    options = parser.parse_args()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    measure_parts(options.rows, options.parts, folder=options.cache)


if __name__ == "__main__":
    main()
