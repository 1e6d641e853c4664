"""The numbers that a run reports, against what its load packages have done to the destination."""

from __future__ import annotations

from typing import Any

from dataverse_source.loading.run_context import RunContext

DELETIONS = "_dataverse_deletions"

Image = dict[str, dict[Any, Any]]
"""The version of each row by key, by table, see `MemoryDestination.versions`."""


def assert_counted(run: RunContext, before: Image, after: Image) -> None:
    """Rows inserted, updated and deleted are those that differ; the others read are unchanged.

    Args:
        run: with the numbers of the package that was loaded last.
        before: the destination before that package.
        after: the destination after it.
    """
    newest_names = {logical_name: name for name, logical_name in run.names.items()}
    for logical_name, name in newest_names.items():  # a table may be renamed within a run
        counts = run.pending.get(logical_name)
        if counts is None:
            continue
        old, new = before.get(name, {}), after.get(name, {})
        recorded = _recorded(name, after) - _recorded(name, before)
        gone = (old.keys() - new.keys()) | (recorded & old.keys())
        both = [key for key in old.keys() & new.keys() if key not in recorded]
        updated = sum(old[key] != new[key] for key in both)
        where = f"{name}: {counts}"
        assert counts.inserted in (None, len(new.keys() - old.keys())), where
        assert counts.updated in (None, updated), f"{where}, updated {updated}"
        assert counts.deleted in (None, len(gone)), f"{where}, deleted {len(gone)}"
        assert counts.unchanged is None or counts.unchanged <= len(both) - updated, where
        assert (counts.inserted or 0) + (counts.updated or 0) <= counts.read, where


def _recorded(name: str, tables: Image) -> set[Any]:
    return {key for table, key in tables.get(DELETIONS, {}) if table == name}
