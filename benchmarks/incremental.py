"""Measures what a run costs when little has changed, in a small table and in a large one.

    uv run python benchmarks/incremental.py
    uv run python benchmarks/incremental.py --rows 100000 --sync cursor

The same number of rows is changed in both tables before each run; what a run costs should follow
that number, not the size of the table. The sandbox runs in the same process, so its work is
part of the times; the times are medians, with the least and the greatest.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dlt

from dataverse_source import DataverseCredentials, dataverse, load
from dataverse_source.sandbox import Sandbox

SMALL = 1000
COLUMNS = (
    "name accountnumber revenue numberofemployees statecode statuscode industrycode "
    "telephone1 emailaddress1 address1_city address1_country creditlimit creditonhold "
    "description websiteurl ownerid parentaccountid primarycontactid createdon modifiedon"
)


@dataclass(frozen=True)
class Cost:
    """What runs of one table have cost."""

    rows: int
    first_seconds: float
    seconds: list[float]
    requests: int
    state_bytes: int

    @property
    def median(self) -> float:
        """Seconds of a run with changes."""
        return statistics.median(self.seconds)


def main() -> int:
    """Prints the costs; 1 when those of the large table are out of proportion."""
    options = _options()
    _say(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, Python {sys.version[:6]}")
    small, large = (_measured(rows, options) for rows in (SMALL, options.rows))
    for cost in (small, large):
        low, high = min(cost.seconds), max(cost.seconds)
        _say(f"{cost.rows:,} rows: first load {cost.first_seconds:.1f} s")
        _say(
            f"  {options.changes:,} changed: {cost.median:.2f} s ({low:.2f} to {high:.2f}), "
            f"{cost.requests} requests, {cost.state_bytes:,} bytes of state"
        )
    ratio = large.median / small.median
    more = large.requests - small.requests
    _say(f"the large table: {ratio:.1f} times the time, {more} requests more")
    return int(ratio > options.times or more > options.more)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the large table")
    parser.add_argument("--changes", type=int, default=1000, help="rows changed before each run")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--sync", choices=("changes", "cursor"), default="changes")
    parser.add_argument("--history", action="store_true", help="keep all versions of the rows")
    parser.add_argument("--times", type=float, default=3.0, help="the most that is in proportion")
    parser.add_argument("--more", type=int, default=10, help="requests more, at most")
    return parser.parse_args()


def _measured(rows: int, options: argparse.Namespace) -> Cost:
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(rows={"account": rows}, seed=1) as sandbox,
    ):
        began = time.perf_counter()
        pipeline = _run(sandbox, Path(folder), options)
        first = time.perf_counter() - began
        with pipeline.sql_client() as client:
            found = client.execute_sql("SELECT accountid FROM accounts")
        keys = [str(row[0]) for row in found or ()]
        step = max(len(keys) // options.changes, 1)
        _run(sandbox, Path(folder), options)  # what has changed while the first one read
        seconds, requests, state = [], 0, 0
        for number in range(options.repeat):
            for key in keys[number % step :: step][: options.changes]:
                sandbox.store.update("account", key, {"name": f"Changed {number}"})
            sandbox.requests.clear()
            began = time.perf_counter()
            pipeline = _run(sandbox, Path(folder), options)
            seconds.append(time.perf_counter() - began)
            requests = max(requests, len(sandbox.requests))
            state = len(repr(dict(pipeline.state["sources"])))
        return Cost(rows, first, seconds, requests, state)


def _run(sandbox: Sandbox, folder: Path, options: argparse.Namespace) -> dlt.Pipeline:
    credentials = DataverseCredentials()
    for name in ("tenant_id", "client_id", "client_secret", "authority_host"):
        setattr(credentials, name, getattr(sandbox, name))
    pipeline = dlt.pipeline(
        "incremental",
        destination=dlt.destinations.duckdb(str(folder / "rows.duckdb")),
        dataset_name="dataverse",
        pipelines_dir=str(folder / "pipelines"),
    )
    settings: dict[str, Any] = {"select": COLUMNS.split(), "history": options.history}
    source = dataverse(
        environment_url=sandbox.environment_url,
        tables=["accounts"],
        credentials=credentials,
        ca_bundle=sandbox.ca_bundle,
        sync=options.sync,
        lookback_seconds=0,
        table_settings={"accounts": settings},
    )
    load(pipeline, source)
    return pipeline


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
