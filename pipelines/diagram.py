"""Draw the tables of a pipeline that has run, and their relationships.

uv run pipelines/diagram.py                        tables of pipelines/environment.py
uv run pipelines/diagram.py PIPELINE --columns     of another pipeline, with all columns

The output is a Mermaid diagram, which GitHub, GitLab and many editors render. An arrow leads
from the table with the lookup to the table that it points at.
"""

import argparse

import dlt


def main() -> None:
    """Print the drawing."""
    parser = argparse.ArgumentParser(description="Draw the tables of a pipeline.")
    parser.add_argument("pipeline", nargs="?", default="dataverse_environment")
    parser.add_argument("--columns", action="store_true", help="show the columns, too")
    options = parser.parse_args()
    schema = dlt.attach(options.pipeline).default_schema.clone()
    schema.drop_tables([name for name in schema.tables if name.startswith("_dataverse_")])
    print(schema.to_mermaid(hide_columns=not options.columns, include_dlt_tables=False))


if __name__ == "__main__":
    main()
