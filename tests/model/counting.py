"""The numbers that a run reports, against what its load packages have done to the destination."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataverse_source.loading.run_context import RunContext

DELETIONS = "_dataverse_deletions"


@dataclass(frozen=True)
class Image:
    """What the destination holds at a moment.

    Attributes:
        rows: by table: each row with its version.
        keys: columns of each table's key; none of a query without one.
    """

    rows: Mapping[str, Sequence[tuple[Mapping[str, Any], Any]]]
    keys: Mapping[str, Sequence[str]]

    def versions(self, name: str, key: Sequence[str]) -> dict[Any, list[Any]]:
        """The versions of a table's rows by key: of one key several, if the key is a new one."""
        found = defaultdict(list)
        for row, version in self.rows.get(name, ()):
            found[tuple(row.get(column) for column in key)].append(version)
        return found

    def recorded(self, name: str) -> set[Any]:
        """The keys of a table's rows that are kept although Dataverse has deleted them."""
        listed = (row for row, _ in self.rows.get(DELETIONS, ()))
        return {(row["key"],) for row in listed if row["table"] == name}


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
        key = after.keys.get(name, ())
        old, new = before.versions(name, key), after.versions(name, key)
        recorded = after.recorded(name) - before.recorded(name)
        inserted = sum(max(len(new[one]) - len(old.get(one, ())), 0) for one in new)
        gone = sum(max(len(old[one]) - len(new.get(one, ())), 0) for one in old)
        gone += len(recorded & old.keys() & new.keys())
        both = [one for one in old.keys() & new.keys() if one not in recorded]
        stayed = sum(min(len(old[one]), len(new[one])) for one in both)
        updated = sum(set(old[one]) != set(new[one]) for one in both)
        where = f"{name}: {counts}"
        assert counts.inserted in (None, inserted), f"{where}, inserted {inserted}"
        assert counts.updated in (None, updated), f"{where}, updated {updated}"
        assert counts.deleted in (None, gone), f"{where}, deleted {gone}"
        assert counts.unchanged is None or counts.unchanged <= stayed - updated, where
        assert (counts.inserted or 0) + (counts.updated or 0) <= counts.read, where
