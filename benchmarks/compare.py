"""The comparison: every contender once a round, round after round, on the same pages."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.contenders import Contender, Unavailable, package_and_floor
from benchmarks.measure import ContenderFailed, Measured, measured
from benchmarks.pages import make_pages
from benchmarks.serving import Server, page_server

Say = Callable[[str], None]


@dataclass
class Outcome:
    """What the rounds of one contender have given.

    Attributes:
        contender: who.
        rows: how many it was given.
        runs: one a round.
        failure: why there are none, or no more.
    """

    contender: Contender
    rows: int
    runs: list[Measured] = field(default_factory=list)
    failure: str | None = None

    @property
    def seconds(self) -> float:
        """The median."""
        return statistics.median(run.seconds for run in self.runs)

    @property
    def rate(self) -> float:
        """Rows a second, by the median."""
        return self.rows / self.seconds

    @property
    def peak_bytes(self) -> int:
        """The most of all runs."""
        return max(run.peak_bytes for run in self.runs)

    def as_json(self) -> dict[str, Any]:
        """For the results file."""
        shown: dict[str, Any] = {"title": self.contender.title, "does": self.contender.does}
        shown |= {"rows": self.rows, "failure": self.failure}
        if self.runs:
            times = [run.seconds for run in self.runs]
            shown |= {"median": self.seconds, "least": min(times), "most": max(times)}
            shown |= {"rows_a_second": self.rate, "peak_bytes": self.peak_bytes}
            shown["cpu_seconds"] = statistics.median(run.cpu_seconds for run in self.runs)
        shown["runs"] = [run.as_json() for run in self.runs]
        return shown


def compare(
    contenders: Sequence[Contender],
    rows: int,
    rounds: int,
    *,
    variant: str = "lookups",
    folder: Path | None = None,
    say: Say = print,
) -> list[Outcome]:
    """Measures all contenders.

    Args:
        contenders: who takes part.
        rows: how many rows the table has, for those that are quick enough.
        rounds: how often each one runs.
        variant: of the pages, see `benchmarks.pages`.
        folder: where pages are kept; None for the usual place.
        say: shows progress.
    """
    outcomes = [Outcome(each, each.rows(rows)) for each in contenders]
    pages = _pages(outcomes, variant, folder, say)
    with ExitStack() as opened:
        sizes = sorted({outcome.rows for outcome in outcomes})
        servers = {size: opened.enter_context(page_server(pages, size)) for size in sizes}
        for number in range(1, rounds + 1):
            for outcome in outcomes:
                if outcome.failure is None:
                    _run(outcome, servers[outcome.rows])
                say(f"round {number}/{rounds}  {_line(outcome)}")
    return outcomes


def run_once(contender: Contender, server: Server) -> Measured:
    """One run in a folder of its own, which is removed after it.

    Raises:
        ContenderFailed: it ended with an error.
        Unavailable: it can't be installed here.
    """
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        command = contender.command(server.connection)
        return measured(command, Path(folder), server.ca_bundle, variables=contender.variables)


def _pages(outcomes: Sequence[Outcome], variant: str, folder: Path | None, say: Say) -> Path:
    """Pages for all: with the tables of lookups for those that ask, plain for the others."""
    most = max(outcome.rows for outcome in outcomes)
    made = make_pages(most, (variant, "keys", "versions", "dated"), folder=folder, say=say)
    asking = {each.name for each in package_and_floor()}
    plain = [each.rows for each in outcomes if each.contender.name not in asking]
    if plain:
        make_pages(max(plain), ("plain",), folder=folder, say=say)
    return made


def _run(outcome: Outcome, server: Server) -> None:
    try:
        run = run_once(outcome.contender, server)
    except (ContenderFailed, Unavailable) as failure:
        outcome.failure = str(failure)
        return
    if run.rows != outcome.rows:
        outcome.failure = f"{run.rows} rows arrived, not {outcome.rows}"
        return
    outcome.runs.append(run)


def _line(outcome: Outcome) -> str:
    name = f"{outcome.contender.title:36}"
    if outcome.failure is not None:
        return f"{name} failed: {outcome.failure[-300:]}"
    run = outcome.runs[-1]
    return (
        f"{name} {outcome.rows:>9,} rows {run.seconds:8.2f} s  {run.rows / run.seconds:>9,.0f} "
        f"rows/s  {run.cpu_seconds:6.1f} s CPU  {run.peak_bytes / 1e6:6,.0f} MB"
    )
