"""Prefect 3: one task per table, each with a dlt pipeline of its own; tasks are independent.

python prefect_flow.py

Settings and secrets come from .dlt/ in the working folder or from environment variables. Requests
are sent only when a task runs. A retried task continues after the last loaded package.
"""

# mypy: disable-error-code="import-not-found,untyped-decorator"

from prefect import flow, task

TABLES = ["accounts", "contacts"]
CATALOG = "_dataverse_catalog"  # describes tables, columns and choices


@task(retries=2, retry_delay_seconds=300, log_prints=True)
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


@flow
def dataverse_tables() -> None:
    """One task per table, and one for the catalog."""
    for name in (*TABLES, CATALOG):
        load_table.with_options(name=name)(name)


if __name__ == "__main__":
    dataverse_tables.serve(name="hourly", cron="0 * * * *")
