"""What a run that finds its environment restored from a backup leaves to the next one."""

from __future__ import annotations

from collections.abc import Container, Iterable

import dlt

from dataverse_source.loading.destination_memory import read_again_next_time

RESTORED = "the environment is older than at the last run: it was restored from a backup"


def read_rest_next_time(
    pipeline: dlt.Pipeline, tables: Iterable[str], done: Container[str]
) -> None:
    """Has the next run read the tables that failed, or that this run has left out.

    What tells that the environment was restored may be gone by then.

    Args:
        pipeline: that ran.
        tables: of the destination.
        done: those that the run has loaded, by name in the destination.
    """
    rest = [name for name in tables if name not in done]
    read_again_next_time(pipeline, dict.fromkeys(rest, RESTORED))
