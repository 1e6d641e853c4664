"""Makes the pictures of the command line from real runs: ``scripts/pictures``.

A sandbox is started, each command runs in a terminal of 80 columns, and the screen that it leaves
is written as SVG. Ports and ids, which differ from run to run, are replaced.
"""

from __future__ import annotations

import io
import itertools
import re
import tempfile
from pathlib import Path

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

from dataverse_source.sandbox import LatencySettings, Sandbox
from tests.support.terminal import COLUMNS, Terminal

PICTURES = Path(__file__).parent / "pictures"
COMMANDS = {
    "check": ("check", "accounts", "contacts"),
    "run": ("run", "accounts", "contacts"),
    "status": ("status",),
}
STEADY = (
    (r"127\.0\.0\.1:\d+", "127.0.0.1:8443"),
    (re.escape(tempfile.gettempdir()) + r"/[\w/.-]*?(?=/[a-z_\d]+\.duckdb)", "/home/you/crm"),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "00000000-0000-0000-0000-000000000000"),
)
VISIBLE = '{"accounts": {"exclude_columns": ["new_taxnumber"]}}'
LONGEST = 40
"""Lines of a picture; what comes after is left out."""
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
_CLIPS = re.compile(r' clip-path="url\(#[\w-]+-line-\d+\)"')
_OWN_COLOURS = {"default": None, "brown": "yellow"}


def main() -> None:
    """Write all pictures."""
    PICTURES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(rows={"account": 5000, "contact": 1500, "systemuser": 5}, seed=1) as sandbox,
    ):
        project = Path(folder) / "crm"
        project.mkdir()
        for name, arguments in COMMANDS.items():
            settings = {} if name == "check" else {"SOURCES__DATAVERSE__TABLE_SETTINGS": VISIBLE}
            with Terminal(
                *arguments, folder=project, sandbox=sandbox, columns=COLUMNS, **settings
            ) as terminal:
                terminal.end()
                lines = _lines(terminal)
            _write(name, f"dataverse-source {' '.join(arguments)}", lines)
    with tempfile.TemporaryDirectory() as folder:
        _write("progress", "dataverse-source run accounts contacts leads", _under_way(Path(folder)))


def _under_way(folder: Path) -> list[Text]:
    """The screen of a first run that is half done: pages are small and come slowly."""
    with (
        Sandbox(rows={"account": 20_000, "contact": 12_000, "lead": 300}, seed=1) as sandbox,
        Terminal(
            "run",
            "accounts",
            "contacts",
            "leads",
            folder=folder,
            sandbox=sandbox,
            SOURCES__DATAVERSE__PAGE_SIZE="500",
            SOURCES__DATAVERSE__TABLE_SETTINGS=VISIBLE,
        ) as terminal,
    ):
        sandbox.latency = LatencySettings(base_seconds=0.4)
        terminal.until(r"^accounts +reading rows .* [4-7]\d%")
        return _lines(terminal)


def _write(name: str, title: str, lines: list[Text]) -> None:
    (PICTURES / f"{name}.svg").write_text(_picture(title, lines, name), encoding="utf-8")


def _lines(terminal: Terminal) -> list[Text]:
    buffer = terminal.screen.buffer
    used = len(terminal.lines)
    lines = [_line(buffer[number]) for number in range(min(used, LONGEST))]
    return [*lines, Text("...")] if used > LONGEST else lines


def _line(row: dict[int, pyte.screens.Char]) -> Text:
    line = Text()
    cells = (row[column] for column in range(COLUMNS))
    for (colour, bold), same in itertools.groupby(cells, lambda one: (one.fg, one.bold)):
        text = "".join(one.data for one in same)
        line.append(text, Style(color=_OWN_COLOURS.get(colour, colour), bold=bold))
    for pattern, word in STEADY:
        for found in reversed(list(re.finditer(pattern, line.plain))):
            style = line.get_style_at_offset(Console(), found.start())
            line = line[: found.start()] + Text(word, style) + line[found.end() :]
    line.rstrip()
    return line


def _picture(title: str, lines: list[Text], name: str) -> str:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), highlight=False)
    for line in lines:
        console.print(line, no_wrap=True, overflow="ignore", crop=False)
    console.print()  # room for what hangs below the last line
    # no font is fetched from elsewhere: the reader's own monospace one will do, and it may be
    # higher than the one that lines are clipped for
    return _CLIPS.sub("", _FONTS.sub("", console.export_svg(title=title, unique_id=name)))


if __name__ == "__main__":
    main()
