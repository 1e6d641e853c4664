"""Walks to the first delta links of tables, beside the reads of their rows.

A first delta link stands at the end of a chain of pages with all keys, which come one after the
other, while rows are read by many chains. So the rows do not wait for it: the walk goes on in a
thread, if need be beyond the load package with the rows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import suppress
from datetime import datetime

from dlt.common.runtime import signals

from dataverse_source.errors import DataverseError
from dataverse_source.sync.drain import Drain

POLL_SECONDS = 0.2
"""An interrupt is noticed, and progress is shown, within this time."""

PATIENCE_SECONDS = 5.0
"""Longest wait for a request that is under way when nobody needs its link any more."""

Pages = Generator[tuple[int, bool], None, "str | None"]
"""Yields how many keys a page holds, and whether it is the last one; returns the link."""


class _EndedError(Exception):
    """Nobody needs the link any more."""


class LinkWalk:
    """The walk of one table; creating it requests the first page, and no other.

    Attributes:
        given: when the link was given, by Dataverse's clock; None before that.

    Args:
        pages: of keys.
        now: Dataverse's time.

    Raises:
        DataverseError: Dataverse refuses the first page.
    """

    def __init__(self, pages: Pages, now: Callable[[], datetime]) -> None:
        self._steps, self._now = Drain(pages), now
        self._pages = iter(self._steps)
        self._keys = 0
        self._error: BaseException | None = None
        self._is_stopped = False
        self._thread: threading.Thread | None = None
        self.given: datetime | None = None
        self._step()

    @property
    def is_done(self) -> bool:
        """Whether the link is there, or never will be."""
        return self.given is not None or self._error is not None

    def go_on(self) -> None:
        """Walks on in a thread."""
        if self._thread is None and not self.is_done:
            # A daemon thread does not keep an interrupted process alive.
            self._thread = threading.Thread(
                target=self._walk, name="dataverse-delta-link", daemon=True
            )
            self._thread.start()

    def link(self, on_page: Callable[[int], None]) -> str | None:
        """The delta link; waits for it.

        Args:
            on_page: called with how many keys have come since the last call.

        Raises:
            DataverseError: the walk has failed.
            KeyboardInterrupt: the run was interrupted (dlt's SignalReceivedException).
        """
        self.go_on()
        told = 0
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(POLL_SECONDS)
            signals.raise_if_signalled()
            told = self._tell(on_page, told)
        self._tell(on_page, told)
        if self._error is not None:
            raise self._error
        return self._steps.result

    def _tell(self, on_page: Callable[[int], None], told: int) -> int:
        keys = self._keys
        if keys > told:
            on_page(keys - told)
        return keys

    def stop(self) -> None:
        """Ends the walk; it sends no further request."""
        self._is_stopped = True
        if self._thread is not None:
            self._thread.join(PATIENCE_SECONDS)

    def _walk(self) -> None:
        try:
            while not self.is_done:
                if self._is_stopped:
                    raise _EndedError
                self._step()
        except BaseException as error:  # it is raised where the link is asked for
            self._error = error
        finally:
            self._pages.close()  # type: ignore[attr-defined]

    def _step(self) -> None:
        """Reads a page."""
        keys, is_last = next(self._pages, (0, True))
        self._keys += keys
        if is_last:
            for _ in self._pages:
                raise AssertionError("a page follows the last one")
            self.given = self._now()


class FirstLinks:
    """The walks of a run, by table.

    Args:
        outlive_packages: whether they may go on when a load package has ended: another one of
            the same run takes the links then.
    """

    def __init__(self, *, outlive_packages: bool = False) -> None:
        self.outlive_packages = outlive_packages
        self._lock = threading.Lock()
        self._walks: dict[str, LinkWalk] = {}

    def begin(
        self, table: str, pages: Callable[[], Pages], now: Callable[[], datetime]
    ) -> LinkWalk:
        """The walk of a table, which begins unless it has begun before.

        Args:
            table: logical name.
            pages: returns the pages of keys.
            now: returns Dataverse's time.

        Raises:
            DataverseError: Dataverse refuses the first page.
        """
        with self._lock:
            found = self._walks.get(table)
        if found is None:
            found = self.new_walk(pages(), now)
            with self._lock:
                self._walks[table] = found
        return found

    def new_walk(self, pages: Pages, now: Callable[[], datetime]) -> LinkWalk:
        """A walk that begins."""
        return LinkWalk(pages, now)

    def forget(self, table: str) -> None:
        """The link of a table has been taken, or nobody takes it."""
        with self._lock:
            walk = self._walks.pop(table, None)
        if walk is not None:
            walk.stop()

    def stop(self) -> None:
        """Ends all walks."""
        for table in list(self._walks):
            with suppress(DataverseError):
                self.forget(table)
