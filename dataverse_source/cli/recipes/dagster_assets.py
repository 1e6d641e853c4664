"""Dagster: one asset per table, each with a dlt pipeline of its own; assets are independent.

dagster dev -f dagster_assets.py

Settings and secrets come from .dlt/ in the working folder or from environment variables. Requests
are sent only when an asset is materialized. A retried asset continues after the last loaded
package.
"""

# mypy: disable-error-code="import-not-found,untyped-decorator"

import dagster as dg

TABLES = ["accounts", "contacts"]
CATALOG = "_dataverse_catalog"  # describes tables, columns and choices
NUMBERS = ("inserted", "updated", "deleted", "rows_now", "seconds")


def table_asset(name: str) -> dg.AssetsDefinition:
    """The asset of one table."""

    @dg.asset(
        name=name,
        group_name="dataverse",
        retry_policy=dg.RetryPolicy(max_retries=2, delay=300),
    )
    def table() -> dg.MaterializeResult:
        import dlt

        from dataverse_source import dataverse, load

        pipeline = dlt.pipeline(
            f"dataverse_{name}",
            destination=dlt.config.get("destination_type", str) or "duckdb",
            dataset_name="dataverse",
        )
        report = load(pipeline, dataverse(tables=TABLES).with_resources(name))
        # Dagster plots numbers over time; those that are unknown are left out
        known = {
            word: getattr(one, word)
            for one in report.tables
            for word in NUMBERS
            if one.name == name and getattr(one, word) is not None
        }
        return dg.MaterializeResult(metadata={"report": str(report), **known})

    return table


assets = [table_asset(name) for name in (*TABLES, CATALOG)]
defs = dg.Definitions(
    assets=assets,
    schedules=[
        dg.ScheduleDefinition(
            name="hourly",
            target=dg.AssetSelection.groups("dataverse"),
            cron_schedule="0 * * * *",
        )
    ],
)
