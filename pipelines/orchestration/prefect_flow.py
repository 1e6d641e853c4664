"""Prefect 3: one task a table, each with a dlt pipeline of its own, so that they don't meet.

python pipelines/orchestration/prefect_flow.py

Settings and secrets come from .dlt/ in the working folder or from environment variables. Nothing
is requested before a task runs. A task that is tried again goes on from what is loaded.
"""

# mypy: disable-error-code="import-not-found,untyped-decorator"

from prefect import flow, task

TABLES = ["accounts", "contacts"]
CATALOG = "_dataverse_catalog"  # what tables, columns and choices mean


@task(retries=2, retry_delay_seconds=300, log_prints=True)
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


@flow
def dataverse_tables() -> None:
    """One task for each table, and one for the tables that describe them."""
    for name in (*TABLES, CATALOG):
        load_table.with_options(name=name)(name)


if __name__ == "__main__":
    dataverse_tables.serve(name="hourly", cron="0 * * * *")
