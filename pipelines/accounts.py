"""Load the accounts of a Dataverse environment; a second run loads only what has changed.

uv run pipelines/accounts.py            load accounts
uv run pipelines/accounts.py --top 3    print the first accounts by name, load nothing

Where to read from and how to sign in is set in .dlt/config.toml and .dlt/secrets.toml.
"""

import argparse
import sys

import dlt
from dlt.common.exceptions import DltException
from dlt.common.runtime.collector import TqdmCollector

from dataverse_source import DataverseError, dataverse, load, top_by_name

QUERY = "FROM dataverse.accounts SELECT name, revenue, modifiedon ORDER BY revenue DESC LIMIT 5"
TRY_IT = """Try it: uv run python -c "import duckdb; duckdb.connect('{}').sql('{}').show()\""""


def main() -> int:
    """Run the pipeline; the exit code is 0 only if everything is loaded."""
    parser = argparse.ArgumentParser(description="Load Dataverse accounts into DuckDB.")
    parser.add_argument("--top", type=int, metavar="N", help="print N accounts, load nothing")
    options = parser.parse_args()
    try:
        if options.top is not None:
            print(top_by_name("accounts", options.top))
            return 0
        pipeline = dlt.pipeline(
            "dataverse_accounts",
            destination=dlt.config.get("destination_type", str) or "duckdb",
            dataset_name="dataverse",
            progress=TqdmCollector(disable=None),  # bars on a terminal, silence elsewhere
        )
        report = load(pipeline, dataverse(tables=["accounts"]))
        print(report)
        print(TRY_IT.format(report.destination, QUERY))
    except (DataverseError, DltException) as error:  # dlt's own: files it can't read, and the like
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; what was not loaded yet is read again next time.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
