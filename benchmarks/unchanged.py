"""A run over many tables in which nothing has changed: requests and wall time.

Run as a program it is the server: a sandbox with that many tables of one row each.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from benchmarks.compare import run_once
from benchmarks.contenders import contenders
from benchmarks.serving import serve, served
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.tables import Column, Table

PREFIX = "new_many"


def measure_unchanged(tables: int, *, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Loads all tables, then runs twice more; the last run is measured."""
    options = {"settings": {"tables": [f"{PREFIX}*"]}, "runs": 3}
    (ours,) = (each for each in contenders() if each.name == "ours")
    ours = replace(ours, arguments=(json.dumps(options),))
    with served([sys.executable, "-m", "benchmarks.unchanged", str(tables)]) as server:
        run = run_once(ours, server)
    if run.rows != tables:
        raise RuntimeError(f"{run.rows} rows arrived, not {tables}")
    asked = run.more["counters"]["requests"]
    say(f"no changes in {tables} tables  {asked} requests  {run.seconds:.1f} s")
    return {"tables": tables, "seconds": run.seconds, "requests": asked}


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
    base = sandbox.store.schema
    tables = [_table(number) for number in range(int(sys.argv[1]))]
    sandbox.store.change_schema(replace(base, tables=(*base.tables, *tables)))
    for table in tables:
        sandbox.store.create(table.logical_name, {"new_name": "One"})
    serve(sandbox)


if __name__ == "__main__":
    main()
