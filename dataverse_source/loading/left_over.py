"""Says what dlt's own ``pipeline.run`` leaves for the next run; `load` goes on by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dataverse_source.config.log import logger


def announced(items: Iterator[Any], name: str, stored: Mapping[str, Any]) -> Iterator[Any]:
    """The same items; after the last one it warns if the table is not complete.

    Args:
        items: of one load package.
        name: of the table.
        stored: its state, which changes with the last item.
    """
    yield from items
    if not stored.get("more"):
        return
    if stored.get("complete"):
        logger.info(
            "%s: rows that have changed while it was read come with the next run, and so does the "
            "comparison with Dataverse. `load(pipeline, source)` does both at once",
            name,
        )
    else:
        logger.warning(
            "%s is not complete: only some of its rows are in this load package "
            "(max_rows_per_load), and each further run loads as many more. "
            "`load(pipeline, source)` loads all of them",
            name,
        )
