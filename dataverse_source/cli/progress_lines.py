"""The progress of a run as lines of text that fit a width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataverse_source.cli.run_progress import RunProgress, TableProgress
from dataverse_source.loading.report import duration
from dataverse_source.sync.context import READING_ROWS

if TYPE_CHECKING:
    from rich.text import Text

BAR = (6, 40)
"""Characters of a bar, at least and at most."""

WIDE = 100
"""Columns of a terminal from which a line says how many rows there are in all."""


def screen_lines(
    progress: RunProgress, width: int, height: int, now: float, *, ascii_only: bool = False
) -> list[Text]:
    """A line for each table, and one for the run.

    Args:
        progress: of the run.
        width: of the screen.
        height: of the screen: first the tables being read are shown, then those that ended last.
        now: by the monotonic clock.
        ascii_only: the terminal has no other characters.
    """
    from rich.text import Text

    with progress.lock:
        known = [one for one in progress.tables.values() if one.began is not None]
        most = max(height - 2, 1)
        active = [one for one in known if one.is_active][:most]
        ended = [one for one in known if not one.is_active]
        shown = [*ended[max(len(ended) - most + len(active), 0) :], *active]
        name_width = min(max((len(one.name) for one in shown), default=0), max(width // 4, 12))
        parts = [_parts(one, name_width, width, now) for one in shown]
        bars = [
            width - len(_joined(part.head, part.words)) - 2
            for part in parts
            if part.share is not None
        ]
        bar = min([*bars, BAR[1]])  # one length for all, so that they can be compared
        lines = [_table_line(part, bar, ascii_only) for part in parts]
        hidden = len(progress.tables) - len(shown)
        more = f"{hidden:,} more table{'' if hidden == 1 else 's'}; " if hidden else ""
        words = "; ".join(run_words(progress, now))
    return [*lines, Text(f"{more}{words}")]


def run_words(progress: RunProgress, now: float) -> Iterator[str]:
    """What is said of the run as a whole."""
    step = " ".join(filter(None, (progress.step, progress.part)))
    yield f"{step}, {_seconds(now - progress.began_at)}"
    left = progress.seconds_left(now)
    if left is not None:
        yield f"about {_seconds(left)} left"
    held = progress.held_for
    if held >= 1:
        yield f"waiting {held:,.0f} s for Dataverse's limits"
    yield str(progress.counters)


def table_words(one: TableProgress, now: float, *, wide: bool = True) -> list[str]:
    """What is said of a table, the most important first."""
    if one.seconds is not None:
        if one.failed:
            return ["failed"]
        return [
            "read",
            f"{one.rows:,} row{'' if one.rows == 1 else 's'} in {duration(one.seconds)}",
        ]
    share = one.share()
    percent = [] if share is None else [f"{share:.0%}"]
    if one.pages:
        pages = f"{one.pages:,} page{'' if one.pages == 1 else 's'}"
        return [f"{one.phase}: {pages}", *percent]
    if one.phase != READING_ROWS:
        return [one.phase, *([f"{one.rows:,} rows so far"] if one.rows else [])]
    rows = f"{one.rows:,} of about {one.total:,}" if wide and one.total else f"{one.rows:,}"
    words = [one.phase, *percent, f"{rows} rows", f"{one.rate(now):,.0f} rows/s"]
    left = one.seconds_left(now)
    return words if left is None else [*words, f"{_seconds(left)} left"]


@dataclass(frozen=True)
class _Parts:
    """What a line about a table is made of: a head, a bar if ``share`` is known, and numbers."""

    head: str
    words: list[str]
    share: float | None
    style: str


def _parts(one: TableProgress, name_width: int, width: int, now: float) -> _Parts:
    """Name, phase and numbers; numbers that do not fit are left out, the rate first."""
    name = one.name if len(one.name) <= name_width else f"{one.name[: name_width - 1]}~"
    phase, *words = table_words(one, now, wide=width >= WIDE)
    share = one.share() if one.is_active else None
    head = f"{name:<{name_width}}  {phase}"[:width]
    if share is not None:
        words[0] = f"{words[0]:>4}"  # so that the percentages are in line
    while words and len(_joined(head, words)) > width:
        words.pop(-2 if len(words) > 1 and words[-1].endswith("left") else -1)
    return _Parts(head, words, share, "red" if one.failed else "")


def _table_line(parts: _Parts, bar: int, ascii_only: bool) -> Text:
    from rich.text import Text

    line = Text(parts.head, style=parts.style)
    if parts.share is not None and bar >= BAR[0]:
        full, rest = ("#", "-") if ascii_only else ("━", "─")
        done = int(parts.share * bar)
        line.append("  ")
        line.append(full * done, style="green")
        line.append(rest * (bar - done), style="dim")
    line.append(_joined("", parts.words))
    return line


def _seconds(seconds: float) -> str:
    """A time that is shown while it changes."""
    return f"{seconds:.0f}s" if seconds < 59.5 else duration(seconds)


def _joined(head: str, words: Sequence[str]) -> str:
    return "  ".join([head, *words])
