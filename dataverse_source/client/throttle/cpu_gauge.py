"""Whether this machine has power left: more requests at once only help one that waits."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

INTERVAL = 0.2
"""Seconds over which the processor's time is compared with the clock's."""


class CpuGauge:
    """Compares the processor time that this process takes with what there is.

    Python runs on one core at a time but for its libraries, so that half of the cores, and at
    least most of one, stands for a process that has all it can use.

    Args:
        spent: seconds of processor time that this process has taken.
        cores: how many there are.
    """

    def __init__(
        self, spent: Callable[[], float] = time.process_time, cores: int | None = None
    ) -> None:
        self._spent = spent
        self._most = max(0.8, (cores or os.cpu_count() or 1) / 2)
        self._last: tuple[float, float] | None = None
        self._busy = False

    def has_power(self, now: float) -> bool:
        """Whether there was power to spare in the last interval.

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
