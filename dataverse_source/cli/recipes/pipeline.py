"""Sync the tables that .dlt/config.toml names; run it as often as you like."""

import os
import sys

from dataverse_source import DataverseError, dataverse, load, project_pipeline


def main() -> int:
    """Run the pipeline; the exit code is 0 only if everything is loaded."""
    os.umask(0o077)  # files with rows and state are for this user only
    try:
        with project_pipeline() as pipeline:
            print(load(pipeline, dataverse()))
    except DataverseError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
