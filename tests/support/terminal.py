"""A real terminal: the command line runs in a pty, and its screen can be read."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path

import pexpect
import pyte

from dataverse_source.sandbox import Sandbox
from tests.support.settings import settings_of

COLUMNS = 80
LINES = 120
PATIENCE = 120.0
"""Seconds until a test gives up waiting; far more than a starved machine needs."""


class Terminal:
    """The command line in a terminal of its own.

    Args:
        arguments: of the command line.
        folder: that it runs in; settings and pipelines are kept there.
        sandbox: that the settings lead to.
        columns: its width.
        environment: more variables.

    Attributes:
        screen: what it shows, with colours.
    """

    def __init__(
        self,
        *arguments: str,
        folder: Path,
        sandbox: Sandbox,
        columns: int = COLUMNS,
        **environment: str,
    ) -> None:
        self.screen = pyte.Screen(columns, LINES)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        kept = {
            name: text
            for name, text in os.environ.items()
            if name not in ("NO_COLOR", "COLUMNS", "LINES") and not name.startswith("SOURCES__")
        }
        places = {"DLT_PROJECT_DIR": str(folder), "DLT_DATA_DIR": str(folder / "dlt")}
        terminal = {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
        self._child: pexpect.spawn[bytes] = pexpect.spawn(
            sys.executable,
            ["-m", "dataverse_source", *arguments],
            cwd=str(folder),
            env={**kept, **places, **terminal, **settings_of(sandbox), **environment},
            dimensions=(LINES, columns),
            timeout=PATIENCE,
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.close(force=True)

    @property
    def lines(self) -> list[str]:
        """The screen as it is, without the blanks at the ends."""
        lines = [line.rstrip() for line in self.screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def until(self, pattern: str) -> str:
        """Waits for a line that the pattern fits, and returns it."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found = [line for line in self.lines if re.search(pattern, line)]
            if found:
                return found[0]
            if not self._read():
                break
        raise AssertionError(f"no line {pattern!r} on the screen:\n" + "\n".join(self.lines))

    def type(self, text: str) -> None:
        """Types something, and Enter."""
        self._child.sendline(text)

    def interrupt(self) -> None:
        """Types Ctrl-C."""
        self._child.sendintr()

    def end(self) -> int:
        """Waits for the end; returns the exit code."""
        end = time.monotonic() + PATIENCE
        while self._read():
            assert time.monotonic() < end, "\n".join(self.lines)
        self._child.wait()
        code = self._child.exitstatus
        assert code is not None, f"killed by signal {self._child.signalstatus}"
        return int(code)

    def colours_of(self, text: str) -> set[str]:
        """The colours of a text where it is on the screen."""
        for number, line in enumerate(self.screen.display):
            at = line.find(text)
            if at >= 0:
                row = self.screen.buffer[number]
                return {row[column].fg for column in range(at, at + len(text))}
        raise AssertionError(f"{text!r} is not on the screen")

    def _read(self) -> bool:
        """Takes what has come in the meantime; False at the end."""
        try:
            some = self._child.read_nonblocking(65536, timeout=1)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += some
        self._stream.feed(some)
        return True


def steady(lines: list[str]) -> str:
    """The screen's text, with what differs from run to run replaced by words."""
    text = "\n".join(lines)
    for pattern, word in (
        (r"https://127\.0\.0\.1:\d+", "https://HOST"),
        (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "GUID"),
        (r"(left:) [\d,.]+$", r"\1 N"),
        (r"(Destination:)\s[^✓!]*?makes", r"\1 FILE, which the first run makes"),
        (r"\d+ tables$", "N tables"),
    ):
        text = re.sub(pattern, word, text, flags=re.MULTILINE)
    return text
