"""Shows the progress of a run: bars on a terminal, otherwise lines with the time."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from dataverse_source.cli.progress_lines import run_words, screen_lines, table_words
from dataverse_source.cli.run_progress import RunProgress, StepCollector
from dataverse_source.cli.screen import Screen
from dataverse_source.config.log import logger
from dataverse_source.loading.repeating import repeated
from dataverse_source.loading.run_context import observed

if TYPE_CHECKING:
    import dlt
    from rich.console import Console

LINE_EVERY = 10.0
"""Seconds between two lines about what is going on, in the first minute."""

LATER_EVERY = 60.0
"""The same, later."""

MOST_LINES = 5
"""Tables with a line of their own; of more, only the whole run is told."""


class Lines(RunProgress):
    """Prints a line when a step begins, when a table ends, and every few seconds."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._last: dict[str, tuple[int, bool]] = {}

    def ended(self, table: str, error: BaseException | None) -> None:
        """See `dataverse_source.loading.progress.Observer`."""
        super().ended(table, error)
        with self.lock:
            one = self.tables[table]
            if self._last.get(table) == (one.rows, one.failed):
                return  # another load package without rows
            self._last[table] = one.rows, one.failed
        self._print(f"{table}: {', '.join(table_words(one, time.monotonic()))}; {self.counters}")

    def stepped(self, step: str) -> None:
        """The pipeline has begun a step."""
        with self.lock:
            is_new = step != self.step
            super().stepped(step)
        if is_new:
            self._print(f"{step} ...")

    def pause(self) -> float:
        """Seconds until the next line."""
        return LINE_EVERY if time.monotonic() - self.began_at < LATER_EVERY else LATER_EVERY

    def tell(self) -> None:
        """Prints what is going on now."""
        now = time.monotonic()
        with self.lock:
            active = [one for one in self.tables.values() if one.is_active]
            lines = [f"{one.name}: {', '.join(table_words(one, now))}" for one in active]
            rows = sum(one.rows for one in self.tables.values())
        if len(active) > MOST_LINES:
            lines = [f"{len(active)} tables at once, {rows:,} rows of all tables"]
        for line in lines:
            self._print(line)
        self._print("; ".join(run_words(self, now)))

    def _print(self, text: str) -> None:
        self._console.print(f"{datetime.now():%Y-%m-%d %H:%M:%S} {text}", soft_wrap=True)


@contextmanager
def show_progress(pipeline: dlt.Pipeline) -> Iterator[None]:
    """While it lasts, the progress of `load` is shown on stderr, as by ``dataverse-source run``.

    On a terminal there are bars, elsewhere lines with the time.

    Args:
        pipeline: that is loaded; its ``progress`` is replaced.
    """
    with shown(Screen(), pipeline):
        yield


@contextmanager
def shown(screen: Screen, pipeline: dlt.Pipeline) -> Iterator[None]:
    """Shows the progress of ``pipeline`` on stderr."""
    if screen.quiet:
        yield
        return
    console = screen.console(stderr=True)
    if console.is_terminal and not screen.json:
        with _live(console, pipeline):
            yield
        return
    lines = Lines(console)
    pipeline.collector = StepCollector(lines)
    with observed(lines), repeated(lines.tell, lines.pause, "dataverse-progress"):
        yield


@contextmanager
def _live(console: Console, pipeline: dlt.Pipeline) -> Iterator[None]:
    from rich.console import Group
    from rich.live import Live

    progress = RunProgress()
    pipeline.collector = StepCollector(progress)
    ascii_only = not console.encoding.startswith("utf")

    def lines() -> Group:
        width, height = console.size
        now = time.monotonic()
        return Group(*screen_lines(progress, width, height, now, ascii_only=ascii_only))

    live = Live(get_renderable=lines, console=console, refresh_per_second=4, transient=True)
    with observed(progress), live, _logs_above():
        yield


@contextmanager
def _logs_above() -> Iterator[None]:
    """Log lines appear above the live table: handlers use the stream that replaces stderr."""
    moved = [
        one
        for one in {*logging.getLogger().handlers, *logger.handlers}
        if isinstance(one, logging.StreamHandler) and one.stream is sys.__stderr__
    ]
    for one in moved:
        one.setStream(sys.stderr)
    try:
        yield
    finally:
        for one in moved:
            one.setStream(sys.__stderr__)
