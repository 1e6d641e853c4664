"""Machines that load into one DuckDB file, and runs that happen while another one reads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dlt
from dlt.extract import DltSource


class Machine:
    """A working folder of its own, and the same DuckDB file as the other ones.

    DuckDB lets threads of one process in at once, as servers let processes in.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.database, self.pipelines = folder / "rows.duckdb", folder / name

    def pipeline(self, name: str = "test", **settings: Any) -> dlt.Pipeline:
        return dlt.pipeline(
            name,
            destination=dlt.destinations.duckdb(str(self.database), **settings),
            dataset_name="dataverse",
            pipelines_dir=str(self.pipelines),
        )


def meanwhile(source: DltSource, *actions: Callable[[], Any]) -> DltSource:
    """The same source; while its first row is read, others run, each in a thread of its own."""
    waiting = list(actions)

    def step(row: Any) -> Any:
        while waiting:
            thread = threading.Thread(target=waiting.pop())
            thread.start()
            thread.join()
        return row

    source.accounts.add_map(step)
    return source
