"""The one log of this project: a child of dlt's logger, so that dlt's settings hold for it.

Level, format (JSON too) and stream are those of ``[runtime] log_level`` and ``log_format``. dlt
makes its logger when its runtime starts, names it after the workspace, and may make it anew: so
it is looked up for every line. Before it exists, lines go where Python's `logging` sends them.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from dlt.common import logger as dlt_log

from dataverse_source.errors import printable

__all__ = ["NAME", "Log", "logger"]

NAME = "dataverse_source"
"""Last part of the logger's name: ``dlt.dataverse_source``."""

# Frames between a line of the log and the statement that wrote it.
_FRAMES = 3


class Log:
    """Writes to the logger that dlt has at present; texts and arguments as in `logging`."""

    def __init__(self) -> None:
        self._least = logging.NOTSET

    @contextmanager
    def only_errors(self) -> Iterator[None]:
        """While it lasts, only errors are written."""
        self._least = logging.ERROR
        try:
            yield
        finally:
            self._least = logging.NOTSET

    def debug(self, text: str, *args: object) -> None:
        """What helps to find a fault of this project."""
        self._write(logging.DEBUG, text, args)

    def info(self, text: str, *args: object) -> None:
        """What a run does, and why it does it so."""
        self._write(logging.INFO, text, args)

    def warning(self, text: str, *args: object) -> None:
        """What needed a way round, or should be looked at."""
        self._write(logging.WARNING, text, args)

    def error(self, text: str, *args: object) -> None:
        """What failed while the run goes on."""
        self._write(logging.ERROR, text, args)

    def notice(self, text: str) -> None:
        """A line for people on standard error, whatever the level of the log is."""
        if self._least <= logging.WARNING:
            sys.stderr.write(f"{text}\n")

    @property
    def handlers(self) -> list[logging.Handler]:
        """The handlers that get the lines."""
        found: list[logging.Handler] = []
        current: logging.Logger | None = _logger()
        while current is not None:
            found += current.handlers
            current = current.parent if current.propagate else None
        return found

    def _write(self, level: int, text: str, args: tuple[object, ...]) -> None:
        log = _logger()
        if level >= self._least and log.isEnabledFor(level):
            # Texts of answers may hold control characters, which must not reach a terminal.
            log.log(level, printable(text % args if args else text), stacklevel=_FRAMES)


def _logger() -> logging.Logger:
    # Annotated as always set, but None until dlt's runtime has started.
    parent: logging.Logger | None = dlt_log.LOGGER
    return (parent or logging.getLogger("dlt")).getChild(NAME)


logger = Log()
