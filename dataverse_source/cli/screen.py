"""Prints the output of commands: as text, with or without colour, or as JSON."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dataverse_source.errors import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPE_WIDTH = 160
"""Columns when there is no terminal and COLUMNS is not set."""


@dataclass
class Screen:
    """How to print; options change it before anything is printed.

    Attributes:
        json: print one JSON value on stdout instead of text.
        no_color: print no control sequences.
        traceback: let errors end the program with a traceback.
        quiet: print only what failed.
        results: file that takes the JSON value as well, also if the command fails.
    """

    json: bool = False
    no_color: bool = False
    traceback: bool = False
    quiet: bool = False
    results: Path | None = None

    def console(self, *, stderr: bool = False) -> Console:
        """A console on stdout or stderr."""
        from rich.console import Console

        class PipeConsole(Console):
            """A console whose reader may go away, as in ``dataverse-source tables | head``."""

            def on_broken_pipe(self) -> None:
                self.quiet = True
                discard_stdout()

        stream = sys.stderr if stderr else sys.stdout
        plain = self.no_color or bool(os.environ.get("NO_COLOR"))
        known = stream.isatty() or os.environ.get("COLUMNS")
        return PipeConsole(
            stderr=stderr,
            color_system=None if plain else "auto",
            highlight=False,
            markup=False,
            emoji=False,
            width=None if known else PIPE_WIDTH,
        )

    def show(self, value: Any, draw: Callable[[Console], None]) -> None:
        """Prints ``value`` as JSON, or calls ``draw`` to print it as text."""
        if self.json:
            self.print_json(value)
        else:
            draw(self.console())

    def write_results(self, value: Any) -> None:
        """Writes the JSON value to the file for results, if there is one."""
        if self.results is not None:
            text = json.dumps(value, indent=2, ensure_ascii=False, default=_plain)
            self.results.write_text(text + "\n", encoding="utf-8")

    def print_json(self, value: Any) -> None:
        """Prints one JSON value."""
        unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        text = json.dumps(value, indent=2, ensure_ascii=not unicode, default=_plain)
        try:
            click.echo(text)
        except BrokenPipeError:
            discard_stdout()


def discard_stdout() -> None:
    """Sends the rest of stdout to nowhere, after its reader has gone away."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def grid(headings: Sequence[str], rows: Iterable[Sequence[str]], *, right: int = -1) -> Table:
    """A table of text; long cells are wrapped, never cut.

    Args:
        headings: of the columns.
        rows: cells as plain text.
        right: index of the first column that is aligned to the right; -1 for none.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    for index, heading in enumerate(headings):
        aligned: Any = "right" if 0 <= right <= index else "left"
        table.add_column(heading, justify=aligned, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table


def _plain(value: Any) -> Any:
    """JSON for types that it lacks: decimals, timestamps and bytes as text."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, (set, frozenset, tuple)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
