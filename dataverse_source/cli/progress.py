"""Shows how far a run is: a table that moves on a terminal, a line an event elsewhere."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dlt.common.runtime.collector_base import Collector

from dataverse_source.cli.screen import Screen, grid
from dataverse_source.client.client import DataverseClient
from dataverse_source.config.log import logger
from dataverse_source.loading.progress import observed

if TYPE_CHECKING:
    import dlt
    from rich.console import Console, RenderableType

LINE_EVERY = 10.0
"""Seconds between two lines about the same table, where lines are written."""

MOST_TABLES = 15
"""Tables that are shown at once: those that are being read, then those that ended last."""


STEPS = {"Extract": "reading", "Normalize": "preparing", "Load": "loading"}
"""What dlt calls the steps of a pipeline, and what they do."""


@dataclass
class TableProgress:
    """How far one table is.

    Attributes:
        began: by the monotonic clock; ``seconds``: for how long it was read, once it has ended.
        state: ``reading``, ``read`` or ``failed``.
    """

    name: str
    began: float
    rows: int = 0
    seconds: float | None = None
    state: str = "reading"
    told: float = field(default=0.0)

    def rows_a_second(self, now: float) -> float:
        """Rows a second, over the whole time that it has been read."""
        seconds = now - self.began if self.seconds is None else self.seconds
        return self.rows / max(seconds, 0.001)


class Progress:
    """Notes what a run tells of its tables and steps; all threads of the run may call it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.tables: dict[str, TableProgress] = {}
        self.clients: dict[int, DataverseClient] = {}
        self.step = "starting"

    def began(self, table: str, client: DataverseClient) -> None:
        """See `dataverse_source.loading.progress.Observer`."""
        with self.lock:
            now = time.monotonic()
            earlier = self.tables.pop(table, None)  # its last package
            rows = earlier.rows if earlier else 0
            began = now - ((earlier and earlier.seconds) or 0.0)
            self.tables[table] = TableProgress(table, began, rows, told=now)
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
        """The pipeline has begun a step, such as ``Load``."""
        with self.lock:
            self.step = step

    def footer(self) -> str:
        """One line on the requests of all tables together."""
        with self.lock:
            each = [client.counters for client in self.clients.values()]
        parts = [f"{sum(one.requests for one in each):,} requests"]
        throttled = sum(one.throttled for one in each)
        retries = sum(one.retries for one in each)
        waited = sum(one.seconds_waited for one in each)
        if throttled:
            parts.append(f"{throttled:,} answered with 'too many requests'")
        if retries:
            parts.append(f"{retries:,} sent again")
        if waited >= 0.05:
            parts.append(f"{waited:,.1f} s waited")
        return ", ".join(parts)


class Lines(Progress):
    """Writes a line when a table begins, ends, and now and then in between."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._last: dict[str, tuple[int, str]] = {}

    def read(self, table: str, rows: int) -> None:
        """See `dataverse_source.loading.progress.Observer`."""
        super().read(table, rows)
        one, now = self.tables[table], time.monotonic()
        if now - one.told >= LINE_EVERY:
            one.told = now
            self._say(f"{table}: {one.rows:,} rows, {one.rows_a_second(now):,.0f} rows/s")

    def ended(self, table: str, error: BaseException | None) -> None:
        """See `dataverse_source.loading.progress.Observer`."""
        super().ended(table, error)
        one = self.tables[table]
        if self._last.get(table) == (one.rows, one.state):
            return  # a further package without rows
        self._last[table] = one.rows, one.state
        rate = f"{one.rows_a_second(time.monotonic()):,.0f} rows/s"
        self._say(f"{table}: {one.state}, {one.rows:,} rows, {rate}, {self.footer()}")

    def stepped(self, step: str) -> None:
        """The pipeline has begun a step."""
        super().stepped(step)
        self._say(f"{step} ...")

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)


class StepCollector(Collector):
    """dlt's collector: tells which step of the pipeline has begun."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def update(self, *_: Any, **__: Any) -> None:
        """Rows are counted as they come, not as dlt writes them."""

    def _start(self, step: str) -> None:
        word = step.partition(" ")[0]
        self._progress.stepped(STEPS.get(word, word))

    def _stop(self) -> None:
        """Nothing to end."""


@contextmanager
def shown(screen: Screen, pipeline: dlt.Pipeline) -> Iterator[None]:
    """Shows the progress of ``pipeline`` on stderr while it lasts."""
    console = screen.console(stderr=True)
    if console.is_terminal and not screen.json:
        from rich.live import Live

        moving = Progress()
        pipeline.collector = StepCollector(moving)
        live = Live(get_renderable=lambda: _picture(moving), console=console, refresh_per_second=4)
        with observed(moving), live, _logs_above():
            yield
        console.print()
        return
    lines = Lines(console)
    pipeline.collector = StepCollector(lines)
    with observed(lines):
        yield


def _picture(progress: Progress) -> RenderableType:
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
    """Logs appear above what moves: while it does, stderr is not the stream that they know."""
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
