"""RetrieveTotalRecordCount: row counts that are up to a day old.

Source: docs page "RetrieveTotalRecordCount Function", data of the last 24 hours.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataverse_source.sandbox.store.store import Store

KEPT = timedelta(hours=24)


class RecordCounts:
    """Counts a table at the first request, and again when that count is a day old."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: dict[str, tuple[datetime, int]] = {}

    def count(self, store: Store, logical_name: str) -> int:
        """The number of rows at the last count."""
        now = store.clock.now()
        with self._lock:
            counted = self._counted.get(logical_name)
            if counted is None or now - counted[0] >= KEPT:
                counted = self._counted[logical_name] = (now, store.count(logical_name))
        return counted[1]
