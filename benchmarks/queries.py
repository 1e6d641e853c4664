"""First loads of a table, of the same rows by FetchXML, and of an audit; requests and seconds.

All read from one sandbox in this process, in turns, into DuckDB.

    uv run python -m benchmarks.queries --rows 100000 --audits 20000
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import dlt

from dataverse_source import dataverse, load
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.sandbox import Sandbox

COLUMNS = [
    "fullname",
    "firstname",
    "lastname",
    "emailaddress1",
    "telephone1",
    "jobtitle",
    "birthdate",
    "annualincome",
    "parentcustomerid",
    "ownerid",
    "statecode",
    "statuscode",
    "createdon",
    "modifiedon",
    "versionnumber",
]


def fetchxml(table: str) -> str:
    """The query for the same columns and rows as the table."""
    columns = "".join(f'<attribute name="{name}"/>' for name in COLUMNS)
    return f'<fetch><entity name="{table}">{columns}</entity></fetch>'


def seconds_of(sandbox: Sandbox, folder: Path, name: str, **settings: Any) -> tuple[float, int]:
    """Seconds and requests of a first load."""
    pipeline = dlt.pipeline(
        name,
        destination=dlt.destinations.duckdb(str(folder / f"{name}.duckdb")),
        dataset_name="crm",
        pipelines_dir=str(folder / name),
    )
    source = dataverse(
        environment_url=sandbox.environment_url,
        ca_bundle=sandbox.ca_bundle,
        credentials=DataverseCredentials(
            tenant_id=sandbox.tenant_id,
            client_id=sandbox.client_id,
            client_secret=sandbox.client_secret,
            authority_host=sandbox.authority_host,
        ),
        **settings,
    )
    sandbox.requests.clear()
    began = time.monotonic()
    load(pipeline, source)
    return time.monotonic() - began, len(list(sandbox.requests))


def add_audits(sandbox: Sandbox, count: int) -> None:
    """Audit rows of a long history, each of one changed column."""
    change = '{"changedAttributes":[{"logicalName":"name","oldValue":"a","newValue":"b"}]}'
    values = {"operation": 2, "action": 2, "objecttypecode": "account", "changedata": change}
    table = sandbox.store.table("audit")
    now = sandbox.clock.now()
    with sandbox.store.transaction():
        for number in range(count):
            made = now - timedelta(days=1, seconds=number)
            sandbox.store.insert(table, sandbox.store.new_key(), values, created_on=made)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--audits", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    query = {"people": {"fetchxml": fetchxml("contact")}}
    table = {"contacts": {"select": COLUMNS, "sync": "full"}}
    kinds: dict[str, Callable[[], dict[str, Any]]] = {
        "table": lambda: {"tables": ["contacts"], "table_settings": table},
        "query": lambda: {"tables": [], "queries": query},
    }
    found: dict[str, list[float]] = {name: [] for name in kinds}
    with (
        Sandbox(rows={"contact": options.rows}, seed=1) as sandbox,
        tempfile.TemporaryDirectory() as name,
    ):
        for number in range(options.rounds):
            for kind, settings in kinds.items():
                seconds, requests = seconds_of(
                    sandbox, Path(name), f"{kind}_{number}", **settings()
                )
                found[kind].append(seconds)
                print(f"{kind}: {options.rows:,} rows in {seconds:.2f} s, {requests} requests")
        ratio = statistics.median(found["query"]) / statistics.median(found["table"])
        print(f"query / table: {ratio:.2f}")
        add_audits(sandbox, options.audits)
        seconds, requests = seconds_of(sandbox, Path(name), "audit", tables=[], audit=True)
        pages = sum(one.path.endswith("/audits") for one in sandbox.requests)
        print(
            f"audit: {options.audits:,} changes in {seconds:.2f} s, {requests} requests, {pages} "
            "of them pages"
        )


if __name__ == "__main__":
    main()
