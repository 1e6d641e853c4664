"""Measures how long dlt takes to merge few changes into a large Delta or Iceberg table.

    uv run --group destinations python benchmarks/lakes.py
    uv run --group destinations python benchmarks/lakes.py --rows 100000 --spread recent

DuckDB and the lakes take the same rows in turn; what is timed is dlt's step `load` alone, with the
hints that this package gives it. Times are medians, with the least and the greatest.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dlt
import pyarrow as pa

BATCH = 50_000
"""Rows of an Arrow table, as this package gives them to dlt."""

SMALL_FILES = {"delta.targetFileSize": str(16 * 1024 * 1024)}


@dataclass
class Place:
    """One destination, and what its merges have cost in seconds.

    Attributes:
        name: what is printed.
        table_format: of the destination's table; None for DuckDB.
        options: of dlt's destination `filesystem`.
        merges: seconds.
    """

    name: str
    table_format: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    merges: list[float] = field(default_factory=list)

    def load(self, folder: Path, batches: Sequence[pa.Table], *, replace: bool = False) -> float:
        """Loads rows; returns the seconds of dlt's step `load`."""
        if self.table_format is None:
            destination: Any = dlt.destinations.duckdb(str(folder / "rows.duckdb"))
        else:
            address = (folder / self.name).as_uri()
            destination = dlt.destinations.filesystem(address, **self.options)
        pipeline = dlt.pipeline(
            f"into_{self.name.replace(' ', '_')}",
            destination=destination,
            dataset_name="dataverse",
            pipelines_dir=str(folder / "pipelines"),
        )
        strategy = "upsert" if self.table_format else "delete-insert"
        columns: Any = {"_dataverse_deleted": {"data_type": "bool", "hard_delete": True}}
        if not self.table_format:
            columns["versionnumber"] = {"data_type": "bigint", "dedup_sort": "desc"}
        disposition: Any = {"disposition": "merge", "strategy": strategy}

        make: Any = dlt.resource
        accounts = make(
            list(batches),
            name="accounts",
            primary_key="accountid",
            write_disposition="replace" if replace else disposition,
            columns=columns,
            table_format=self.table_format,
        )
        pipeline.extract(accounts, loader_file_format="parquet")
        pipeline.normalize()
        began = time.perf_counter()
        pipeline.load(raise_on_failed_jobs=True)
        return time.perf_counter() - began


PLACES = {
    "duckdb": Place("duckdb"),
    "delta": Place("delta", "delta"),
    "delta small files": Place(
        "delta small files",
        "delta",
        {"deltalake_streamed_exec": False, "deltalake_configuration": SMALL_FILES},
    ),
    "iceberg": Place("iceberg", "iceberg"),
}


def main() -> int:
    """Prints the costs; 1 when a merge into a lake takes too long."""
    options = _options()
    generator = random.Random(1)  # noqa: S311
    keys = [str(uuid.UUID(int=generator.getrandbits(128))) for _ in range(options.rows)]
    places = [PLACES[name] for name in dict.fromkeys(["duckdb", *options.into])]
    _say(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, Python {sys.version[:6]}")
    with tempfile.TemporaryDirectory() as folder:
        numbers = range(options.rows)
        parts = [numbers[start : start + BATCH] for start in range(0, options.rows, BATCH)]
        first = [_rows(keys, part, 1) for part in parts]
        for place in places:
            seconds = place.load(Path(folder), first, replace=True)
            _say(f"{place.name}: first load of {options.rows:,} rows {seconds:.1f} s")
        for version in range(2, options.repeat + 2):
            changed = sorted(generator.sample(numbers, options.changes))
            if options.spread == "recent":
                changed = list(numbers[-options.changes :])
            rows = [_rows(keys, changed, version)]
            for place in places:
                place.merges.append(place.load(Path(folder), rows))
    base, slow = statistics.median(places[0].merges), False
    for place in places:
        median, least, most = statistics.median(place.merges), min(place.merges), max(place.merges)
        _say(
            f"{place.name}: {options.changes:,} changes {median:.2f} s ({least:.2f} to "
            f"{most:.2f}), {median / base:.1f} times DuckDB's"
        )
        slow |= median > options.times * base
    return int(slow)


def _rows(keys: Sequence[str], numbers: Sequence[int], version: int) -> pa.Table:
    """Rows of 21 columns: text, numbers, money, a time and a version number."""
    count = len(numbers)
    columns: dict[str, pa.Array] = {"accountid": pa.array([keys[one] for one in numbers])}
    for column in range(10):
        texts = [f"text {column} {one % 1000} {version}" for one in numbers]
        columns[f"text{column}"] = pa.array(texts)
    for column in range(5):
        columns[f"number{column}"] = pa.array([one * column % 977 for one in numbers], pa.int64())
    money = pa.array([one % 977 for one in numbers], pa.int64()).cast(pa.decimal128(25, 0))
    for column in range(3):
        columns[f"money{column}"] = money.cast(pa.decimal128(25, 10))
    moment = pa.array([1_700_000_000_000_000 + version] * count)
    columns["modifiedon"] = moment.cast(pa.timestamp("us", "UTC"))
    columns["versionnumber"] = pa.array([version] * count, pa.int64())
    columns["_dataverse_deleted"] = pa.nulls(count, pa.bool_())
    return pa.table(columns)


def _say(text: str) -> None:
    print(text, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--changes", type=int, default=1000, help="rows changed before each merge")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--into", action="append", choices=list(PLACES))
    parser.add_argument("--spread", choices=("anywhere", "recent"), default="anywhere")
    parser.add_argument("--times", type=float, default=2.0, help="of DuckDB's merge, at most")
    options = parser.parse_args()
    options.into = options.into or ["delta", "delta small files"]
    return options


if __name__ == "__main__":
    sys.exit(main())
