"""Airflow 3: the tables in buckets, a task for each, each with a dlt pipeline of its own.

Put this file into the dags folder. The tables stand in the settings: .dlt/ in the worker's folder,
or environment variables. Who signs in comes from the connection "dataverse" (host: the
environment's address, login: client id, password: client secret, extra: tenant_id), or from the
settings if there is none. dlt is imported, and requests are sent, only when a task runs. Tasks are
independent; one whose tables have not changed is skipped, and a retried one continues after the
last loaded package.
"""

# mypy: disable-error-code="import-not-found,untyped-decorator"

import os
from datetime import timedelta
from typing import Any

from airflow.exceptions import AirflowNotFoundException, AirflowSkipException
from airflow.sdk import Asset, AssetAlias, Connection, dag, task

PIPELINE = "dataverse"
BUCKETS = 8  # never change it: tables that come into another bucket are read in full again
AT_ONCE = 1  # more if the destination takes several writers; DuckDB takes one
TABLES = AssetAlias("dataverse")  # other DAGs wait for its tables: Asset("dataverse://accounts")

# Else dlt asks Airflow for a variable for each of its settings: 900 requests a task. Those in the
# variable dlt_secrets_toml are found all the same.
for name in ("ONLY_TOML_FRAGMENTS", "ONLY_SECRETS"):
    os.environ.setdefault(f"PROVIDERS__AIRFLOW_SECRETS__{name}", "true")

# Set here, so that it also holds if Airflow has retries set for all tasks.
RETRIES = {"retries": 2, "retry_delay": timedelta(minutes=5)}


def signed_in() -> dict[str, Any]:
    """Settings from Airflow's connection; none if there is no such connection."""
    try:
        found = Connection.get("dataverse")
    except AirflowNotFoundException:
        return {}
    own = {"client_id": found.login, "client_secret": found.password, **found.extra_dejson}
    return {"environment_url": found.host, "credentials": own}


@task(max_active_tis_per_dag=AT_ONCE, outlets=[TABLES], map_index_template="bucket {{ number }}")
def load(number: int, *, outlet_events: Any) -> None:
    """Sync the tables of one bucket with Dataverse."""
    from dataverse_source import load_bucket

    report = load_bucket(number, BUCKETS, pipeline=PIPELINE, **signed_in())
    print(report)
    changed = [one for one in report.tables if one.inserted or one.updated or one.deleted]
    if not changed:
        raise AirflowSkipException("no row has changed")
    for one in changed:
        asset = Asset(name=f"dataverse {one.name}", uri=f"dataverse://{one.name}")
        outlet_events[TABLES].add(asset, extra={"rows": one.rows_now})


@dag(schedule="@hourly", catchup=False, max_active_runs=1, default_args=RETRIES)
def dataverse_tables() -> None:
    """One task for each bucket."""
    load.expand(number=list(range(BUCKETS)))


dataverse_tables()
