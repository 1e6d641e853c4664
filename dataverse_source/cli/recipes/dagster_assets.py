"""Dagster: the tables in buckets, a step for each, each with a dlt pipeline of its own.

dagster dev -f dagster_assets.py

The tables stand in the settings: .dlt/ in the working folder, or environment variables. Requests
are sent only when a step runs. Steps are independent; a retried one continues after the last loaded
package. Each table is an asset with its numbers, which Dagster plots over time.
"""

# mypy: disable-error-code="import-not-found,untyped-decorator"

from collections.abc import Iterator
from typing import Any

import dagster as dg

PIPELINE = "dataverse"
BUCKETS = 8  # never change it: tables that come into another bucket are read in full again
AT_ONCE = 1  # more if the destination takes several writers; DuckDB takes one
NUMBERS = ("inserted", "updated", "deleted", "rows_now", "seconds")


@dg.op(out=dg.DynamicOut(int))
def buckets() -> Iterator[Any]:
    """The numbers of the buckets."""
    for number in range(BUCKETS):
        yield dg.DynamicOutput(number, mapping_key=f"bucket_{number}")


@dg.op(retry_policy=dg.RetryPolicy(max_retries=2, delay=300))
def load(context: dg.OpExecutionContext, number: int) -> None:
    """Sync the tables of one bucket with Dataverse."""
    from dataverse_source import load_bucket

    report = load_bucket(number, BUCKETS, pipeline=PIPELINE)
    context.log.info(str(report))
    for one in report.tables:
        known = {word: getattr(one, word) for word in NUMBERS}
        metadata = {word: value for word, value in known.items() if value is not None}
        key = dg.AssetKey([str(report.dataset), one.name])
        context.log_event(dg.AssetMaterialization(key, metadata=metadata))


@dg.job(executor_def=dg.multiprocess_executor.configured({"max_concurrent": AT_ONCE}))
def dataverse_tables() -> None:
    """One step for each bucket."""
    buckets().map(load)


defs = dg.Definitions(
    jobs=[dataverse_tables],
    schedules=[
        dg.ScheduleDefinition(name="hourly", job=dataverse_tables, cron_schedule="0 * * * *")
    ],
)
