"""A run over many tables in which nothing has changed: requests and wall time."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from benchmarks.compare import run_once
from benchmarks.contenders import contenders
from benchmarks.many_tables import PREFIX
from benchmarks.serving import served


def measure_unchanged(tables: int, *, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Loads all tables, then runs twice more; the last run is measured."""
    options = {"settings": {"tables": [f"{PREFIX}*"]}, "runs": 3}
    (ours,) = (each for each in contenders() if each.name == "ours")
    ours = replace(ours, arguments=(json.dumps(options),))
    with served([sys.executable, "-m", "benchmarks.many_tables", str(tables)]) as server:
        run = run_once(ours, server)
    if run.rows != tables:
        raise RuntimeError(f"{run.rows} rows arrived, not {tables}")
    asked = run.more["counters"]["requests"]
    say(f"no changes in {tables} tables  {asked} requests  {run.seconds:.1f} s")
    return {"tables": tables, "seconds": run.seconds, "requests": asked}
