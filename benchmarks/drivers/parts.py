"""One step of a load in parts, as a task of a scheduler calls it; prints a line of JSON.

    python parts.py CONNECTION STEP [PLAN] [NUMBER]

The step is ``plan``, ``part``, ``finish``, or ``whole``: one process loads the table. Connection
and plan are JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import dlt
import duckdb

from dataverse_source import (
    DataverseCredentials,
    dataverse,
    finish_load,
    load,
    plan_load,
    read_part,
    return_freed_memory,
)

TABLE = "accounts"


def main() -> None:
    """Takes the step."""
    return_freed_memory()
    settings, step = _settings(json.loads(sys.argv[1])), sys.argv[2]
    began = time.perf_counter()
    rows, result = _step(step, settings)
    seconds = time.perf_counter() - began
    print(json.dumps({"rows": rows, "seconds": seconds, "result": result}))


def _step(step: str, settings: dict[str, Any]) -> tuple[int, Any]:
    """The rows of a step, and what it returns."""
    if step == "part":
        report = read_part(sys.argv[3], int(sys.argv[4]), **settings)
        return int(report["rows"]), None
    pipeline = _pipeline(step)
    if step == "plan":
        plan = plan_load(TABLE, pipeline, int(sys.argv[3]), **settings)
        return sum(one["rows"] for one in plan["parts"]), plan
    if step == "finish":
        finish_load(sys.argv[3], pipeline, **settings)
    else:
        load(pipeline, dataverse(**settings, tables=[TABLE]))
    return _loaded(step), None


def _settings(connection: dict[str, str]) -> dict[str, Any]:
    names = ("tenant_id", "client_id", "client_secret", "authority_host")
    return {
        "environment_url": connection["environment_url"],
        "credentials": DataverseCredentials(**{name: connection[name] for name in names}),
        "ca_bundle": connection["ca_bundle"],
        "landing_url": str(Path("landing").resolve()),
    }


def _pipeline(step: str) -> dlt.Pipeline:
    """The pipeline: plan and finish share one."""
    name = "whole" if step == "whole" else "parts"
    return dlt.pipeline(
        name,
        pipelines_dir=str(Path("pipelines").resolve()),
        destination=dlt.destinations.duckdb(f"{name}.duckdb"),
        dataset_name="dataverse",
    )


def _loaded(step: str) -> int:
    """Rows in the destination, each of another key."""
    name = "whole" if step == "whole" else "parts"
    with duckdb.connect(f"{name}.duckdb", read_only=True) as database:
        found = database.sql(
            f"SELECT count(*), count(DISTINCT accountid) FROM dataverse.{TABLE}"  # noqa: S608
        ).fetchall()
    ((rows, keys),) = found
    if rows != keys:
        raise SystemExit(f"{rows} rows, but {keys} keys")
    return int(rows)


if __name__ == "__main__":
    main()
