"""Sync all tables that [sources.dataverse] tables names; run it as often as you like.

uv run pipelines/environment.py

Set tables and environment in .dlt/config.toml and the credentials in .dlt/secrets.toml.
"""

import os
import sys

from dlt.common.exceptions import DltException

from dataverse_source import (
    DataverseError,
    dataverse,
    limit_duckdb_memory,
    load,
    project_pipeline,
    return_freed_memory,
    show_progress,
)


def main() -> int:
    """Run the pipeline; the exit code is 0 only if everything is loaded."""
    os.umask(0o077)  # files with rows and state are for this user only
    # For this process; leave both out in a process with other tasks.
    return_freed_memory()
    try:
        limit_duckdb_memory()
        with project_pipeline() as pipeline, show_progress(pipeline):
            print(load(pipeline, dataverse()))
    except (DataverseError, DltException, OSError) as error:  # of dlt: unreadable settings
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt as stopped:
        print(stopped, file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
