"""Scripts that tests start in processes of their own, each with a pipeline made of its argument."""

from __future__ import annotations

DUCKDB = 'dlt.destinations.duckdb(given["database"])'
POSTGRES = 'dlt.destinations.postgres(given["address"])'

_PIPELINE = """
import json, os, sys
import dlt
from dataverse_source import dataverse, load

given = json.loads(sys.argv[1])
pipeline = dlt.pipeline(
    given.get("name", "test"),
    destination={destination},
    dataset_name="dataverse",
    pipelines_dir=given["pipelines"],
)
"""


def script(destination: str, rest: str) -> str:
    """The text of a script.

    Args:
        destination: `DUCKDB` or `POSTGRES`.
        rest: what is done with ``pipeline`` and ``given``, the JSON object that it is started with.
    """
    return _PIPELINE.format(destination=destination) + rest
