"""How long importing the package takes, against importing dlt alone."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

STATEMENTS = {
    "dlt": "import dlt",
    "ours": "from dataverse_source import dataverse, load",
}


def measure_imports(rounds: int) -> dict[str, Any]:
    """Processor seconds of a process that imports and ends: the least of all rounds.

    The least, because whatever else the machine does can only add to it.
    """
    least: dict[str, float] = {}
    for _ in range(rounds):
        for name, statement in STATEMENTS.items():
            least[name] = min(least.get(name, float("inf")), _processor_seconds(statement))
    return {**least, "ratio": least["ours"] / least["dlt"]}


def _processor_seconds(statement: str) -> float:
    with subprocess.Popen([sys.executable, "-c", statement]) as process:  # noqa: S603
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{statement} failed")
    return usage.ru_utime + usage.ru_stime
