"""Airflow 3: one huge table, whose first load is shared out among workers; then only its changes.

Set landing_url to a bucket or folder that all workers reach, and processes to AT_ONCE. Once the
table is loaded, a plan has no parts, and finish reads what has changed, so that the DAG may run
every hour.
"""

# mypy: disable-error-code="import-not-found,untyped-decorator"

import os
from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task

TABLE = "accounts"
PIPELINE = f"dataverse_{TABLE}"
PARTS = 64
AT_ONCE = 8

# Else dlt asks Airflow for a variable for each of its settings: 900 requests a task. Those in the
# variable dlt_secrets_toml are found all the same.
for name in ("ONLY_TOML_FRAGMENTS", "ONLY_SECRETS"):
    os.environ.setdefault(f"PROVIDERS__AIRFLOW_SECRETS__{name}", "true")

RETRIES = {"retries": 2, "retry_delay": timedelta(minutes=5)}


@task(multiple_outputs=False)
def plan() -> dict[str, Any]:
    """Take the delta link, count the rows, cut the table into parts."""
    from dataverse_source import plan_load, project_pipeline

    with project_pipeline(PIPELINE) as pipeline:
        return plan_load(TABLE, pipeline, PARTS)


@task
def numbers(plan: dict[str, Any]) -> list[int]:
    """The parts, one task for each; none once the table is loaded."""
    found: list[int] = plan["numbers"]
    return found


@task(max_active_tis_per_dag=AT_ONCE, map_index_template="part {{ number }}")
def part(plan: dict[str, Any], number: int) -> None:
    """Read one part; on any worker, and again after a failure."""
    from dataverse_source import read_part

    print(read_part(plan, number))


# Without parts the mapped task is skipped, and by default finish would be skipped with it.
@task(trigger_rule="none_failed")
def finish(plan: dict[str, Any]) -> None:
    """Load the parts, and what has changed meanwhile."""
    from dataverse_source import finish_load, project_pipeline

    with project_pipeline(PIPELINE) as pipeline:
        print(finish_load(plan, pipeline))


@dag(schedule="@hourly", catchup=False, max_active_runs=1, default_args=RETRIES)
def dataverse_table_in_parts() -> None:
    """Plan, parts, finish."""
    planned = plan()
    part.partial(plan=planned).expand(number=numbers(planned)) >> finish(planned)


dataverse_table_in_parts()
