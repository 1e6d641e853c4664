"""Prefect 3: the tables in buckets, a task for each, each with a dlt pipeline of its own.

python prefect_flow.py

The tables stand in the settings: .dlt/ in the working folder, or environment variables. Requests
are sent only when a task runs. A task that fails does not stop the others, and fails the flow at
the end; a retried one continues after the last loaded package. To have several workers share the
buckets, let each run the flow with numbers of its own: dataverse_tables(numbers=[0, 1]).
"""

# mypy: disable-error-code="import-not-found,untyped-decorator"

from typing import Any

from prefect import flow, task

PIPELINE = "dataverse"
BUCKETS = 8  # never change it: tables that come into another bucket are read in full again


@task(retries=2, retry_delay_seconds=300, log_prints=True)
def load(number: int) -> None:
    """Sync the tables of one bucket with Dataverse."""
    from dataverse_source import load_bucket

    print(load_bucket(number, BUCKETS, pipeline=PIPELINE))


@flow
def dataverse_tables(numbers: list[int] | None = None) -> list[Any]:
    """One task for each bucket, or for those that are named."""
    chosen = range(BUCKETS) if numbers is None else numbers
    return [load.with_options(name=f"bucket {one}")(one, return_state=True) for one in chosen]


if __name__ == "__main__":
    dataverse_tables.serve(name="hourly", cron="0 * * * *")
