"""Refuses a second run of a pipeline on this machine while the first one goes on.

Both would work in one folder: each would load and delete the other's load packages.
"""

from __future__ import annotations

import os
import secrets
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dlt

from dataverse_source.config.log import logger
from dataverse_source.errors import PipelineError

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        os.lseek(file, _BEHIND_THE_TEXT, os.SEEK_SET)  # Windows refuses to read what is locked
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: int) -> None:
        # Locks of a process, not of an open file: children that outlive it do not keep them.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


_BEHIND_THE_TEXT = 1_000

_here: set[Path] = set()
"""Locked by this process: the lock itself only keeps other processes out."""
_guard = threading.Lock()


@contextmanager
def only_run(pipeline: dlt.Pipeline) -> Iterator[str]:
    """Holds the pipeline's working folder; the system lets go of it when the process ends.

    Yields:
        An id of the folder; empty where the file system has no locks, as nothing is held there.

    Raises:
        PipelineError: another run holds it.
    """
    path = lock_file(pipeline)
    with _guard:
        if path in _here:
            raise _is_running(pipeline, f"in this process (PID {os.getpid()})")
        _here.add(path)
    try:
        file = _opened(path)
        try:
            yield "" if file is None else _hold(pipeline, path, file)
        finally:
            if file is not None:
                os.close(file)
    finally:
        with _guard:
            _here.discard(path)


def lock_file(pipeline: dlt.Pipeline) -> Path:
    """Beside the working folder, which a refresh removes."""
    folder = Path(pipeline.working_dir).absolute()
    return folder.with_name(f".{folder.name}.lock")


def _opened(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        logger.info("%s cannot be locked: %s", path, error)
        return None


def _hold(pipeline: dlt.Pipeline, path: Path, file: int) -> str:
    """Locks the file; returns the folder's id, which the file keeps beside who holds it."""
    holder, _, place = _text(path).partition("\n")
    try:
        _lock(file)
    except (BlockingIOError, PermissionError):
        raise _is_running(pipeline, f"by another process ({holder or 'of this machine'})") from None
    except OSError as error:
        logger.info("%s cannot be locked: %s", path, error)
        return ""
    place = place.strip() or secrets.token_hex(8)
    os.truncate(file, 0)
    os.lseek(file, 0, os.SEEK_SET)
    os.write(file, f"PID {os.getpid()}\n{place}\n".encode())
    return place


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _is_running(pipeline: dlt.Pipeline, by: str) -> PipelineError:
    return PipelineError(
        f"Pipeline {pipeline.pipeline_name} is running already, {by}",
        where=str(pipeline.working_dir),
        remedy="Wait until it has ended, and have the scheduler start one run at a time. To load "
        "something else beside it, give it another pipeline name.",
    )
