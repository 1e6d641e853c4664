"""Spark: one huge table, whose first load is shared out among the executors; then only its changes.

spark-submit spark_parts.py

Install dlt-dataverse on the cluster; pandas and pyarrow, by which Spark hands out numbers, are
there in Databricks and Fabric. Set landing_url to a bucket or folder that all executors reach, and
processes to the number of tasks that run at once. Executors need the settings too: variables as
spark.executorEnv.NAME, or .dlt/ in their working folder. Spark reads a part again whose executor is
lost. Once the table is loaded, a plan has no parts, and finish reads what has changed, so that the
job may run every hour.
"""

# mypy: disable-error-code="import-not-found"

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

TABLE = "accounts"
PIPELINE = f"dataverse_{TABLE}"
PARTS = 64

Batches = Iterator[pa.RecordBatch]


def reads(plan: dict[str, Any]) -> Callable[[Batches], Batches]:
    """What an executor does: it reads the parts whose numbers come, into the landing place."""

    def read(batches: Batches) -> Batches:
        from dataverse_source import read_part

        for batch in batches:
            for number in batch.column("id").to_pylist():
                report = read_part(plan, number)
                yield pa.RecordBatch.from_pydict({"part": [number], "rows": [report["rows"]]})

    return read


def main() -> None:
    """Plan, parts, finish."""
    from dataverse_source import finish_load, plan_load, project_pipeline

    spark = SparkSession.builder.appName(f"Dataverse: {TABLE}").getOrCreate()
    with project_pipeline(PIPELINE) as pipeline:
        plan = plan_load(TABLE, pipeline, PARTS)
        count = len(plan["numbers"])
        if count:
            parts = spark.range(0, count, 1, count)  # one part a task
            parts.mapInArrow(reads(plan), "part long, rows long").collect()
        print(finish_load(plan, pipeline))


if __name__ == "__main__":
    main()
