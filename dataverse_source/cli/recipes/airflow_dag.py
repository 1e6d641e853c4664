"""Airflow 3: one task per table, each with a dlt pipeline of its own; tasks are independent.

Put this file into the dags folder. Settings and secrets come from .dlt/ in the worker's folder
or from environment variables. Airflow parses the file all the time: dlt is imported, and requests
are sent, only when a task runs. A retried task continues after the last loaded package.
"""

# mypy: disable-error-code="import-not-found,untyped-decorator"

from datetime import timedelta

from airflow.sdk import dag, task

TABLES = ["accounts", "contacts"]
CATALOG = "_dataverse_catalog"  # describes tables, columns and choices

# Set here, so that it also holds if Airflow has retries set for all tasks.
RETRIES = {"retries": 2, "retry_delay": timedelta(minutes=5)}


@task
def load_table(name: str) -> None:
    """Sync one table with Dataverse."""
    import dlt

    from dataverse_source import dataverse, load

    pipeline = dlt.pipeline(
        f"dataverse_{name}",
        destination=dlt.config.get("destination_type", str) or "duckdb",
        dataset_name="dataverse",
    )
    print(load(pipeline, dataverse(tables=TABLES).with_resources(name)))


@dag(schedule="@hourly", catchup=False, max_active_runs=1, default_args=RETRIES)
def dataverse_tables() -> None:
    """One task per table, and one for the catalog."""
    for name in (*TABLES, CATALOG):
        load_table.override(task_id=name)(name)


dataverse_tables()
