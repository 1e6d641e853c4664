"""Whether processor time is left: more requests at once only help a process that waits."""

from __future__ import annotations

import time
from collections.abc import Callable

from dataverse_source.client.processors import available_processors

INTERVAL = 0.2
"""Seconds over which processor time is compared with the clock."""


class CpuGauge:
    """Compares the processor time that this process uses with what is available.

    Python itself runs on one processor at a time; only its libraries use more. So a process
    counts as busy when it uses half of its processors, and at least most of one.

    Args:
        spent: returns the seconds of processor time that this process has used.
        processors: how many are available; a container may have a fraction of one.
    """

    def __init__(
        self, spent: Callable[[], float] = time.process_time, processors: float | None = None
    ) -> None:
        self._spent = spent
        available = processors or available_processors()
        self._most = max(0.8 * min(available, 1.0), available / 2)
        self._last: tuple[float, float] | None = None
        self._busy = False

    def has_spare_time(self, now: float) -> bool:
        """Whether processor time was left in the last interval.

        Args:
            now: seconds that only grow.
        """
        if self._last is None:
            self._last = now, self._spent()
        elif now - self._last[0] >= INTERVAL:
            spent = self._spent()
            self._busy = (spent - self._last[1]) / (now - self._last[0]) > self._most
            self._last = now, spent
        return not self._busy
