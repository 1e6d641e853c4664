"""The trace of a pipeline's last run: of all its load packages, and only if it can be trusted.

dlt makes one trace for each load package, and keeps the last one: often that of a package without
rows. So those of one run are joined; dlt's dashboard, ``dlt pipeline NAME trace`` and `status` show
it.

dlt stores it with pickle, and loading a pickle can run any code. So a trace that another user
could have written is not loaded.
"""

from __future__ import annotations

import os
import stat
from datetime import datetime
from pathlib import Path

import dlt
from dlt.pipeline.trace import PipelineTrace, save_trace

from dataverse_source.config.log import logger

WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


MOST_STEPS = 100
"""Steps that are kept, as dlt does."""


class RunTrace:
    """Joins the traces of the load packages of one run.

    Args:
        began: when the run began; older traces are not its own.
    """

    def __init__(self, began: datetime) -> None:
        self._began = began
        self._joined: PipelineTrace | None = None

    def add(self, pipeline: dlt.Pipeline) -> None:
        """Adds the trace of the package that was just run, and writes all to the working folder."""
        if not pipeline.config.enable_runtime_trace:
            return  # what is in the folder is not of this run
        newest = pipeline.last_trace
        if newest is None or newest.started_at < self._began:
            return
        before = self._joined
        if before is not None and before.transaction_id == newest.transaction_id:
            return
        if before is not None:
            steps = [*before.steps, *newest.steps][-MOST_STEPS:]
            newest = newest._replace(started_at=before.started_at, steps=steps)
            save_trace(pipeline.working_dir, newest)
        self._joined = newest


def last_trace(pipeline: dlt.Pipeline) -> PipelineTrace | None:
    """The trace; None if there is none, or if others can write to the working folder."""
    folder = Path(pipeline.working_dir)
    unsafe = next(
        (
            one
            for one in (folder.parent, folder, *folder.glob("trace.pickle"))
            if _is_writable_by_others(one)
        ),
        None,
    )
    if unsafe is not None:
        logger.warning("The trace of the last run is not read: others can write to %s", unsafe)
        return None
    return pipeline.last_trace


def _is_writable_by_others(path: Path) -> bool:
    """Whether another user can replace or change it; a sticky folder only lets owners replace."""
    if os.name != "posix":
        return False
    found = path.stat()
    sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
    foreign = found.st_uid not in (os.getuid(), 0)
    return foreign or (bool(found.st_mode & WRITABLE_BY_OTHERS) and not sticky)
