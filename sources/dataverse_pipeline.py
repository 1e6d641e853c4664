"""Loads tables; a second run reads only what has changed. Where from stands in .dlt."""

import dlt
from dataverse import dataverse

from dataverse_source import load

if __name__ == "__main__":
    pipeline = dlt.pipeline(
        pipeline_name="dataverse", destination="duckdb", dataset_name="dataverse_data"
    )
    print(load(pipeline, dataverse(tables=["accounts", "contacts"])))
