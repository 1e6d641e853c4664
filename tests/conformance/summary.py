"""The table of exchanges at the end of a run in which they were asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest


def tell(reporter: pytest.TerminalReporter) -> None:
    """Prints the table, when there is something to tell."""
    rows = sorted(outcomes(reporter))
    if not rows:
        return
    counts = Counter(outcome for _, _, outcome, _ in rows)
    told = ", ".join(f"{number} {outcome}" for outcome, number in counts.most_common())
    reporter.section(f"exchanges printed in Microsoft's docs: {told}")
    for number, page, outcome, reason in rows:
        because = f": {reason}" if reason else ""
        reporter.write_line(f"{number:>3} {page:<50.50} {outcome}{because}")


def outcomes(reporter: pytest.TerminalReporter) -> Iterator[tuple[int, str, str, str]]:
    """Number, docs page, outcome and reason of each exchange."""
    for reports in reporter.stats.values():
        for report in reports:
            found: list[Any] = [
                value
                for name, value in getattr(report, "user_properties", ())
                if name == "exchange"
            ]
            if found and report.when == "call":
                number, page, outcome, reason = found[0]
                yield number, page, outcome, reason
