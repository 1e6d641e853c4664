"""Load the accounts of a Dataverse environment; later runs load only changes.

uv run pipelines/accounts.py            load accounts
uv run pipelines/accounts.py --top 3    print the first accounts by name, load nothing

Set the environment in .dlt/config.toml and the credentials in .dlt/secrets.toml.
"""

import argparse
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
    top_by_name,
)

QUERY = "FROM dataverse.accounts SELECT name, revenue, modifiedon ORDER BY revenue DESC LIMIT 5"
TRY_IT = """Try it: uv run python -c "import duckdb; duckdb.connect('{}').sql('{}').show()\""""


def main() -> int:
    """Run the pipeline; the exit code is 0 only if everything is loaded."""
    parser = argparse.ArgumentParser(description="Load Dataverse accounts into DuckDB.")
    parser.add_argument("--top", type=int, metavar="N", help="print N accounts, load nothing")
    options = parser.parse_args()
    os.umask(0o077)  # files with rows and state are for this user only
    # For this process; leave both out in a process with other tasks.
    return_freed_memory()
    try:
        limit_duckdb_memory()
        if options.top is not None:
            print(top_by_name("accounts", options.top))
            return 0
        with project_pipeline() as pipeline, show_progress(pipeline):
            report = load(pipeline, dataverse(tables=["accounts"]))
        print(report)
        print(TRY_IT.format(report.destination, QUERY))
    except (DataverseError, DltException, OSError) as error:  # of dlt: unreadable settings
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt as stopped:
        print(stopped, file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
