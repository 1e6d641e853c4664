"""New GUIDs, ascending in SQL Server's order like those of NEWSEQUENTIALID."""

from __future__ import annotations

import threading

_NODE = "000d3a3ac063"
_CLOCK = "a964"
_VERSION_1 = 0x1000
_EPOCH_TICKS = 122_192_928_000_000_000
"""100-nanosecond ticks from 1582-10-15, where version 1 UUIDs start, to 1970-01-01."""
TICKS_PER_MILLISECOND = 10_000


def ticks_at(milliseconds: int) -> int:
    """Version 1 UUID ticks of milliseconds since 1970."""
    return _EPOCH_TICKS + milliseconds * TICKS_PER_MILLISECOND


def sequential_guid(ticks: int, node: str = _NODE) -> str:
    """The GUID of a moment: a version 1 UUID with its first three groups byte-swapped.

    SQL Server's NEWSEQUENTIALID swaps them, which makes the GUIDs ascend in its order.
    """
    low = f"{ticks & 0xFFFFFFFF:08x}"
    middle = f"{ticks >> 32 & 0xFFFF:04x}"
    high = f"{ticks >> 48 | _VERSION_1:04x}"
    return (
        f"{low[6:]}{low[4:6]}{low[2:4]}{low[:2]}-{middle[2:]}{middle[:2]}-"
        f"{high[2:]}{high[:2]}-{_CLOCK}-{node}"
    )


class SequentialGuids:
    """Gives out GUIDs that ascend, also when the clock stands still or goes back.

    Attributes:
        last: ticks of the last one.
    """

    def __init__(self, last: int = 0) -> None:
        self._lock = threading.Lock()
        self.last = last

    def next(self, milliseconds: int) -> str:
        """A new GUID for the moment of ``milliseconds`` since 1970."""
        with self._lock:
            self.last = max(self.last + 1, ticks_at(milliseconds))
            return sequential_guid(self.last)
