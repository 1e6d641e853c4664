"""Keeps a second run of a pipeline out on another machine, by a mark in the destination.

A run that is killed on one machine while another one loads the same pipeline may have emptied rows
that the other was about to merge, and leaves no load package that tells of it. So a run marks that
it goes on, and renews its mark. A mark that does not change any more is that of a run which was
killed; it holds nobody up for long. No clock is compared with another one: who waits looks whether
the mark changes.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone

import dlt

from dataverse_source.config.log import logger
from dataverse_source.errors import PipelineError
from dataverse_source.loading.mark_table import TABLE, Mark, MarkTable, mark_table
from dataverse_source.loading.repeating import repeated

BEAT_SECONDS = 30.0
"""Between two changes of a mark."""

DEAD_SECONDS = 150.0
"""Without a change after which a run counts as killed."""

LOOK_SECONDS = 2.0
"""Between two looks at the mark of another run."""

KILLED = "a run on another machine or in another folder was killed"
"""Why tables are compared."""


@dataclass
class Running:
    """What is known of the marks of other runs.

    Attributes:
        killed: runs whose marks were left behind, by id. The tables have to be compared.
    """

    killed: dict[str, Mark] = field(default_factory=dict)

    def check_alone(self) -> None:
        """Checks that no other run took this one for killed; without a mark, it can't be told.

        Raises:
            PipelineError: one has begun to load meanwhile.
        """


@contextmanager
def only_run_anywhere(pipeline: dlt.Pipeline, place: str) -> Iterator[Running]:
    """Marks in the destination that the pipeline runs; removes the mark at the end.

    A destination without SQL has no marks, nor has one that refuses to keep them.

    Args:
        pipeline: to load with.
        place: id of its working folder, which nobody else holds; empty if that is not known.

    Raises:
        PipelineError: another run goes on.
    """
    try:
        table = mark_table(pipeline)
    except Exception as error:  # each destination's driver has errors of its own: told below
        logger.info("No mark of the run can be left in the destination: %s", error)
        table = None
    if table is None:
        yield Running()
        return
    run = _MarkedRun(pipeline, table, place)
    try:
        try:
            run.enter()
        except PipelineError:
            raise
        except Exception as error:
            logger.info("No mark of the run can be left in the destination: %s", error)
            yield Running()
            return
        with repeated(run.renew, lambda: BEAT_SECONDS, "running mark"):
            yield run
        run.forget_killed()
    finally:
        run.leave()


class _MarkedRun(Running):
    """One run and its mark.

    Whoever asks first (beat 0) and sees nobody else run (beat 1 and more) runs. Of two that ask at
    the same time, the one with the lower id goes first.
    """

    def __init__(self, pipeline: dlt.Pipeline, table: MarkTable, place: str) -> None:
        self._pipeline, self._table, self._place = pipeline.pipeline_name, table, place
        self._where = f"dataset {pipeline.dataset_name}"
        self._id, self._beat = secrets.token_hex(8), 0
        now = datetime.now(timezone.utc)
        self._holder = f"{socket.gethostname()}, PID {os.getpid()}, since {now:%Y-%m-%d %H:%M} UTC"
        self._seen: dict[str, tuple[int, float]] = {}
        self.killed = {}

    def enter(self) -> None:
        """Waits until no other run goes on.

        Raises:
            PipelineError: one does.
        """
        told = has_asked = False
        while True:
            with self._table.opened():
                if not has_asked:
                    self._table.create()
                    self._write(0)
                    has_asked = True
                others = self._going_on()
                if not others:
                    self._write(1)
                    others = self._going_on()
                    if not others:
                        return
                    self._table.remove(self._id)  # two have asked at once
                    self._write(0)
            if not told:
                told = True
                logger.warning(
                    "Pipeline %s: a run of %s may be going on; waiting for a sign of life of it, "
                    "%.0f seconds at most",
                    self._pipeline,
                    others[0].holder,
                    DEAD_SECONDS,
                )
            time.sleep(LOOK_SECONDS)  # not while it is open: DuckDB lets one process in

    def renew(self) -> None:
        """Changes the mark, which shows that the run goes on."""
        try:
            self._write(self._beat + 1)
        except Exception as error:  # the next time it may succeed
            logger.info("The mark of the run cannot be renewed: %s", error)

    def leave(self) -> None:
        """Removes the mark."""
        try:
            self._table.remove(self._id)
        except Exception as error:
            logger.info("The mark of the run is still in the destination: %s", error)

    def forget_killed(self) -> None:
        """Removes the marks of killed runs, as the tables have been compared."""
        try:
            for run in self.killed:
                self._table.remove(run)
        except Exception as error:  # the next run compares once more
            logger.info("The mark of a killed run is still in the destination: %s", error)

    def check_alone(self) -> None:
        """Checks that no other run took this one for killed.

        Raises:
            PipelineError: one has begun to load meanwhile.
        """
        try:
            others = [one for one in self._table.marks(self._pipeline) if one.run != self._id]
        except Exception as error:
            logger.info("The marks of other runs cannot be read: %s", error)
            return
        running = [one for one in others if one.beat > 0]
        if running:
            raise PipelineError(
                f"Another run of pipeline {self._pipeline} has loaded at the same time, so rows "
                "may be missing or doubled",
                where=f"{self._where}; {running[0].holder}",
                why=f"this run gave no sign of life for {DEAD_SECONDS:.0f} seconds",
                remedy="Run again: the next run repairs the tables, by reading them again or by "
                "comparing them.",
            )

    def _going_on(self) -> list[Mark]:
        """The marks of runs that come first and may go on.

        Raises:
            PipelineError: one of them does go on.
        """
        found, now = [], time.monotonic()
        for one in self._table.marks(self._pipeline):
            if one.run == self._id or (one.beat == 0 and one.run > self._id):
                continue
            if one.beat < 0:
                self.killed[one.run] = one
                continue
            beat, since = self._seen.setdefault(one.run, (one.beat, now))
            if one.beat != beat:
                raise self._is_running(one)
            # One that asks does not renew its mark: it may be waiting for another one.
            patience = DEAD_SECONDS if one.beat else 2 * DEAD_SECONDS
            is_own = bool(self._place) and one.place == self._place
            if not is_own and now - since < patience:
                found.append(one)
                continue
            if is_own:  # what it left in this folder is dealt with anyway
                self._table.remove(one.run)
                continue
            logger.warning("Pipeline %s: a run of %s was killed", self._pipeline, one.holder)
            self.killed[one.run] = one
            self._table.mark_killed(self._pipeline, one)
        return found

    def _write(self, beat: int) -> None:
        self._table.write(self._pipeline, Mark(self._id, self._holder, self._place, beat))
        self._beat = beat

    def _is_running(self, other: Mark) -> PipelineError:
        return PipelineError(
            f"Pipeline {self._pipeline} is running already, on another machine or in another "
            f"folder: {other.holder}",
            where=self._where,
            remedy="Wait until it has ended, and have the scheduler start one run at a time. To "
            f"load something else beside it, give it another pipeline name. A mark in {TABLE} "
            f"tells of it; a killed run's mark is passed over after {DEAD_SECONDS:.0f} seconds.",
        )
