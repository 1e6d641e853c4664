"""The table of exchanges at the end of a run in which they were asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest


class Row(NamedTuple):
    """One exchange: its number, its docs page, how it ended, what was checked, and why."""

    number: int
    page: str
    outcome: str
    checked: str
    reason: str


def tell(reporter: pytest.TerminalReporter) -> None:
    """Prints the table, when there is something to tell."""
    rows = sorted(outcomes(reporter))
    if not rows:
        return
    reporter.section(f"exchanges printed in Microsoft's docs: {totals(rows)}")
    for row in rows:
        because = f": {row.reason}" if row.reason else ""
        reporter.write_line(
            f"{row.number:>3} {row.page:<45.45} {row.checked:<36.36} {row.outcome}{because}"
        )


def totals(rows: list[Row]) -> str:
    """How many ended how; those that only answer are told apart by what was checked."""
    counts = Counter(row.outcome for row in rows)
    told = [f"{number} {outcome}" for outcome, number in counts.most_common()]
    answered = [row.checked.split(", ") for row in rows if row.outcome == "answered"]
    compared = sum("rows" in checked for checked in answered)
    bare = answered.count(["status"])
    if answered:
        told.append(
            f"of the answered ones {compared} were compared by row, {bare} were checked in nothing "
            "but their status"
        )
    return ", ".join(told)


def outcomes(reporter: pytest.TerminalReporter) -> Iterator[Row]:
    """How each exchange ended."""
    for reports in reporter.stats.values():
        for report in reports:
            found: list[Any] = [
                value
                for name, value in getattr(report, "user_properties", ())
                if name == "exchange"
            ]
            if found and report.when == "call":
                yield Row(*found[0])
