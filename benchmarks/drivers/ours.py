"""This package: accounts into DuckDB, as a user's script does it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import dlt
import duckdb

from dataverse_source import DataverseCredentials, dataverse, load


def main() -> None:
    """Loads accounts; options of the source may follow the connection, as JSON."""
    connection = json.loads(sys.argv[1])
    options = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    credentials = DataverseCredentials()
    for name in ("tenant_id", "client_id", "client_secret", "authority_host"):
        setattr(credentials, name, connection[name])
    began = time.perf_counter()
    pipeline = dlt.pipeline(
        "benchmark",
        pipelines_dir=str(Path("pipelines").resolve()),
        destination=dlt.destinations.duckdb("accounts.duckdb"),
        dataset_name="dataverse",
    )
    source = dataverse(
        environment_url=connection["environment_url"],
        tables=["accounts"],
        credentials=credentials,
        ca_bundle=connection["ca_bundle"],
        **options,
    )
    report = load(pipeline, source)
    taken = time.perf_counter() - began
    with duckdb.connect("accounts.duckdb", read_only=True) as database:
        counted = database.sql("SELECT count(*), count(DISTINCT accountid) FROM dataverse.accounts")
        rows, keys = counted.fetchall()[0]
    if rows != keys:
        raise SystemExit(f"{rows} rows, but {keys} keys")
    steps = {
        step.step: (step.finished_at - step.started_at).total_seconds()
        for step in (pipeline.last_trace.steps if pipeline.last_trace else [])
        if step.finished_at
    }
    told = {"rows": rows, "seconds": taken, "steps": steps, "report": str(report).splitlines()[-2:]}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
