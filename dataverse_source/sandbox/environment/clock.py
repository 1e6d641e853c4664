"""The sandbox's clock: UTC time that a test can set, stop and move on."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone


class Clock:
    """Tells the time to everything in the sandbox: rows, tokens, limits.

    It follows the system's clock until it is set or frozen. Thread-safe.

    Args:
        start: the moment at which the clock starts to run; None for the system's time.
        frozen: True keeps the clock at its moment until it is advanced.
    """

    def __init__(self, start: datetime | None = None, *, frozen: bool = False) -> None:
        self._lock = threading.Lock()
        self._offset = timedelta(0)
        self._frozen_at: datetime | None = None
        if frozen:
            self.freeze()
        if start is not None:
            self.set(start)

    def now(self) -> datetime:
        """The sandbox's time, aware, in UTC."""
        with self._lock:
            return self._now()

    def set(self, moment: datetime) -> None:
        """Puts the clock to ``moment``; it goes on running from there unless frozen.

        Raises:
            ValueError: ``moment`` has no time zone.
        """
        if moment.tzinfo is None:
            raise ValueError("Give the clock a moment with a time zone.")
        moment = moment.astimezone(timezone.utc)
        with self._lock:
            if self._frozen_at is not None:
                self._frozen_at = moment
            else:
                self._offset = moment - _system_time()

    def advance(self, seconds: float) -> datetime:
        """Moves the clock on by ``seconds`` (back, when negative) and returns the new time."""
        step = timedelta(seconds=seconds)
        with self._lock:
            if self._frozen_at is not None:
                self._frozen_at += step
            else:
                self._offset += step
            return self._now()

    def freeze(self) -> datetime:
        """Stops the clock at the present moment, and returns it."""
        with self._lock:
            self._frozen_at = self._now()
            return self._frozen_at

    def resume(self) -> None:
        """Lets a frozen clock run on from where it stands."""
        with self._lock:
            if self._frozen_at is not None:
                self._offset = self._frozen_at - _system_time()
                self._frozen_at = None

    @property
    def is_frozen(self) -> bool:
        """Whether the clock stands still."""
        with self._lock:
            return self._frozen_at is not None

    def _now(self) -> datetime:
        return self._frozen_at or _system_time() + self._offset


def _system_time() -> datetime:
    return datetime.now(timezone.utc)
