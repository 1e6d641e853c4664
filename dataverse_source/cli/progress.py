"""Shows the progress of a run: a live table on a terminal, otherwise one line per event."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dlt.common.runtime.collector_base import Collector

from dataverse_source.cli.screen import Screen, grid
from dataverse_source.client.client import DataverseClient
from dataverse_source.client.counters import Counters
from dataverse_source.config.log import logger
from dataverse_source.loading.run_context import observed

if TYPE_CHECKING:
    import dlt
    from rich.console import Console, RenderableType

LINE_EVERY = 10.0
"""Seconds between two lines about the same table."""

MOST_TABLES = 15
"""Rows of the live table: first the tables being read, then those that ended last."""

STEPS = {"Extract": "reading", "Normalize": "preparing", "Load": "loading"}
"""dlt's names for the steps of a pipeline, and ours."""


@dataclass
class TableProgress:
    """The progress of one table.

    Attributes:
        name: of the table.
        began: when reading began, by the monotonic clock.
        rows: rows read so far.
        seconds: how long it was read; None until it has ended.
        state: ``reading``, ``read`` or ``failed``.
        printed: when the last line about it was printed, by the monotonic clock.
    """

    name: str
    began: float
    rows: int = 0
    seconds: float | None = None
    state: str = "reading"
    printed: float = 0.0

    def rows_a_second(self, now: float) -> float:
        """Rows per second since reading began."""
        seconds = now - self.began if self.seconds is None else self.seconds
        return self.rows / max(seconds, 0.001)


class Progress:
    """Records the progress of a run; all threads of the run may call it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.tables: dict[str, TableProgress] = {}
        self.clients: dict[int, DataverseClient] = {}
        self.step = "starting"

    def began(self, table: str, client: DataverseClient) -> None:
        """See `dataverse_source.loading.progress.Observer`."""
        with self.lock:
            now = time.monotonic()
            earlier = self.tables.pop(table, None)  # its previous load package
            rows = earlier.rows if earlier else 0
            began = now - ((earlier and earlier.seconds) or 0.0)
            self.tables[table] = TableProgress(table, began, rows, printed=now)
            self.clients[id(client)] = client

    def read(self, table: str, rows: int) -> None:
        """See `dataverse_source.loading.progress.Observer`."""
        with self.lock:
            self.tables[table].rows += rows

    def ended(self, table: str, error: BaseException | None) -> None:
        """See `dataverse_source.loading.progress.Observer`."""
        with self.lock:
            one = self.tables[table]
            one.seconds = time.monotonic() - one.began
            one.state = "failed" if error else "read"

    def stepped(self, step: str) -> None:
        """The pipeline has begun a step."""
        with self.lock:
            self.step = step

    def footer(self) -> str:
        """One line on the requests of all tables together."""
        with self.lock:
            return str(Counters.total(client.counters for client in self.clients.values()))


class Lines(Progress):
    """Prints a line when a table ends, and every few seconds while it is read."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._last: dict[str, tuple[int, str]] = {}

    def read(self, table: str, rows: int) -> None:
        """See `dataverse_source.loading.progress.Observer`."""
        super().read(table, rows)
        one, now = self.tables[table], time.monotonic()
        if now - one.printed >= LINE_EVERY:
            one.printed = now
            self._print(f"{table}: {one.rows:,} rows, {one.rows_a_second(now):,.0f} rows/s")

    def ended(self, table: str, error: BaseException | None) -> None:
        """See `dataverse_source.loading.progress.Observer`."""
        super().ended(table, error)
        one = self.tables[table]
        if self._last.get(table) == (one.rows, one.state):
            return  # another load package without rows
        self._last[table] = one.rows, one.state
        rate = f"{one.rows_a_second(time.monotonic()):,.0f} rows/s"
        self._print(f"{table}: {one.state}, {one.rows:,} rows, {rate}, {self.footer()}")

    def stepped(self, step: str) -> None:
        """The pipeline has begun a step."""
        super().stepped(step)
        self._print(f"{step} ...")

    def _print(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)


class StepCollector(Collector):
    """A dlt collector that follows the steps of the pipeline."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def update(self, *_: Any, **__: Any) -> None:
        """Ignored: rows are counted when they are read, not when dlt writes them."""

    def _start(self, step: str) -> None:
        name = step.partition(" ")[0]
        self._progress.stepped(STEPS.get(name, name))

    def _stop(self) -> None:
        """Ignored: the next step, or the end of the run, follows."""


@contextmanager
def shown(screen: Screen, pipeline: dlt.Pipeline) -> Iterator[None]:
    """Shows the progress of ``pipeline`` on stderr."""
    if screen.quiet:
        yield
        return
    console = screen.console(stderr=True)
    if console.is_terminal and not screen.json:
        from rich.live import Live

        progress = Progress()
        pipeline.collector = StepCollector(progress)
        live = Live(
            get_renderable=lambda: _table(progress),
            console=console,
            refresh_per_second=4,
            transient=True,
        )
        with observed(progress), live, _logs_above():
            yield
        return
    lines = Lines(console)
    pipeline.collector = StepCollector(lines)
    with observed(lines):
        yield


def _table(progress: Progress) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    now = time.monotonic()
    with progress.lock:
        reading = [one for one in progress.tables.values() if one.seconds is None]
        others = [one for one in progress.tables.values() if one.seconds is not None]
        room = max(MOST_TABLES - len(reading), 0)
        chosen = [*(others[-room:] if room else []), *reading[:MOST_TABLES]]
        rows = [
            (one.name, one.state, f"{one.rows:,}", f"{one.rows_a_second(now):,.0f}")
            for one in chosen
        ]
        hidden = len(progress.tables) - len(chosen)
        step = progress.step
    more = f", {hidden} more tables" if hidden else ""
    footer = Text(f"{step}{more}: {progress.footer()}")
    return Group(grid(("table", "state", "rows", "rows/s"), rows, right=2), footer)


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
