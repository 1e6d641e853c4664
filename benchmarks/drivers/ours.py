"""This package: tables into DuckDB, as a user's script does it."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dlt
import duckdb
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials

from dataverse_source import (
    DataverseCredentials,
    LoadReport,
    dataverse,
    limit_duckdb_memory,
    load,
    return_freed_memory,
)
from dataverse_source.client.throttle import limiter
from dataverse_source.client.throttle.budget import ServiceLimits
from dataverse_source.sync.read import whole_table


def main() -> None:
    """Loads; what differs from a first load of accounts follows the connection, as JSON.

    ``settings``: of the source; ``dlt``: dlt's; ``duckdb``: DuckDB's own; ``limits``: the
    service's, where they are not those of the documentation; ``time_scale``: how long a second of
    the service takes; ``runs``: how many, the last is the one that is timed; ``then``: settings of
    further runs, each with its name, which are timed too.
    """
    return_freed_memory()
    limit_duckdb_memory()
    start = time.process_time()
    connection = json.loads(sys.argv[1])
    options: dict[str, Any] = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    for name, value in options.get("dlt", {}).items():
        dlt.config[name] = value
    if "limits" in options:
        limiter.SERVICE_LIMITS = ServiceLimits(**options["limits"])
    whole_table.SLOW_PAGE_SECONDS *= options.get("time_scale", 1.0)
    for _ in range(options.get("runs", 1)):
        pipeline, report, took = _run(connection, options, {})
    told = {
        "rows": _rows([table.name for table in report.tables], options.get("duckdb", {})),
        "seconds": took["seconds"],
        "counters": took["counters"],
        "steps": _steps(pipeline),
        "first": took,
        "start": start,
        "then": [
            {"name": name, **_run(connection, options, settings)[2]}
            for name, settings in options.get("then", ())
        ],
    }
    print(json.dumps(told, default=str))


def _run(
    connection: dict[str, str], options: dict[str, Any], settings: dict[str, Any]
) -> tuple[dlt.Pipeline, LoadReport, dict[str, Any]]:
    """One run, and what it took."""
    began, cpu = time.perf_counter(), time.process_time()
    pipeline = _pipeline(options.get("duckdb", {}))
    settings = {**options.get("settings", {}), **settings}
    report = load(pipeline, _source(connection, settings))
    took = {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
        "counters": asdict(report.counters),
    }
    return pipeline, report, took


def _pipeline(duckdb_settings: dict[str, Any]) -> dlt.Pipeline:
    credentials: Any = "duckdb:///loaded.duckdb"
    if duckdb_settings:
        credentials = DuckDbCredentials("loaded.duckdb", global_config=duckdb_settings)
    return dlt.pipeline(
        "benchmark",
        pipelines_dir=str(Path("pipelines").resolve()),
        destination=dlt.destinations.duckdb(credentials),
        dataset_name="dataverse",
    )


def _source(connection: dict[str, str], settings: dict[str, Any]) -> Any:
    credentials = DataverseCredentials()
    for name in ("tenant_id", "client_id", "client_secret", "authority_host"):
        setattr(credentials, name, connection[name])
    return dataverse(
        environment_url=connection["environment_url"],
        credentials=credentials,
        ca_bundle=connection["ca_bundle"],
        **{"tables": ["accounts"], **settings},
    )


def _rows(tables: list[str], duckdb_settings: dict[str, Any]) -> int:
    """Rows in all tables; rows of accounts that came twice are an error."""
    with duckdb.connect("loaded.duckdb", read_only=True, config=duckdb_settings) as database:
        counts = {
            name: database.sql(f"SELECT count(*) FROM dataverse.{name}").fetchall()[0][0]  # noqa: S608
            for name in tables
        }
        if "accounts" in counts:
            keys = "SELECT count(DISTINCT accountid) FROM dataverse.accounts"
            found = database.sql(keys).fetchall()[0][0]
            if found != counts["accounts"]:
                raise SystemExit(f"{counts['accounts']} rows, but {found} keys")
    return sum(counts.values())


def _steps(pipeline: dlt.Pipeline) -> dict[str, float]:
    """Seconds of the steps of the last package."""
    trace = pipeline.last_trace
    return {
        step.step: (step.finished_at - step.started_at).total_seconds()
        for step in (trace.steps if trace else [])
        if step.finished_at
    }


if __name__ == "__main__":
    main()
