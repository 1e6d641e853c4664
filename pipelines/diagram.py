"""Draw the tables of a pipeline that has run, and their relationships.

uv run pipelines/diagram.py                        tables of the project's pipeline
uv run pipelines/diagram.py PIPELINE --columns     of another pipeline, with all columns

The output is a Mermaid diagram, which GitHub, GitLab and many editors render. An arrow leads
from the table with the lookup to the table that it points at.
"""

import argparse
import sys

from dataverse_source import DataverseError, attached_pipeline


def main() -> int:
    """Print the drawing."""
    parser = argparse.ArgumentParser(description="Draw the tables of a pipeline.")
    parser.add_argument("pipeline", nargs="?")
    parser.add_argument("--columns", action="store_true", help="show the columns, too")
    options = parser.parse_args()
    try:
        schema = attached_pipeline(options.pipeline).default_schema.clone()
    except DataverseError as error:
        print(error, file=sys.stderr)
        return 1
    schema.drop_tables([name for name in schema.tables if name.startswith("_dataverse_")])
    print(schema.to_mermaid(hide_columns=not options.columns, include_dlt_tables=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
