"""A run over many tables in which nothing has changed: requests, wall time, processor time.

    uv run python -m benchmarks.unchanged --tables 800 --buckets 8

measures one process with all tables, and processes of which each has a bucket of them.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.compare import run_once
from benchmarks.contenders import Contender, this_package
from benchmarks.many_tables import PREFIX
from benchmarks.serving import served


def measure_unchanged(tables: int, *, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Loads all tables, then runs twice more; the last run is measured."""
    with served([sys.executable, "-m", "benchmarks.many_tables", str(tables)]) as server:
        run = run_once(_ours({}), server)
    if run.rows != tables:
        raise RuntimeError(f"{run.rows} rows arrived, not {tables}")
    asked = run.more["counters"]["requests"]
    say(f"no changes in {tables} tables  {asked} requests  {run.seconds:.1f} s")
    return {"tables": tables, "seconds": run.seconds, "requests": asked}


def measure_buckets(
    tables: int, buckets: int, *, say: Callable[[str], None] = print
) -> dict[str, Any]:
    """Processor seconds of the runs without changes: one process, and one for each bucket.

    The loads before them are not counted; the start of a process is, as ``start``.
    """
    found: dict[str, Any] = {"tables": tables, "buckets": buckets}
    with served([sys.executable, "-m", "benchmarks.many_tables", str(tables)]) as server:
        for name, parts in (("one", [None]), ("all", range(buckets))):
            rows, runs = 0, []
            for number in parts:
                bucket = {} if number is None else {"bucket": f"{number}/{buckets}"}
                run = run_once(_ours(bucket), server)
                rows += run.rows
                runs.append(run.more)
            if rows != tables:
                raise RuntimeError(f"{rows} rows arrived, not {tables}")
            found[name] = {
                "cpu_seconds": sum(one["first"]["cpu_seconds"] for one in runs),
                "start": sum(one["start"] for one in runs),
                "requests": sum(one["counters"]["requests"] for one in runs),
            }
    for name, what in (("one", "one process"), ("all", f"{buckets} buckets")):
        cost = found[name]
        say(
            f"no changes in {tables} tables  {what}: {cost['cpu_seconds'] + cost['start']:.1f} CPU "
            f"s, of which {cost['start']:.1f} to start; {cost['requests']} requests"
        )
    return found


def _ours(bucket: dict[str, Any]) -> Contender:
    options = {"settings": {"tables": [f"{PREFIX}*"], **bucket}, "runs": 3}
    return this_package(options)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--tables", type=int, default=800)
    parser.add_argument("--buckets", type=int, default=8)
    options = parser.parse_args()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    measure_buckets(options.tables, options.buckets)


if __name__ == "__main__":
    main()
