"""An environment of many small tables.

    python -m benchmarks.many_tables 300 [--rows 160] [--limits JSON] [--latency SECONDS]

serves one: prints the sandbox's line of JSON when it is ready, until it is ended.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

from benchmarks.serving import serve
from dataverse_source.sandbox import LatencySettings, LimitSettings, Sandbox
from dataverse_source.sandbox.schema.tables import Column, Table

PREFIX = "new_many"


def add_tables(sandbox: Sandbox, count: int, rows: int = 1) -> None:
    """Adds tables to a running sandbox, each with so many rows."""
    base = sandbox.store.schema
    tables = [_table(number) for number in range(count)]
    sandbox.store.change_schema(replace(base, tables=(*base.tables, *tables)))
    for table in tables:
        for row in range(rows):
            sandbox.store.create(table.logical_name, {"new_name": f"Row {row}"})


def _table(number: int) -> Table:
    name = f"{PREFIX}{number:03}"
    return Table(
        logical_name=name,
        schema_name=name,
        entity_set_name=f"{name}set",
        primary_id=f"{name}id",
        primary_name="new_name",
        object_type_code=12_000 + number,
        columns=(
            Column(f"{name}id", "Uniqueidentifier", is_primary_id=True),
            Column("new_name", "String", is_primary_name=True, max_length=100),
            Column("createdon", "DateTime", date_behavior="UserLocal"),
            Column("modifiedon", "DateTime", date_behavior="UserLocal"),
            Column("versionnumber", "BigInt"),
        ),
    )


def main() -> None:
    """Serves until it is ended."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("tables", type=int)
    parser.add_argument("--rows", type=int, default=1, help="of each table")
    parser.add_argument("--limits", type=json.loads, help="settings of the limits, as JSON")
    parser.add_argument("--latency", type=float, help="seconds that an answer takes")
    options = parser.parse_args()
    limits = LimitSettings(enforced=True, **options.limits) if options.limits else None
    sandbox = Sandbox({}, seed=1, limits=limits, control_port=0).start()
    add_tables(sandbox, options.tables, options.rows)
    if options.latency:
        sandbox.latency = LatencySettings(options.latency)
    serve(sandbox)


if __name__ == "__main__":
    main()
