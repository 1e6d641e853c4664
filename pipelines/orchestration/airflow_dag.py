"""Airflow 3: one task a table, each with a dlt pipeline of its own, so that they don't meet.

Put this file into the dags folder. Settings and secrets come from .dlt/ in the worker's folder
or from environment variables. Airflow reads the file all day long: nothing is imported from dlt
and nothing requested before a task runs. A task that is tried again goes on from what is loaded.
"""

# mypy: disable-error-code="import-not-found,untyped-decorator"

from datetime import timedelta

from airflow.sdk import dag, task

TABLES = ["accounts", "contacts"]
CATALOG = "_dataverse_catalog"  # what tables, columns and choices mean

# A plain value, so that it is in force also where retries are set for all of Airflow.
RETRIES = {"retries": 2, "retry_delay": timedelta(minutes=5)}


@task
def load_table(name: str) -> None:
    """Bring one table in step with Dataverse."""
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
    """One task for each table, and one for the tables that describe them."""
    for name in (*TABLES, CATALOG):
        load_table.override(task_id=name)(name)


dataverse_tables()
