"""The code blocks of README.md and docs/, and which of them can't be run, and why."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

from tests.support.places import ROOT

_FENCED = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)

NOT_RUN = {
    "uv run pytest": "it would run this test; CI runs it",
    "python -m venv .venv && . .venv/bin/activate": "it installs packages from an index",
    "pip install 'dlt-dataverse[sandbox]'": "it installs packages from an index",
    "pip install dlt-dataverse 'dlt[": "it installs packages from an index",
    "# load.py\n": "it needs a warehouse; tests/docs/test_recipes.py checks what dlt makes of it",
    "# with sql_table\n": "it needs an SQL database; it stands there to be compared",
    "import ray\n": "it needs Ray; tests/orchestration/test_parts_on_engines.py runs it",
    "uv add 'dlt-dataverse[sandbox]'": "it installs packages from an index",
}
"""Beginnings of blocks that are only parsed, and the reasons."""

NEED_A_TENANT = {
    "export SOURCES__DATAVERSE__ENVIRONMENT_URL=https://contoso.crm4.dynamics.com": "it names an "
    "environment that is not there; its variables are checked as settings",
}
"""Beginnings of blocks whose last step would ask a real environment, and what is done instead."""


@dataclass(frozen=True)
class Block:
    """One block of code.

    Attributes:
        page: path below the root of the repository.
        line: of its first line, for messages.
        language: what stands after the opening fence.
        text: the code, not indented.
    """

    page: str
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        """Where it stands."""
        return f"{self.page}:{self.line}"

    def begins_like(self, beginnings: dict[str, str]) -> bool:
        """Whether it is one of those listed."""
        return any(self.text.startswith(one) for one in beginnings)


def pages() -> list[Path]:
    """README.md and all pages of the docs."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def text_of(page: str) -> str:
    """The Markdown of a page, such as ``docs/sync.md``."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(*languages: str) -> list[Block]:
    """All blocks in these languages; all there are but directives of Sphinx, if none is named."""
    found = []
    for path in pages():
        text = path.read_text(encoding="utf-8")
        for match in _FENCED.finditer(text):
            language, line = match[2].strip(), text.count("\n", 0, match.start()) + 2
            if language.startswith("{") or (languages and language not in languages):
                continue
            page = path.relative_to(ROOT).as_posix()
            found.append(Block(page, line, language, textwrap.dedent(match[3])))
    return found


def rows_of_tables(text: str) -> list[list[str]]:
    """The cells of all tables in a Markdown text, heads and rulers left out."""
    rows = []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        is_head = number + 1 < len(lines) and lines[number + 1].startswith("|---")
        if line.startswith("|") and not line.startswith("|---") and not is_head:
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows
