"""Measures what a run with few changes costs in a Delta or Iceberg table, next to DuckDB.

    uv run --group destinations python benchmarks/lakes.py
    uv run --group destinations python benchmarks/lakes.py --rows 100000 --into delta --into iceberg

All destinations load the same accounts from one sandbox, take turns, and take the same changes. The
sandbox runs in the same process, so its work is part of a whole run's time; what dlt needs to load
the package, the merge, is shown alone. Times are medians, with the least and the greatest.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dlt
import duckdb

from benchmarks.incremental import COLUMNS
from dataverse_source import DataverseCredentials, dataverse, load
from dataverse_source.sandbox import Sandbox


@dataclass
class Place:
    """One destination, and what its runs have cost in seconds.

    Attributes:
        name: ``duckdb``, ``delta``, ``delta-streamed`` (dlt's default) or ``iceberg``.
        merges: of dlt's step `load` in packages with rows.
        runs: of whole runs.
    """

    name: str
    merges: list[float] = field(default_factory=list)
    runs: list[float] = field(default_factory=list)

    def destination(self, folder: Path) -> Any:
        """Dlt's destination."""
        if self.name == "duckdb":
            return dlt.destinations.duckdb(str(folder / "rows.duckdb"))
        streamed = {"delta": False, "delta-streamed": True}.get(self.name)
        more: dict[str, Any] = {} if streamed is None else {"deltalake_streamed_exec": streamed}
        return dlt.destinations.filesystem((folder / self.name).as_uri(), **more)

    def run(self, sandbox: Sandbox, folder: Path) -> None:
        """Loads what has changed."""
        pipeline = dlt.pipeline(
            self.name.replace("-", "_"),
            destination=self.destination(folder),
            dataset_name="dataverse",
            pipelines_dir=str(folder / "pipelines"),
        )
        credentials = DataverseCredentials()
        for name in ("tenant_id", "client_id", "client_secret", "authority_host"):
            setattr(credentials, name, getattr(sandbox, name))
        source = dataverse(
            environment_url=sandbox.environment_url,
            tables=["accounts"],
            credentials=credentials,
            ca_bundle=sandbox.ca_bundle,
            lookback_seconds=0,
            table_format=None if self.name == "duckdb" else self.name.partition("-")[0],
            table_settings={"accounts": {"select": COLUMNS.split()}},
        )
        began = time.perf_counter()
        load(pipeline, source)
        self.runs.append(time.perf_counter() - began)
        self.merges.append(_merge_seconds(pipeline))


def _merge_seconds(pipeline: dlt.Pipeline) -> float:
    """How long dlt took to load the packages with rows, by the trace of all packages of the run."""
    trace = dlt.attach(pipeline.pipeline_name, pipelines_dir=pipeline.pipelines_dir).last_trace
    seconds = 0.0
    for step in trace.steps if trace else ():
        info: Any = step.step_info
        if step.step != "load" or not info or not info.load_packages:
            continue
        jobs = [job for one in info.load_packages for job in one.jobs["completed_jobs"]]
        if any(job.job_file_info.table_name == "accounts" for job in jobs):
            seconds += (step.finished_at - step.started_at).total_seconds()
    return seconds


def main() -> int:
    """Prints the costs; 1 when a merge into Delta takes too long."""
    options = _options()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, Python {sys.version[:6]}")
    places = [Place(name) for name in dict.fromkeys(["duckdb", *options.into])]
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(rows={"account": options.rows}, seed=1) as sandbox,
    ):
        for place in places:
            place.run(sandbox, Path(folder))
            seconds = place.runs[-1]
            print(f"{place.name}: first load of {options.rows:,} rows {seconds:.1f} s", flush=True)
            place.run(sandbox, Path(folder))  # what has changed while the first one read
            place.merges.clear()
            place.runs.clear()
        with duckdb.connect(str(Path(folder) / "rows.duckdb")) as database:
            found = database.execute("SELECT accountid FROM dataverse.accounts").fetchall()
        keys = sorted(str(key) for (key,) in found)
        step = max(len(keys) // options.changes, 1)
        for number in range(options.repeat):
            for key in keys[number % step :: step][: options.changes]:
                sandbox.store.update("account", key, {"name": f"Changed {number}"})
            for place in places:
                place.run(sandbox, Path(folder))
    base, slow = places[0], False
    for place in places:
        cells = [_shown(place.merges, base.merges), _shown(place.runs, base.runs)]
        print(f"{place.name}: {options.changes:,} changes: merge {cells[0]}, whole run {cells[1]}")
        slow |= statistics.median(place.merges) > options.times * statistics.median(base.merges)
    return int(slow)


def _shown(seconds: list[float], base: list[float]) -> str:
    median = statistics.median(seconds)
    ratio = median / statistics.median(base)
    return f"{median:.2f} s ({min(seconds):.2f} to {max(seconds):.2f}), {ratio:.1f} times DuckDB's"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--changes", type=int, default=1000, help="rows changed before each run")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--into", action="append", help="delta, delta-streamed, iceberg")
    parser.add_argument("--times", type=float, default=2.0, help="of DuckDB's merge, at most")
    options = parser.parse_args()
    options.into = options.into or ["delta", "delta-streamed"]
    return options


if __name__ == "__main__":
    sys.exit(main())
