"""An environment of many tables of one row each.

    python -m benchmarks.many_tables 300

serves one: prints the sandbox's line of JSON when it is ready, until it is ended.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from benchmarks.serving import serve
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.schema.tables import Column, Table

PREFIX = "new_many"


def add_tables(sandbox: Sandbox, count: int) -> None:
    """Adds tables to a running sandbox."""
    base = sandbox.store.schema
    tables = [_table(number) for number in range(count)]
    sandbox.store.change_schema(replace(base, tables=(*base.tables, *tables)))
    for table in tables:
        sandbox.store.create(table.logical_name, {"new_name": "One"})


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
    sandbox = Sandbox({}, seed=1).start()
    add_tables(sandbox, int(sys.argv[1]))
    serve(sandbox)


if __name__ == "__main__":
    main()
