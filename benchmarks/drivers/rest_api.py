"""dlt's generic rest_api source: accounts into DuckDB, in its default format or as parquet."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import dlt
import duckdb
from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials
from dlt.sources.rest_api import rest_api_source


def main() -> None:
    """Loads accounts with the loader file format that is named last."""
    connection, columns, file_format = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
    began = time.perf_counter()
    host = connection["environment_url"]
    auth = OAuth2ClientCredentials(
        access_token_url=f"{connection['authority_host']}/{connection['tenant_id']}"
        "/oauth2/v2.0/token",
        client_id=connection["client_id"],
        client_secret=connection["client_secret"],
        access_token_request_data={"scope": f"{host}/.default"},
    )
    config: Any = {
        "client": {
            "base_url": f"{host}/api/data/v9.2/",
            "auth": auth,
            "headers": {"Prefer": "odata.maxpagesize=5000"},
            "paginator": {"type": "json_link", "next_url_path": "['@odata.nextLink']"},
        },
        "resources": [
            {
                "name": "accounts",
                "primary_key": "accountid",
                "endpoint": {
                    "path": "accounts",
                    "params": {"$select": columns},
                    "data_selector": "value",
                },
            }
        ],
    }
    pipeline = dlt.pipeline(
        "benchmark",
        pipelines_dir=str(Path("pipelines").resolve()),
        destination=dlt.destinations.duckdb("accounts.duckdb"),
        dataset_name="dataverse",
    )
    named: dict[str, Any] = {} if file_format == "default" else {"loader_file_format": file_format}
    pipeline.run(rest_api_source(config), **named)
    taken = time.perf_counter() - began
    with duckdb.connect("accounts.duckdb", read_only=True) as database:
        rows = database.sql("SELECT count(*) FROM dataverse.accounts").fetchall()[0][0]
    steps = {
        step.step: (step.finished_at - step.started_at).total_seconds()
        for step in (pipeline.last_trace.steps if pipeline.last_trace else [])
        if step.finished_at
    }
    print(json.dumps({"rows": rows, "seconds": taken, "steps": steps}))


if __name__ == "__main__":
    main()
