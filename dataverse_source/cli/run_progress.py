"""How far a run is: what its threads report, table by table."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from dlt.common.runtime.collector_base import Collector

from dataverse_source.client.client import DataverseClient
from dataverse_source.client.counters import Counters
from dataverse_source.sync.context import READING_ROWS

RATE_SECONDS = 10.0
"""The seconds over which rows per second are counted."""

STARTING = "starting"

STEPS = {"Extract": "reading", "Normalize": "preparing", "Load": "loading"}
"""dlt's names for the steps of a pipeline, and ours."""


@dataclass
class TableProgress:
    """The progress of one table.

    Attributes:
        name: of the table.
        total: about how many rows it has; None if that is not known.
        began: when reading began, by the monotonic clock; None before.
        phase: what is being done, such as ``reading rows``; empty before it has begun.
        pages: of keys in this phase.
        keys: about how many keys were on them.
        rows: rows read so far.
        seconds: how long it was read; None until it has ended.
        failed: whether it has ended with an error.
    """

    name: str
    total: int | None = None
    began: float | None = None
    phase: str = ""
    pages: int = 0
    keys: int = 0
    rows: int = 0
    seconds: float | None = None
    failed: bool = False
    samples: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def is_active(self) -> bool:
        """Whether it is being read."""
        return self.began is not None and self.seconds is None

    def share(self) -> float | None:
        """How much of the phase is done, from 0 to 1; None if that is not known."""
        if not self.total or not (self.pages or self.phase == READING_ROWS):
            return None
        done = self.keys if self.pages else self.rows
        return min(done / self.total, 1.0)

    def rate(self, now: float) -> float:
        """Rows per second over the last seconds."""
        while len(self.samples) > 1 and self.samples[1][0] <= now - RATE_SECONDS:
            self.samples.popleft()
        if not self.samples:
            return 0.0
        since, before = self.samples[0]
        return (self.rows - before) / max(now - since, 1.0)

    def seconds_left(self, now: float) -> float | None:
        """Seconds until all rows are read; None if that is not known."""
        rate = self.rate(now)
        if not self.total or self.phase != READING_ROWS or not rate:
            return None
        return max(self.total - self.rows, 0) / rate


class RunProgress:
    """Records the progress of a run; all threads of the run may call it.

    Attributes:
        step: of the pipeline: ``reading``, ``preparing`` or ``loading``.
        part: what dlt says of the step's files, such as ``4 of 6 files``.
        began_at: when the run began, by the monotonic clock.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.tables: dict[str, TableProgress] = {}
        self.clients: dict[int, DataverseClient] = {}
        self.began_at = time.monotonic()
        self.step = STARTING
        self.part = ""

    def expects(self, table: str, rows: int) -> None:
        """See `dataverse_source.loading.progress.Observer`."""
        with self.lock:
            self._of(table).total = rows

    def began(self, table: str, client: DataverseClient) -> None:
        """See `dataverse_source.loading.progress.Observer`."""
        with self.lock:
            now = time.monotonic()
            one = self._of(table)
            del self.tables[table]
            self.tables[table] = one  # after those that began before it
            one.began = now - (one.seconds or 0.0)  # of its previous load packages
            one.seconds = None
            one.phase, one.pages, one.keys = STARTING, 0, 0
            one.samples = deque([(now, one.rows)])
            self.clients[id(client)] = client

    def doing(self, table: str, phase: str) -> None:
        """See `dataverse_source.loading.progress.Observer`."""
        with self.lock:
            one = self._of(table)
            if one.keys and one.total is None:
                one.total = one.keys  # the walk of the keys has counted the rows
            one.phase, one.pages, one.keys = phase, 0, 0
            one.samples = deque([(time.monotonic(), one.rows)])

    def page(self, table: str, keys: int) -> None:
        """See `dataverse_source.loading.progress.Observer`."""
        with self.lock:
            one = self._of(table)
            one.pages += 1
            one.keys += keys

    def read(self, table: str, rows: int) -> None:
        """See `dataverse_source.loading.progress.Observer`."""
        with self.lock:
            one = self._of(table)
            one.rows += rows
            one.samples.append((time.monotonic(), one.rows))

    def ended(self, table: str, error: BaseException | None) -> None:
        """See `dataverse_source.loading.progress.Observer`."""
        with self.lock:
            one = self._of(table)
            now = time.monotonic()
            one.seconds = now - (one.began or now)
            one.failed = error is not None

    def stepped(self, step: str) -> None:
        """The pipeline has begun a step."""
        with self.lock:
            self.step, self.part = step, ""

    @property
    def counters(self) -> Counters:
        """The requests of all tables together."""
        return Counters.total(client.counters for client in list(self.clients.values()))

    @property
    def held_for(self) -> float:
        """Seconds for which limits hold all requests back."""
        return max((client.held_for for client in list(self.clients.values())), default=0.0)

    def seconds_left(self, now: float) -> float | None:
        """Seconds until all rows of all tables are read; None if that is not known."""
        open_tables = [one for one in self.tables.values() if one.seconds is None]
        if any(not one.total or one.phase not in (READING_ROWS, "") for one in open_tables):
            return None
        rate = sum(one.rate(now) for one in open_tables)
        left = sum(max((one.total or 0) - one.rows, 0) for one in open_tables)
        return left / rate if rate else None

    def _of(self, table: str) -> TableProgress:
        return self.tables.setdefault(table, TableProgress(table))


class StepCollector(Collector):
    """A dlt collector that follows the steps of the pipeline, and the files that it loads."""

    def __init__(self, progress: RunProgress) -> None:
        self._progress = progress
        self._done = self._total = 0

    def update(
        self,
        name: str,
        inc: int = 1,
        total: int | None = None,
        inc_total: int | None = None,
        *_: Any,
        label: str | None = None,
        **__: Any,
    ) -> None:
        """Counts loaded files; rows are counted when they are read, not when dlt writes them."""
        if name == "Jobs" and not label:
            self._total = (self._total if total is None else total) + (inc_total or 0)
            self._done += inc
            with self._progress.lock:
                self._progress.part = f"{self._done:,} of {self._total:,} files"

    def _start(self, step: str) -> None:
        name = step.partition(" ")[0]
        self._done = self._total = 0
        self._progress.stepped(STEPS.get(name, name))

    def _stop(self) -> None:
        """Ignored: the next step, or the end of the run, follows."""
