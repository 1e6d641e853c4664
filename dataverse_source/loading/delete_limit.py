"""Stops a table's run that would remove more rows than the setting ``max_deletes`` allows."""

from __future__ import annotations

from collections.abc import Iterator

from dataverse_source.errors import DataError
from dataverse_source.sync.context import TableRun
from dataverse_source.sync.write.items import Item


def limit_deletes(run: TableRun, items: Iterator[Item], loaded: int | None) -> Iterator[Item]:
    """The items of a table; the error comes after the last one, when dlt can still discard all.

    Args:
        run: the run of the table.
        items: for dlt.
        loaded: rows in the destination before the run; None if unknown: nothing is limited.

    Raises:
        DataError: more rows would be removed than allowed.
    """
    settings = run.settings
    if settings.max_deletes is None or not loaded or settings.deletes == "keep" or settings.history:
        return items
    return _limited(run, items, loaded, settings.max_deletes)


def _limited(run: TableRun, items: Iterator[Item], loaded: int, share: float) -> Iterator[Item]:
    deleted = rows = 0
    replaces = False
    for item in items:
        replaces |= item.replaces
        rows += item.data.num_rows if item.kind not in ("changes", "files", "begin") else 0
        if item.kind == "tombstones":
            deleted += item.data.num_rows
        yield item
    removed = max(loaded - rows, 0) if replaces else deleted
    if removed > share * loaded:
        raise DataError(
            f"{removed:,} of {loaded:,} rows of {run.name} would be removed, more than "
            f"max_deletes = {share:g} allows",
            where=run.name,
            remedy="Check in Dataverse whether these rows were deleted, or whether the user can no "
            "longer read them. If they are to go, set max_deletes higher for one run: "
            f"SOURCES__DATAVERSE__MAX_DELETES=1 dataverse-source run {run.name}.",
        )
