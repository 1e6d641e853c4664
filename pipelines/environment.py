"""Bring all tables in step that [sources.dataverse] tables names; run it as often as you like.

uv run pipelines/environment.py

The tables, where to read from and how to sign in are set in .dlt/config.toml and
.dlt/secrets.toml.
"""

import sys

import dlt
from dlt.common.exceptions import DltException
from dlt.common.runtime.collector import TqdmCollector

from dataverse_source import DataverseError, dataverse, load


def main() -> int:
    """Run the pipeline; the exit code is 0 only if everything is loaded."""
    try:
        pipeline = dlt.pipeline(
            "dataverse_environment",
            destination=dlt.config.get("destination_type", str) or "duckdb",
            dataset_name="dataverse",
            progress=TqdmCollector(disable=None),  # bars on a terminal, silence elsewhere
        )
        print(load(pipeline, dataverse()))
    except (DataverseError, DltException) as error:  # dlt's own: files it can't read, and the like
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; what was not loaded yet is read again next time.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
