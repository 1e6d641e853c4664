"""The trace of a pipeline's last run, if its file can be trusted.

dlt stores it with pickle, and loading a pickle can run any code. So a trace that another user
could have written is not loaded.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import dlt
from dlt.pipeline.trace import PipelineTrace

from dataverse_source.config.log import logger

WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


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
