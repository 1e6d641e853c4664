"""The tables that the benchmarks print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.compare import Outcome


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are aligned to the right."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]

    def shown(line: Sequence[str]) -> str:
        cells = [line[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        return f"| {' | '.join(cells)} |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([shown(lines[0]), shown(rule), *map(shown, lines[1:])])


def comparison(outcomes: Sequence[Outcome]) -> str:
    """All contenders, with the time a row compared with the floor's and with ours.

    Where a contender got fewer rows, its time a row is what is compared: said in its line by
    the number of rows.
    """
    rates = {each.contender.name: each.rate for each in outcomes if each.runs}
    header = ["", "rows", "median s", "min", "max", "rows/s", "CPU s", "peak MB"]
    header += ["x floor", "x ours"]
    return table(header, (_cells(outcome, rates) for outcome in outcomes))


def _cells(outcome: Outcome, rates: dict[str, float]) -> list[str]:
    title = f"{outcome.contender.title} ({outcome.contender.does})"
    if not outcome.runs:
        return [title, f"{outcome.rows:,}", "failed", *[""] * 7]
    times = [run.seconds for run in outcome.runs]
    figures = outcome.as_json()
    return [
        title,
        f"{outcome.rows:,}",
        f"{outcome.seconds:.2f}",
        f"{min(times):.2f}",
        f"{max(times):.2f}",
        f"{outcome.rate:,.0f}",
        f"{figures['cpu_seconds']:.1f}",
        f"{outcome.peak_bytes / 1e6:,.0f}",
        *(_times(rates.get(name), outcome.rate) for name in ("floor", "ours")),
    ]


def _times(rate: float | None, own: float) -> str:
    """How many times as long a row takes."""
    return "" if rate is None else f"{rate / own:.2f}"
