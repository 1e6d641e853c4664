"""Loads a table's files one after the other where the destination shares this process' memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dlt

STRATEGY = "loader_parallelism_strategy"
IN_PROCESS = frozenset({"dlt.destinations.duckdb"})
"""Destinations that use all processors for one file; several at once only take more memory."""


@contextmanager
def file_by_file(pipeline: dlt.Pipeline) -> Iterator[None]:
    """While it lasts, DuckDB loads one file of a table at a time; the user's setting wins."""
    destination = pipeline.destination
    if destination is None or destination.destination_type not in IN_PROCESS:
        yield
        return
    given = destination.caps_params
    destination.caps_params = {STRATEGY: "table-sequential", **given}
    try:
        yield
    finally:
        destination.caps_params = given
